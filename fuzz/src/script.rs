//! An input as a script for an engine: numbers, and packets and messages made of them. Knows no engine.
//!
//! Identifiers, topics and payloads come from small sets, so that packets of one script have to do with each other.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{
    Ack, ConnAckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, Publish,
    SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe, Will,
};
use bowline_proto::types::{MessageProperties, SubscriptionId, SubscriptionOptions};
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Text, TopicFilter, TopicName, Version};

/// What is left of a script.
#[derive(Debug)]
pub(crate) struct Script<'a>(&'a [u8]);

const TOPICS: [&str; 4] = ["a", "a/b", "b", "$SYS/x"];
const FILTERS: [&str; 6] = ["a", "a/#", "+/b", "#", "$share/g/a", "c"];
const PAYLOADS: [&str; 3] = ["", "m", "another message"];

impl<'a> Script<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.byte()) % values.len()]
    }

    /// Up to 255 bytes as they are.
    pub(crate) fn raw(&mut self) -> &'a [u8] {
        let bytes = usize::from(self.byte()).min(self.0.len());
        let (raw, rest) = self.0.split_at(bytes);
        self.0 = rest;
        raw
    }

    /// From a millisecond to 18 hours.
    pub(crate) fn duration(&mut self) -> Duration {
        Duration::from_millis(1 << (self.byte() % 27))
    }

    pub(crate) fn version(&mut self) -> Version {
        self.pick(&[Version::V5, Version::V3_1_1, Version::V3_1, Version::V5])
    }

    pub(crate) fn qos(&mut self) -> QoS {
        self.pick(&[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce])
    }

    /// A small identifier, seldom another one.
    pub(crate) fn packet_id(&mut self) -> PacketId {
        let byte = self.byte();
        let value = if byte < 0xF0 { u16::from(byte % 8) + 1 } else { u16::MAX - u16::from(byte & 0x0F) };
        PacketId::new(value).expect("not 0")
    }

    /// Any reason code, mostly success.
    pub(crate) fn reason(&mut self) -> ReasonCode {
        let byte = self.byte();
        ReasonCode::from_u8(byte).unwrap_or(ReasonCode::Success)
    }

    pub(crate) fn reasons(&mut self) -> Vec<ReasonCode> {
        (0..self.byte() % 4).map(|_| self.reason()).collect()
    }

    fn topic(&mut self) -> TopicName {
        TopicName::from_static(self.pick(&TOPICS)).expect("a legal topic")
    }

    pub(crate) fn filter(&mut self) -> TopicFilter {
        TopicFilter::from_static(self.pick(&FILTERS)).expect("a legal filter")
    }

    pub(crate) fn subscriptions(&mut self) -> Vec<Subscription> {
        (0..1 + self.byte() % 3)
            .map(|_| {
                let mut options = SubscriptionOptions::new(self.qos());
                options.no_local = self.byte() & 0x0F == 0x0F;
                Subscription { filter: self.filter(), options }
            })
            .collect()
    }

    pub(crate) fn subscription_id(&mut self) -> Option<SubscriptionId> {
        SubscriptionId::new(u32::from(self.byte() % 5))
    }

    fn payload(&mut self) -> Bytes {
        match self.byte() {
            0xFF => Bytes::from(vec![b'x'; 70_000]),
            byte => Bytes::from_static(PAYLOADS[usize::from(byte) % PAYLOADS.len()].as_bytes()),
        }
    }

    pub(crate) fn message(&mut self) -> Message {
        let (topic, payload, qos) = (self.topic(), self.payload(), self.qos());
        let message = Message::new(topic, payload).with_qos(qos);
        match self.byte() {
            byte @ 0..0x20 => {
                let mut properties = MessageProperties::default();
                properties.expiry_secs = Some(u32::from(byte));
                message.with_properties(properties)
            }
            0x20..0x30 => message.with_retain(true),
            _ => message,
        }
    }

    /// A PUBLISH as a decoder could have made it.
    pub(crate) fn publish(&mut self, version: Version) -> Packet {
        let message = self.message();
        let is_acknowledged = message.qos != QoS::AtMostOnce;
        let has_properties = version.rules().has_properties;
        let alias = NonZeroU16::new(u16::from(self.byte() % 24)).filter(|_| has_properties);
        let flags = self.byte();
        Packet::Publish(Publish {
            dup: is_acknowledged && flags & 1 == 1,
            qos: message.qos,
            retain: message.retain,
            packet_id: is_acknowledged.then(|| self.packet_id()),
            topic: (alias.is_none() || flags & 2 == 0).then_some(message.topic),
            topic_alias: alias,
            subscription_ids: Default::default(),
            payload: message.payload,
            properties: message.properties.filter(|_| has_properties),
        })
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(crate) fn acknowledgement(&mut self, version: Version) -> Packet {
        let make = self.pick(&[
            Packet::PubAck as fn(Ack) -> Packet,
            Packet::PubRec,
            Packet::PubRel,
            Packet::PubComp,
        ]);
        let reason = if version.rules().has_ack_reasons { self.reason() } else { ReasonCode::Success };
        make(Ack::new(self.packet_id(), reason))
    }

    pub(crate) fn subscribe(&mut self, version: Version) -> Packet {
        let has_properties = version.rules().has_properties;
        Packet::Subscribe(Box::new(Subscribe {
            packet_id: self.packet_id(),
            subscriptions: self.subscriptions(),
            subscription_id: self.subscription_id().filter(|_| has_properties),
            user_properties: Vec::new(),
        }))
    }

    pub(crate) fn unsubscribe(&mut self) -> Packet {
        let filters = (0..1 + self.byte() % 3).map(|_| self.filter()).collect();
        Packet::Unsubscribe(Box::new(Unsubscribe {
            packet_id: self.packet_id(),
            filters,
            user_properties: Vec::new(),
        }))
    }

    pub(crate) fn suback(&mut self) -> Packet {
        let (packet_id, reasons) = (self.packet_id(), self.reasons());
        Packet::SubAck(Box::new(SubAck { packet_id, reasons, properties: Default::default() }))
    }

    pub(crate) fn unsuback(&mut self) -> Packet {
        let (packet_id, reasons) = (self.packet_id(), self.reasons());
        Packet::UnsubAck(Box::new(UnsubAck { packet_id, reasons, properties: Default::default() }))
    }

    pub(crate) fn disconnect(&mut self, version: Version) -> Disconnect {
        if !version.rules().has_disconnect_reason {
            return Disconnect::new(ReasonCode::Success);
        }
        let mut disconnect = Disconnect::new(self.reason());
        let expiry = self.byte();
        if expiry & 1 == 1 {
            let session_expiry_secs = Some(u32::from(expiry >> 1));
            let properties = DisconnectProperties { session_expiry_secs, ..Default::default() };
            disconnect.properties = Some(Box::new(properties));
        }
        disconnect
    }

    pub(crate) fn connect(&mut self, version: Version) -> Connect {
        let has_properties = version.rules().has_properties;
        let clean_start = self.coin();
        let properties = if has_properties {
            ConnectProperties {
                session_expiry_secs: self.pick(&[Some(EXPIRY_NEVER), None, Some(0), Some(5)]),
                receive_maximum: NonZeroU16::new(self.pick(&[0, 1, 2, 3, 100])),
                maximum_packet_size: NonZeroU32::new(self.pick(&[0, 0, 0, 1, 5, 20, 50])),
                request_problem_information: self.pick(&[None, Some(false), Some(true)]),
                ..ConnectProperties::default()
            }
        } else {
            let session_expiry_secs = Some(if clean_start { 0 } else { EXPIRY_NEVER });
            ConnectProperties { session_expiry_secs, ..ConnectProperties::default() }
        };
        let mut will = self.coin().then(|| Will { message: self.message(), delay_secs: None });
        if let Some(will) = will.as_mut().filter(|_| !has_properties) {
            will.message.properties = None;
        }
        Connect {
            version,
            client_id: Text::from_static(self.pick(&["c", "c", "c", ""])).expect("a legal text"),
            clean_start,
            keep_alive_secs: self.pick(&[0, 60, 1, u16::MAX]),
            will,
            user_name: None,
            password: None,
            properties,
        }
    }

    /// What a broker grants.
    pub(crate) fn grants(&mut self, version: Version) -> ConnAckProperties {
        if self.coin() || !version.rules().has_properties {
            return ConnAckProperties::default();
        }
        ConnAckProperties {
            session_expiry_secs: self.pick(&[None, Some(0), Some(3)]),
            receive_maximum: NonZeroU16::new(self.pick(&[0, 1, 2, 3, 100])),
            maximum_qos: self.pick(&[None, None, Some(QoS::AtMostOnce), Some(QoS::AtLeastOnce)]),
            retain_available: self.pick(&[None, Some(false)]),
            maximum_packet_size: NonZeroU32::new(self.pick(&[0, 0, 1, 5, 20, 50])),
            assigned_client_id: self.coin().then(|| Text::from_static("assigned").expect("a legal text")),
            topic_alias_maximum: self.pick(&[None, Some(0), Some(3)]),
            wildcard_subscription_available: self.pick(&[None, Some(false)]),
            subscription_ids_available: self.pick(&[None, Some(false)]),
            shared_subscription_available: self.pick(&[None, Some(false)]),
            server_keep_alive_secs: self.pick(&[None, Some(0), Some(1)]),
            ..ConnAckProperties::default()
        }
    }
}
