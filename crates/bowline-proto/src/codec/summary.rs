//! One line about a packet, for logs: its type, identifier and flags. Never shows topics, payloads or credentials.

use alloc::vec::Vec;
use core::fmt;

use crate::codec::frame::FixedHeader;
use crate::codec::outgoing::Outgoing;
use crate::packet::{Packet, PacketType};
use crate::types::{PacketId, QoS};

/// What a log says of a packet. Prints as `PUBLISH (id=7 qos=1 dup=0)`, `PUBACK (id=7)` or `PINGREQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketSummary {
    /// The type.
    pub packet_type: PacketType,
    /// The packet identifier, if it has one.
    pub packet_id: Option<PacketId>,
    /// QoS and DUP flag of a PUBLISH.
    pub publish: Option<(QoS, bool)>,
}

impl PacketSummary {
    /// About a packet that was decoded.
    pub fn of_packet(packet: &Packet) -> Self {
        let (packet_id, publish) = match packet {
            Packet::Publish(publish) => (publish.packet_id, Some((publish.qos, publish.dup))),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                (Some(ack.packet_id), None)
            }
            Packet::Subscribe(subscribe) => (Some(subscribe.packet_id), None),
            Packet::SubAck(suback) => (Some(suback.packet_id), None),
            Packet::Unsubscribe(unsubscribe) => (Some(unsubscribe.packet_id), None),
            Packet::UnsubAck(unsuback) => (Some(unsuback.packet_id), None),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect(_)
            | Packet::Auth(_) => (None, None),
        };
        Self { packet_type: packet.packet_type(), packet_id, publish }
    }

    /// About the packets that wait to be written, in order. `outgoing` must begin with a whole packet, as it does
    /// until the first [`advance`](Outgoing::advance).
    pub fn of_outgoing(outgoing: &Outgoing) -> Vec<Self> {
        let mut summaries = Vec::new();
        // Bytes of a packet that go on in the next chunk: only payloads do.
        let mut left = 0;
        for mut chunk in outgoing.chunks() {
            while left < chunk.len() {
                chunk = &chunk[left..];
                let Some((summary, packet_bytes)) = Self::of_bytes(chunk) else { return summaries };
                summaries.push(summary);
                left = packet_bytes;
            }
            left -= chunk.len();
        }
        summaries
    }

    /// About the packet at the start of these bytes, and its length.
    fn of_bytes(bytes: &[u8]) -> Option<(Self, usize)> {
        let header = FixedHeader::parse(bytes).ok()??;
        let packet_type = PacketType::from_u8(header.first >> 4)?;
        let body = bytes.get(header.header_bytes..)?;
        let mut publish = None;
        let id_at = match packet_type {
            PacketType::Publish => {
                let qos = QoS::from_u8(header.first >> 1 & 0b11)?;
                publish = Some((qos, header.first & 0b1000 != 0));
                (qos != QoS::AtMostOnce).then_some(2 + usize::from(number(body, 0)?))
            }
            PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::Subscribe
            | PacketType::SubAck
            | PacketType::Unsubscribe
            | PacketType::UnsubAck => Some(0),
            _ => None,
        };
        let packet_id = id_at.and_then(|at| number(body, at)).and_then(PacketId::new);
        Some((Self { packet_type, packet_id, publish }, header.packet_bytes()))
    }
}

impl fmt::Display for PacketSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.packet_type)?;
        match (self.packet_id, self.publish) {
            (Some(id), Some((qos, dup))) => write!(f, " (id={id} qos={qos} dup={})", u8::from(dup)),
            (None, Some((qos, dup))) => write!(f, " (qos={qos} dup={})", u8::from(dup)),
            (Some(id), None) => write!(f, " (id={id})"),
            (None, None) => Ok(()),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let &[high, low] = bytes.get(at..at + 2)?.first_chunk()?;
    Some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::codec::{Decoder, Encoder};
    use crate::packet::{Ack, PublishHeader};
    use crate::reason::Role;
    use crate::types::{Message, TopicName};
    use crate::version::Version;

    #[test]
    fn what_is_written_and_what_is_decoded_say_the_same_also_around_shared_payloads() {
        for version in Version::ALL {
            let encoder = Encoder::new(version, Role::Server, u32::MAX);
            let mut out = Outgoing::new();
            let topic = TopicName::from_static("a/b").unwrap();
            let id = PacketId::new(513).unwrap();
            for (qos, payload_bytes) in
                [(QoS::AtMostOnce, 3), (QoS::AtLeastOnce, 5_000), (QoS::ExactlyOnce, 0)]
            {
                let message = Message::new(topic.clone(), vec![7; payload_bytes]).with_qos(qos);
                let packet_id = (qos != QoS::AtMostOnce).then_some(id);
                let header = PublishHeader { dup: packet_id.is_some(), packet_id, ..Default::default() };
                encoder.publish(&mut out, &message, &header).unwrap();
            }
            encoder.ack(&mut out, PacketType::PubRel, &Ack::success(id), false).unwrap();
            encoder.packet(&mut out, &Packet::PingResp).unwrap();

            let written: Vec<_> = PacketSummary::of_outgoing(&out).iter().map(ToString::to_string).collect();
            let lines = [
                "PUBLISH (qos=0 dup=0)",
                "PUBLISH (id=513 qos=1 dup=1)",
                "PUBLISH (id=513 qos=2 dup=1)",
                "PUBREL (id=513)",
                "PINGRESP",
            ];
            assert_eq!(written, lines);

            let mut decoder = Decoder::for_client(version, u32::MAX);
            decoder.feed(&out.to_vec());
            let mut decoded = Vec::new();
            while let Some(packet) = decoder.next_packet().unwrap() {
                decoded.push(PacketSummary::of_packet(&packet).to_string());
            }
            assert_eq!(decoded, lines);
        }
    }
}
