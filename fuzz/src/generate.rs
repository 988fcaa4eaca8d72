//! Legal packets from random numbers, as a second way for a fuzzer to come up with inputs. Knows no bytes.
//!
//! Mutation alone seldom keeps the lengths inside a packet right, and hardly ever changes one field to one value.

use std::num::{NonZeroU16, NonZeroU32};

use bowline_proto::packet::{
    Ack, AckProperties, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, PacketType, Publish, Secret, SubAck, Subscribe, Subscription, UnsubAck,
    Unsubscribe, Will,
};
use bowline_proto::types::{
    MessageProperties, PayloadFormat, RetainHandling, SubscriptionId, SubscriptionOptions, UserProperties,
};
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Role, Text, TopicFilter, TopicName, Version};

const FROM_CLIENT: [PacketType; 11] = [
    PacketType::Connect,
    PacketType::Publish,
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::Subscribe,
    PacketType::Unsubscribe,
    PacketType::PingReq,
    PacketType::Disconnect,
    PacketType::Auth,
];

const FROM_SERVER: [PacketType; 11] = [
    PacketType::ConnAck,
    PacketType::Publish,
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::SubAck,
    PacketType::UnsubAck,
    PacketType::PingResp,
    PacketType::Disconnect,
    PacketType::Auth,
];

/// A small random number generator (splitmix64), seeded by the fuzzer.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// A value, or none more often than not.
    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) == 0).then(|| make(self))
    }

    /// Small, near a boundary, or anything.
    fn u32(&mut self) -> u32 {
        match self.below(4) {
            0 => u32::MAX,
            1 => self.next() as u32,
            _ => self.below(256) as u32,
        }
    }

    fn u16(&mut self) -> u16 {
        self.u32() as u16
    }

    fn nonzero_u16(&mut self) -> NonZeroU16 {
        NonZeroU16::new(self.u16()).unwrap_or(NonZeroU16::MIN)
    }

    fn bytes(&mut self) -> Bytes {
        let len = self.below(20);
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn string(&mut self, characters: &[char], least: usize) -> String {
        let len = least + self.below(12);
        (0..len).map(|_| self.one_of(characters)).collect()
    }

    fn text(&mut self) -> Text {
        Text::try_from(self.string(&['a', 'b', ' ', '/', 'ä', '\u{FEFF}', '😀'], 0))
            .expect("legal characters")
    }

    fn topic(&mut self) -> TopicName {
        TopicName::try_from(self.string(&['a', 'b', '/', '$', 'ä', '😀'], 1)).expect("legal characters")
    }

    fn filter(&mut self) -> TopicFilter {
        TopicFilter::try_from(self.string(&['a', '+', '#', '/', 'ä'], 1))
            .unwrap_or_else(|_| TopicFilter::from_static("$share/g/+/b").expect("legal"))
    }

    fn qos(&mut self) -> QoS {
        self.one_of(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }

    fn id(&mut self) -> PacketId {
        PacketId::new(self.u16().max(1)).expect("not 0")
    }

    fn user_properties(&mut self) -> UserProperties {
        let count = if self.coin() { 0 } else { self.below(4) };
        (0..count).map(|_| (self.text(), self.text())).collect()
    }

    fn secret(&mut self) -> Secret {
        Secret(self.bytes())
    }

    fn reason(&mut self, packet: PacketType, sender: Role) -> ReasonCode {
        let allowed: Vec<ReasonCode> =
            ReasonCode::ALL.iter().copied().filter(|reason| reason.is_allowed_in(packet, sender)).collect();
        self.one_of(&allowed)
    }

    fn content(&mut self) -> Option<Box<MessageProperties>> {
        let mut properties = MessageProperties::default();
        properties.payload_format =
            self.maybe(|n| n.one_of(&[PayloadFormat::Unspecified, PayloadFormat::Utf8]));
        properties.expiry_secs = self.maybe(Self::u32);
        properties.content_type = self.maybe(Self::text);
        properties.response_topic = self.maybe(Self::topic);
        properties.correlation_data = self.maybe(Self::bytes);
        properties.user_properties = self.user_properties();
        (!properties.is_empty()).then(|| Box::new(properties))
    }

    fn ack_properties(&mut self) -> AckProperties {
        AckProperties { reason_string: self.maybe(Self::text), user_properties: self.user_properties() }
    }

    fn ack(&mut self, packet: PacketType, sender: Role) -> Ack {
        let mut ack = Ack::new(self.id(), self.reason(packet, sender));
        ack.properties = self.maybe(|n| Box::new(n.ack_properties()));
        ack
    }

    /// Any packet of this version, with AUTH for all of them; the encoder refuses what the version does not have.
    pub(crate) fn packet(&mut self, version: Version, sender: Role) -> Packet {
        let is_5 = version == Version::V5;
        let kind = self.one_of(match sender {
            Role::Client => &FROM_CLIENT[..],
            Role::Server => &FROM_SERVER[..],
        });
        match kind {
            PacketType::Connect => Packet::Connect(Box::new(self.connect(version))),
            PacketType::ConnAck => Packet::ConnAck(Box::new(self.connack(is_5))),
            PacketType::Publish => Packet::Publish(self.publish(is_5, sender)),
            PacketType::PubAck => Packet::PubAck(self.ack(kind, sender)),
            PacketType::PubRec => Packet::PubRec(self.ack(kind, sender)),
            PacketType::PubRel => Packet::PubRel(self.ack(kind, sender)),
            PacketType::PubComp => Packet::PubComp(self.ack(kind, sender)),
            PacketType::Subscribe => Packet::Subscribe(Box::new(self.subscribe(is_5))),
            PacketType::SubAck => {
                let reasons = (0..=self.below(4)).map(|_| self.reason(kind, Role::Server)).collect();
                let (packet_id, properties) = (self.id(), self.ack_properties());
                Packet::SubAck(Box::new(SubAck { packet_id, reasons, properties }))
            }
            PacketType::Unsubscribe => {
                let user_properties = if is_5 { self.user_properties() } else { Vec::new() };
                let filters = (0..=self.below(4)).map(|_| self.filter()).collect();
                Packet::Unsubscribe(Box::new(Unsubscribe { packet_id: self.id(), filters, user_properties }))
            }
            PacketType::UnsubAck => {
                let reasons = (0..=self.below(4)).map(|_| self.reason(kind, Role::Server)).collect();
                let (packet_id, properties) = (self.id(), self.ack_properties());
                Packet::UnsubAck(Box::new(UnsubAck { packet_id, reasons, properties }))
            }
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Box::new(self.disconnect(is_5, sender))),
            PacketType::Auth => Packet::Auth(Box::new(Auth {
                reason: self.reason(kind, sender),
                method: Some(self.text()),
                data: self.maybe(Self::secret),
                reason_string: self.maybe(Self::text),
                user_properties: self.user_properties(),
            })),
        }
    }

    fn publish(&mut self, is_5: bool, sender: Role) -> Publish {
        let qos = self.qos();
        let topic_alias = if is_5 { self.maybe(Self::nonzero_u16) } else { None };
        let ids = if is_5 && sender == Role::Server { self.below(3) } else { 0 };
        Publish {
            dup: qos != QoS::AtMostOnce && self.coin(),
            qos,
            retain: self.coin(),
            packet_id: (qos != QoS::AtMostOnce).then(|| self.id()),
            topic: if topic_alias.is_some() && self.coin() { None } else { Some(self.topic()) },
            topic_alias,
            subscription_ids: (0..ids).filter_map(|_| SubscriptionId::new(self.u32() >> 4)).collect(),
            payload: self.bytes(),
            properties: if is_5 { self.content() } else { None },
        }
    }

    fn subscribe(&mut self, is_5: bool) -> Subscribe {
        let subscriptions = (0..=self.below(4)).map(|_| {
            let filter = self.filter();
            let mut options = SubscriptionOptions::new(self.qos());
            if is_5 {
                options.no_local = filter.share_name().is_none() && self.coin();
                options.retain_as_published = self.coin();
                options.retain_handling =
                    self.one_of(&[RetainHandling::OnNewSubscription, RetainHandling::Never]);
            }
            Subscription { filter, options }
        });
        let subscriptions = subscriptions.collect();
        let subscription_id = if is_5 { SubscriptionId::new(self.u32() >> 4) } else { None };
        let user_properties = if is_5 { self.user_properties() } else { Vec::new() };
        Subscribe { packet_id: self.id(), subscriptions, subscription_id, user_properties }
    }

    fn disconnect(&mut self, is_5: bool, sender: Role) -> Disconnect {
        if !is_5 {
            return Disconnect::new(ReasonCode::Success);
        }
        let properties = DisconnectProperties {
            session_expiry_secs: if sender == Role::Client { self.maybe(Self::u32) } else { None },
            reason_string: self.maybe(Self::text),
            user_properties: self.user_properties(),
            server_reference: if sender == Role::Server { self.maybe(Self::text) } else { None },
        };
        Disconnect {
            reason: self.reason(PacketType::Disconnect, sender),
            properties: self.coin().then(|| Box::new(properties)),
        }
    }

    fn connect(&mut self, version: Version) -> Connect {
        let is_5 = version == Version::V5;
        let will = self.maybe(|n| {
            let mut message = Message::new(n.topic(), n.bytes()).with_qos(n.qos()).with_retain(n.coin());
            message.properties = if is_5 { n.content() } else { None };
            Will { message, delay_secs: if is_5 { n.maybe(Self::u32) } else { None } }
        });
        let user_name = self.maybe(Self::text);
        let password = if is_5 || user_name.is_some() { self.maybe(Self::secret) } else { None };
        let authentication_method = self.maybe(Self::text);
        let properties = ConnectProperties {
            session_expiry_secs: self.maybe(Self::u32),
            receive_maximum: self.maybe(Self::nonzero_u16),
            maximum_packet_size: NonZeroU32::new(self.u32()),
            topic_alias_maximum: self.maybe(Self::u16),
            request_response_information: self.maybe(Self::coin),
            request_problem_information: self.maybe(Self::coin),
            user_properties: self.user_properties(),
            authentication_data: authentication_method.as_ref().map(|_| self.secret()),
            authentication_method,
        };
        Connect {
            version,
            client_id: self.text(),
            clean_start: self.coin(),
            keep_alive_secs: self.u16(),
            will,
            user_name,
            password,
            properties: if is_5 { properties } else { ConnectProperties::default() },
        }
    }

    fn connack(&mut self, is_5: bool) -> ConnAck {
        let authentication_method = self.maybe(Self::text);
        let properties = ConnAckProperties {
            session_expiry_secs: self.maybe(Self::u32),
            receive_maximum: self.maybe(Self::nonzero_u16),
            maximum_qos: self.maybe(|n| n.one_of(&[QoS::AtMostOnce, QoS::AtLeastOnce])),
            retain_available: self.maybe(Self::coin),
            maximum_packet_size: NonZeroU32::new(self.u32()),
            assigned_client_id: self.maybe(Self::text),
            topic_alias_maximum: self.maybe(Self::u16),
            reason_string: self.maybe(Self::text),
            user_properties: self.user_properties(),
            wildcard_subscription_available: self.maybe(Self::coin),
            subscription_ids_available: self.maybe(Self::coin),
            shared_subscription_available: self.maybe(Self::coin),
            server_keep_alive_secs: self.maybe(Self::u16),
            response_information: self.maybe(Self::text),
            server_reference: self.maybe(Self::text),
            authentication_data: authentication_method.as_ref().map(|_| self.secret()),
            authentication_method,
        };
        ConnAck {
            session_present: Some(self.coin()),
            reason: self.reason(PacketType::ConnAck, Role::Server),
            properties: if is_5 { properties } else { ConnAckProperties::default() },
        }
    }
}
