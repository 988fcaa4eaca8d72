//! Packets that a scripted broker sends, and the names that tests give them. Owns no protocol decision.

use bowline_proto::packet::{Ack, AckProperties, Packet, Publish, SubAck, UnsubAck};
use bowline_proto::types::{SubscriptionId, SubscriptionIds};
use bowline_proto::{Bytes, PacketId, QoS, ReasonCode, TopicFilter, TopicName};

/// A packet identifier.
///
/// # Panics
/// If it is 0.
pub fn packet_id(value: u16) -> PacketId {
    PacketId::new(value).expect("the test's packet identifier is not 0")
}

/// A topic name.
///
/// # Panics
/// If it is none.
pub fn topic(text: &'static str) -> TopicName {
    TopicName::from_static(text).expect("the test's topic is legal")
}

/// A topic filter.
///
/// # Panics
/// If it is none.
pub fn filter(text: &'static str) -> TopicFilter {
    TopicFilter::from_static(text).expect("the test's filter is legal")
}

/// A PUBLISH of this QoS: without an identifier for QoS 0, whatever is given.
pub fn publish(text: &'static str, payload: &'static str, qos: QoS, id: u16) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        packet_id: (qos != QoS::AtMostOnce).then(|| packet_id(id)),
        topic: Some(topic(text)),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::from_static(payload.as_bytes()),
        properties: None,
    }
}

/// A QoS 0 PUBLISH.
pub fn qos0(text: &'static str, payload: &'static str) -> Packet {
    Packet::Publish(publish(text, payload, QoS::AtMostOnce, 0))
}

/// A QoS 1 PUBLISH.
pub fn qos1(text: &'static str, payload: &'static str, id: u16) -> Packet {
    Packet::Publish(publish(text, payload, QoS::AtLeastOnce, id))
}

/// A QoS 2 PUBLISH.
pub fn qos2(text: &'static str, payload: &'static str, id: u16) -> Packet {
    Packet::Publish(publish(text, payload, QoS::ExactlyOnce, id))
}

/// The same PUBLISH with the DUP flag.
///
/// # Panics
/// If it is no PUBLISH.
#[must_use]
pub fn again(packet: Packet) -> Packet {
    let Packet::Publish(publish) = packet else { panic!("only a PUBLISH has the DUP flag") };
    Packet::Publish(Publish { dup: true, ..publish })
}

/// The same PUBLISH with these Subscription Identifiers.
///
/// # Panics
/// If it is no PUBLISH, or if an identifier is out of range.
#[must_use]
pub fn for_subscriptions(packet: Packet, ids: &[u32]) -> Packet {
    let Packet::Publish(publish) = packet else { panic!("only a PUBLISH has Subscription Identifiers") };
    let ids = ids.iter().map(|&id| SubscriptionId::new(id).expect("a legal identifier"));
    Packet::Publish(Publish { subscription_ids: ids.collect(), ..publish })
}

/// PUBACK with this reason.
pub fn puback(id: u16, reason: ReasonCode) -> Packet {
    Packet::PubAck(Ack::new(packet_id(id), reason))
}

/// PUBREC with this reason.
pub fn pubrec(id: u16, reason: ReasonCode) -> Packet {
    Packet::PubRec(Ack::new(packet_id(id), reason))
}

/// PUBREL with this reason.
pub fn pubrel(id: u16, reason: ReasonCode) -> Packet {
    Packet::PubRel(Ack::new(packet_id(id), reason))
}

/// PUBCOMP with this reason.
pub fn pubcomp(id: u16, reason: ReasonCode) -> Packet {
    Packet::PubComp(Ack::new(packet_id(id), reason))
}

/// SUBACK with these reasons.
pub fn suback(id: PacketId, reasons: &[ReasonCode]) -> Packet {
    let properties = AckProperties::default();
    Packet::SubAck(Box::new(SubAck { packet_id: id, reasons: reasons.to_vec(), properties }))
}

/// UNSUBACK with these reasons; the versions before 5.0 have none.
pub fn unsuback(id: PacketId, reasons: &[ReasonCode]) -> Packet {
    let properties = AckProperties::default();
    Packet::UnsubAck(Box::new(UnsubAck { packet_id: id, reasons: reasons.to_vec(), properties }))
}
