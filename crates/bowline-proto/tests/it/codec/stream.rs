//! Many packets in one read, packets over many reads, and what is kept of a read.

use bowline_proto::codec::Decoder;
use bowline_proto::packet::Packet;
use bowline_proto::{Bytes, Role, Version};

use crate::codec::{NO_LIMIT, decoder, drain, hex};

fn publish(payload_bytes: usize) -> Vec<u8> {
    let remaining = 3 + payload_bytes;
    let mut bytes = vec![0x30];
    let mut length = remaining;
    while length > 127 {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(hex("0001'a'"));
    bytes.resize(bytes.len() + payload_bytes, 7);
    bytes
}

fn payload(packet: &Packet) -> &Bytes {
    match packet {
        Packet::Publish(publish) => &publish.payload,
        other => panic!("PUBLISH expected, not {other:?}"),
    }
}

#[test]
fn many_packets_in_one_read_come_out_in_order() {
    let sizes: Vec<usize> = (0..300).collect();
    let bytes: Vec<u8> = sizes.iter().flat_map(|&size| publish(size)).collect();
    for portion in [1, 7, 1000, 16_384, bytes.len()] {
        for keep_blocks in [false, true] {
            let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
            for part in bytes.chunks(portion) {
                if keep_blocks {
                    decoder.feed_block(Bytes::copy_from_slice(part));
                } else {
                    decoder.feed(part);
                }
            }
            assert_eq!(decoder.buffered_bytes(), bytes.len());
            let packets = drain(&mut decoder).expect("all are legal");
            let found: Vec<usize> = packets.iter().map(|packet| payload(packet).len()).collect();
            assert_eq!((found, decoder.buffered_bytes()), (sizes.clone(), 0), "portions of {portion}");
        }
    }
}

#[test]
fn a_packet_over_very_many_reads_costs_no_more_than_its_size() {
    // Copying what is there at every read would move some 130 GB here, and never end.
    let bytes = publish(4_000_000);
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    for part in bytes.chunks(60) {
        assert_eq!(drain(&mut decoder), Ok(Vec::new()));
        decoder.feed(part);
    }
    let packets = drain(&mut decoder).expect("it is legal");
    assert_eq!(payload(&packets[0]).len(), 4_000_000);
}

#[test]
fn packets_of_a_block_are_slices_of_it() {
    let bytes = [publish(10), publish(5000)].concat();
    let block = Bytes::from(bytes);
    let range = block.as_ptr_range();
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    decoder.feed_block(block);
    for packet in drain(&mut decoder).expect("they are legal") {
        assert!(range.contains(&payload(&packet).as_ptr()));
    }
}

#[test]
fn packets_of_a_read_share_blocks_of_a_bounded_size() {
    let one = publish(100);
    let bytes = one.repeat(2000);
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    decoder.feed(&bytes);
    let packets = drain(&mut decoder).expect("they are legal");
    let mut block_packets = 1;
    let mut longest = 1;
    for pair in packets.windows(2) {
        let distance = payload(&pair[1]).as_ptr().addr().wrapping_sub(payload(&pair[0]).as_ptr().addr());
        block_packets = if distance == one.len() { block_packets + 1 } else { 1 };
        longest = longest.max(block_packets);
    }
    assert!((100..=16_384 / one.len()).contains(&longest), "{longest} packets share a block");
}

#[test]
fn a_large_packet_does_not_keep_its_neighbours() {
    let bytes = [publish(10), publish(50_000), publish(10)].concat();
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    decoder.feed(&bytes);
    let packets = drain(&mut decoder).expect("they are legal");
    let [small, large, _] = [0, 1, 2].map(|at| payload(&packets[at]).as_ptr().addr());
    assert_ne!(large.wrapping_sub(small), publish(10).len() + 2, "they are in one block");
}

#[test]
fn the_decoder_of_a_server_learns_the_version() {
    for version in Version::ALL {
        assert_eq!(decoder(version, Role::Client, NO_LIMIT).version(), Some(version));
        assert_eq!(decoder(version, Role::Server, NO_LIMIT).version(), Some(version));
    }
    assert_eq!(Decoder::for_server(NO_LIMIT).version(), None);
}

#[test]
fn packets_behind_connect_are_read_in_its_version() {
    let mut decoder = Decoder::for_server(NO_LIMIT);
    decoder.feed(&hex("10 0D 0004'MQTT' 05 02 0000 00 0000 30 04 0001'a' 00 C0 00 E0 01 04"));
    let packets = drain(&mut decoder).expect("they are legal");
    assert_eq!(packets.len(), 4);
}

#[test]
fn debug_output_shows_no_content() {
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    decoder.feed(&hex("30 0A 0001'a' 'secret'"));
    let shown = format!("{decoder:?}");
    assert!(shown.contains("buffered_bytes: 11") && !shown.contains("secret"), "{shown}");
}
