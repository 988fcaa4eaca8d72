//! Tests of the wire codec, and what they share: decoders for either side, and bytes written as hexadecimal text.

mod encode;
mod golden;
mod outgoing;
mod round_trip;
mod stream;
mod strict;

use bowline_proto::codec::{DecodeError, DecodeErrorKind, Decoder, Encoder, Outgoing};
use bowline_proto::packet::{Packet, PacketType};
use bowline_proto::{ReasonCode, Role, Text, TopicFilter, TopicName, Version};

/// No limit but the protocol's own.
pub(crate) const NO_LIMIT: u32 = u32::MAX;

/// Bytes from pairs of hexadecimal digits; white space separates, and `'text'` stands for its bytes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            bytes.push(u8::from_str_radix(pair, 16).expect("two hexadecimal digits"));
        }
    }
    bytes
}

/// The smallest CONNECT of a version, written by hand.
pub(crate) fn smallest_connect(version: Version) -> Vec<u8> {
    hex(match version {
        Version::V3_1 => "10 0F 0006'MQIsdp' 03 02 0000 0001'c'",
        Version::V3_1_1 => "10 0D 0004'MQTT' 04 02 0000 0001'c'",
        Version::V5 => "10 0E 0004'MQTT' 05 02 0000 00 0001'c'",
    })
}

/// A decoder for what `sender` sends after CONNECT.
pub(crate) fn decoder(version: Version, sender: Role, packet_bytes_max: u32) -> Decoder {
    match sender {
        Role::Server => Decoder::for_client(version, packet_bytes_max),
        Role::Client => {
            let mut decoder = Decoder::for_server(packet_bytes_max);
            decoder.feed(&smallest_connect(version));
            let connect = decoder.next_packet().expect("it is legal");
            assert!(matches!(connect, Some(Packet::Connect(_))));
            decoder
        }
    }
}

/// Decodes everything that is there.
pub(crate) fn drain(decoder: &mut Decoder) -> Result<Vec<Packet>, DecodeError> {
    let mut packets = Vec::new();
    while let Some(packet) = decoder.next_packet()? {
        packets.push(packet);
    }
    Ok(packets)
}

/// The packet that these bytes are, after CONNECT.
pub(crate) fn decoded(version: Version, sender: Role, bytes: &[u8]) -> Result<Packet, DecodeError> {
    let mut decoder = decoder(version, sender, NO_LIMIT);
    decoder.feed(bytes);
    let mut packets = drain(&mut decoder)?;
    assert_eq!((packets.len(), decoder.buffered_bytes()), (1, 0), "one whole packet");
    Ok(packets.remove(0))
}

/// The error that these bytes are, after CONNECT; it names the packet type of the first byte.
pub(crate) fn refused(version: Version, sender: Role, text: &str) -> (DecodeErrorKind, ReasonCode) {
    let bytes = hex(text);
    let error = decoded(version, sender, &bytes).expect_err("not a legal packet");
    assert_eq!(error.packet(), PacketType::from_u8(bytes[0] >> 4), "{error}");
    (*error.kind(), error.reason())
}

/// The bytes of a packet, without a limit.
pub(crate) fn encoded(version: Version, sender: Role, packet: &Packet) -> Vec<u8> {
    let mut out = Outgoing::new();
    Encoder::new(version, sender, NO_LIMIT).packet(&mut out, packet).expect("it can be written");
    out.to_vec()
}

pub(crate) fn text(text: &str) -> Text {
    Text::try_from(text).expect("an MQTT string")
}

pub(crate) fn topic(topic: &str) -> TopicName {
    TopicName::try_from(topic).expect("a topic name")
}

pub(crate) fn filter(filter: &str) -> TopicFilter {
    TopicFilter::try_from(filter).expect("a topic filter")
}
