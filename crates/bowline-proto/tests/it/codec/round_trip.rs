//! Any legal packet survives encoding and decoding, and no bytes make a decoder panic or change its mind.

use bowline_proto::codec::{Decoder, EncodeError, Encoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::{Bytes, Role, Version};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{NO_LIMIT, decoder, drain, encoded, smallest_connect};
use crate::arbitrary::packet::{any_packet, packet};
use crate::arbitrary::{role, version};

fn decoder_for(packet: &Packet, version: Version, sender: Role) -> Decoder {
    match packet {
        Packet::Connect(_) => Decoder::for_server(NO_LIMIT),
        _ => decoder(version, sender, NO_LIMIT),
    }
}

/// What came out, and the error that ended it as text.
fn outcome(decoder: &mut Decoder, portions: &[&[u8]], keep_blocks: bool) -> (Vec<Packet>, Option<String>) {
    let mut packets = Vec::new();
    let mut error = None;
    for portion in portions {
        if keep_blocks {
            decoder.feed_block(Bytes::copy_from_slice(portion));
        } else {
            decoder.feed(portion);
        }
        loop {
            match decoder.next_packet() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(found) => {
                    error = Some(found.to_string());
                    break;
                }
            }
        }
    }
    (packets, error)
}

proptest! {
    #[test]
    fn a_packet_survives_encoding_and_decoding((version, sender, packet) in any_packet(), cut in any::<Index>()) {
        let bytes = encoded(version, sender, &packet);
        let (now, later) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut decoder = decoder_for(&packet, version, sender);
        let (packets, error) = outcome(&mut decoder, &[now, later], false);
        prop_assert_eq!((packets, error), (vec![packet], None));
        prop_assert_eq!((decoder.version(), decoder.buffered_bytes()), (Some(version), 0));
    }

    #[test]
    fn packets_of_one_connection_come_out_as_they_went_in(
        (version, sender, packets) in (version(), role()).prop_flat_map(|(version, sender)| {
            let packets = proptest::collection::vec(packet(version, sender), 1..8);
            (Just(version), Just(sender), packets)
        }),
        portion in 1..300_usize,
        keep_blocks in any::<bool>(),
    ) {
        // CONNECT comes once, and the decoder has had it.
        let packets: Vec<Packet> =
            packets.into_iter().filter(|packet| !matches!(packet, Packet::Connect(_))).collect();
        let bytes: Vec<u8> = packets.iter().flat_map(|packet| encoded(version, sender, packet)).collect();
        let portions: Vec<&[u8]> = bytes.chunks(portion).collect();
        let mut decoder = decoder(version, sender, NO_LIMIT);
        prop_assert_eq!(outcome(&mut decoder, &portions, keep_blocks), (packets, None));
    }

    #[test]
    fn a_limit_is_kept_or_the_packet_refused((version, sender, packet) in any_packet(), limit in any::<Index>()) {
        let whole = encoded(version, sender, &packet).len();
        let limit = limit.index(whole + 2);
        let mut out = Outgoing::new();
        match Encoder::new(version, sender, limit as u32).packet(&mut out, &packet) {
            Ok(()) => {
                let is_ping = matches!(packet, Packet::PingReq | Packet::PingResp);
                prop_assert!(out.len() <= limit || is_ping);
                let mut decoder = decoder_for(&packet, version, sender);
                decoder.feed(&out.to_vec());
                let packets = drain(&mut decoder).expect("what is left is legal");
                prop_assert_eq!(packets.len(), 1);
                prop_assert!(limit < whole || packets[0] == packet);
            }
            Err(EncodeError::PacketTooLarge { bytes, .. }) => {
                prop_assert!(out.is_empty() && limit < whole && bytes > limit as u64);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn damaged_packets_do_not_panic_and_are_judged_alike_in_any_portions(
        (version, sender, packet) in any_packet(),
        damage in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        portion in 1..40_usize,
        keep_blocks in any::<bool>(),
    ) {
        let mut bytes = encoded(version, sender, &packet);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let at_once = outcome(&mut decoder_for(&packet, version, sender), &[&bytes], false);
        let portions: Vec<&[u8]> = bytes.chunks(portion).collect();
        let in_portions = outcome(&mut decoder_for(&packet, version, sender), &portions, keep_blocks);
        prop_assert_eq!(in_portions, at_once);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        version in version(),
        limit in prop_oneof![Just(NO_LIMIT), 0..300_u32],
    ) {
        outcome(&mut Decoder::for_client(version, limit), &[&bytes], false);
        outcome(&mut Decoder::for_server(limit), &[&bytes], true);
        outcome(&mut Decoder::for_server(NO_LIMIT), &[&smallest_connect(version), &bytes], false);
    }
}
