//! Whatever can be decoded can be encoded, is then no longer than it was, and decodes to the same packet.

use bowline_proto::codec::{Decoder, EncodeError, Encoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::{Role, Version};

use crate::plan::{Plan, smallest_connect};

/// Decodes, encodes and decodes again.
pub fn round_trip(input: &[u8]) {
    let Some((plan, bytes)) = Plan::split(input) else { return };
    let mut decoder = match plan.sender() {
        Role::Server => Decoder::for_client(plan.version(), u32::MAX),
        Role::Client => Decoder::for_server(u32::MAX),
    };
    if plan.sender() == Role::Client && !plan.has_own_connect() {
        decoder.feed(smallest_connect(plan.version()));
    }
    decoder.feed(&bytes);
    loop {
        let before = decoder.buffered_bytes();
        let Ok(Some(packet)) = decoder.next_packet() else { return };
        let version = decoder.version().expect("a packet has been decoded");
        check(version, plan.sender(), &packet, before - decoder.buffered_bytes());
    }
}

fn check(version: Version, sender: Role, packet: &Packet, wire_bytes: usize) {
    let encoder = Encoder::new(version, sender, u32::MAX);
    let mut out = Outgoing::new();
    encoder.packet(&mut out, packet).expect("a packet that was decoded can be encoded");
    let bytes = out.to_vec();
    assert_eq!(bytes.len(), out.len());
    // A broker that does not know 5.0 may refuse in the form of 3.1.1, which has no length of properties.
    let wire_bytes = wire_bytes + usize::from(matches!(packet, Packet::ConnAck(_)) && wire_bytes == 4);
    assert!(bytes.len() <= wire_bytes, "{packet:?} took {wire_bytes} bytes and now takes {}", bytes.len());
    assert_eq!(decode_one(version, sender, &bytes), *packet);

    let limit = bytes.len() as u32 - 1;
    let mut smaller = Outgoing::new();
    match Encoder::new(version, sender, limit).packet(&mut smaller, packet) {
        // The two pings have one size and no way to fail.
        Ok(()) if matches!(packet, Packet::PingReq | Packet::PingResp) => {}
        Ok(()) => {
            assert!(smaller.len() <= limit as usize);
            decode_one(version, sender, &smaller.to_vec());
        }
        Err(error) => {
            assert!(matches!(error, EncodeError::PacketTooLarge { .. }), "{error}");
            assert!(smaller.is_empty(), "a refused packet left bytes");
        }
    }
}

fn decode_one(version: Version, sender: Role, bytes: &[u8]) -> Packet {
    let is_connect = bytes[0] >> 4 == 1;
    let mut decoder = match sender {
        Role::Server => Decoder::for_client(version, u32::MAX),
        Role::Client => Decoder::for_server(u32::MAX),
    };
    if sender == Role::Client && !is_connect {
        decoder.feed(smallest_connect(version));
        decoder.next_packet().expect("CONNECT is legal");
    }
    decoder.feed(bytes);
    let packet = decoder.next_packet().expect("what we write is legal").expect("and whole");
    assert_eq!(decoder.buffered_bytes(), 0);
    packet
}
