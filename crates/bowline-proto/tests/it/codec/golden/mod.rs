//! Packets next to their bytes, which were written by hand from the layouts in the standard.

mod v3;
mod v5_connect;
mod v5_exchange;

use bowline_proto::packet::Packet;
use bowline_proto::{Bytes, Role, Version};

use crate::codec::{NO_LIMIT, decoded, decoder, drain, encoded, hex};
use bowline_proto::codec::Decoder;

/// Checks both directions, from one block and from two at every place where it can be cut.
fn both_ways(version: Version, sender: Role, packet: &Packet, text: &str) {
    let bytes = hex(text);
    assert_eq!(encoded(version, sender, packet), bytes, "encoded as {version} by a {sender:?}");
    reads_as(version, sender, packet, text);
}

/// Checks that the bytes are read as this packet, however they arrive.
fn reads_as(version: Version, sender: Role, packet: &Packet, text: &str) {
    let bytes = hex(text);
    if matches!(packet, Packet::Connect(_)) {
        cut_everywhere(&bytes, packet, || Decoder::for_server(NO_LIMIT));
    } else {
        assert_eq!(decoded(version, sender, &bytes).as_ref(), Ok(packet), "decoded as {version}");
        cut_everywhere(&bytes, packet, || decoder(version, sender, NO_LIMIT));
    }
}

fn cut_everywhere(bytes: &[u8], packet: &Packet, new_decoder: impl Fn() -> Decoder) {
    let expected = Ok(vec![packet.clone()]);
    for cut in 0..=bytes.len() {
        let mut decoder = new_decoder();
        decoder.feed(&bytes[..cut]);
        let before = drain(&mut decoder).expect("a legal beginning");
        assert_eq!(before.len(), usize::from(cut == bytes.len()));
        decoder.feed_block(Bytes::copy_from_slice(&bytes[cut..]));
        let after = drain(&mut decoder).map(|after| [before, after].concat());
        assert_eq!(after, expected, "cut at {cut}");
    }
    let mut decoder = new_decoder();
    for byte in bytes {
        decoder.feed(&[*byte]);
    }
    assert_eq!(drain(&mut decoder), expected, "byte by byte");
}
