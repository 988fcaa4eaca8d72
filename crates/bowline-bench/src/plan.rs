//! What one run moves, and the packets that are made before it starts. Knows no socket.

use std::str::FromStr;

use bowline::proto::codec::{Encoder, Outgoing};
use bowline::proto::packet::PublishHeader;
use bowline::proto::types::Message;
use bowline::proto::{Role, TopicName};
use bowline::{PacketId, QoS, Version};

use crate::transport::Transport;

/// Most QoS 1 and 2 messages in flight, and most messages in the client's queue.
pub const WINDOW: u16 = 1_000;

pub(crate) const TOPIC: &str = "site/7/line/3/temp/value";

/// A direction and a QoS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workload {
    /// Publish at QoS 0.
    W1,
    /// Publish at QoS 1.
    W2,
    /// Publish at QoS 2.
    W3,
    /// Receive at QoS 0.
    W4,
    /// Receive at QoS 1.
    W5,
    /// Receive at QoS 2.
    W6,
}

impl Workload {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::W1, Self::W2, Self::W3, Self::W4, Self::W5, Self::W6];

    /// The QoS of its messages.
    pub const fn qos(self) -> QoS {
        match self {
            Self::W1 | Self::W4 => QoS::AtMostOnce,
            Self::W2 | Self::W5 => QoS::AtLeastOnce,
            Self::W3 | Self::W6 => QoS::ExactlyOnce,
        }
    }

    /// Whether the client is the one who publishes.
    pub const fn is_publishing(self) -> bool {
        matches!(self, Self::W1 | Self::W2 | Self::W3)
    }

    /// `W1` to `W6`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
        }
    }

    /// What it does, for tables.
    pub const fn description(self) -> &'static str {
        match self {
            Self::W1 => "publish QoS 0",
            Self::W2 => "publish QoS 1",
            Self::W3 => "publish QoS 2",
            Self::W4 => "receive QoS 0",
            Self::W5 => "receive QoS 1",
            Self::W6 => "receive QoS 2",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|workload| workload.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| format!("`{name}` is none of W1 to W6"))
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Who sends, at which QoS.
    pub workload: Workload,
    /// The version of MQTT.
    pub version: Version,
    /// How many messages.
    pub messages: u64,
    /// Bytes of each payload; the topic has 24.
    pub payload_bytes: usize,
    /// What a relay before the peer speaks. Without, there is none, and client and peer are connected by TCP.
    pub transport: Option<Transport>,
}

impl Plan {
    /// So many messages with payloads of 256 bytes, over MQTT 5.0.
    pub const fn new(workload: Workload, messages: u64) -> Self {
        Self { workload, version: Version::V5, messages, payload_bytes: 256, transport: None }
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        vec![0x5A; self.payload_bytes]
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    /// The PUBLISH packets of one window, with the identifiers from 1; they are sent round and round.
    pub(crate) fn window_of_packets(&self) -> Vec<u8> {
        let topic = TopicName::from_static(TOPIC).expect("the topic is legal");
        let message = Message::new(topic, self.payload()).with_qos(self.workload.qos());
        let encoder = Encoder::new(self.version, Role::Server, u32::MAX);
        let mut packets = Vec::new();
        for number in 1..=WINDOW {
            let packet_id = (message.qos != QoS::AtMostOnce)
                .then(|| PacketId::new(number).expect("identifiers count from 1"));
            let header = PublishHeader { packet_id, ..PublishHeader::default() };
            let mut out = Outgoing::new();
            encoder.publish(&mut out, &message, &header).expect("the message fits into a packet");
            out.chunks().for_each(|chunk| packets.extend_from_slice(chunk));
        }
        packets
    }

    /// CONNECT with a clean session and a keep-alive of 60 s.
    pub(crate) fn connect(&self) -> &'static [u8] {
        if self.is_v5() {
            &[0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 3, b'r', b'a', b'w']
        } else {
            &[0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 3, b'r', b'a', b'w']
        }
    }

    /// CONNACK; in 5.0 it says that there are no Subscription Identifiers, so that the source need not send any.
    pub(crate) fn connack(&self) -> &'static [u8] {
        if self.is_v5() { &[0x20, 5, 0, 0, 2, 0x29, 0] } else { &[0x20, 2, 0, 0] }
    }

    /// SUBSCRIBE for the topic.
    pub(crate) fn subscribe(&self) -> Vec<u8> {
        let properties: &[u8] = if self.is_v5() { &[0] } else { &[] };
        let topic = [&[0, TOPIC.len() as u8], TOPIC.as_bytes(), &[self.workload.qos() as u8]].concat();
        let body = [&[0, 1], properties, &topic].concat();
        [&[0x82, body.len() as u8], body.as_slice()].concat()
    }

    /// SUBACK for the identifier.
    pub(crate) fn suback(&self, id: [u8; 2]) -> Vec<u8> {
        let granted = self.workload.qos() as u8;
        if self.is_v5() {
            vec![0x90, 4, id[0], id[1], 0, granted]
        } else {
            vec![0x90, 3, id[0], id[1], granted]
        }
    }
}
