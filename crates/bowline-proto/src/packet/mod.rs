//! The packets as values, shaped like MQTT 5.0; knows no bytes. The codecs normalise 3.1 and 3.1.1 onto this model.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;

use alloc::boxed::Box;

pub use ack::{Ack, AckProperties};
pub use auth::Auth;
pub use connack::{ConnAck, ConnAckProperties};
pub use connect::{Connect, ConnectProperties, Secret, Will};
pub use disconnect::{Disconnect, DisconnectProperties};
pub use publish::{Alias, Publish, PublishHeader};
pub use subscribe::{SubAck, Subscribe, Subscription};
pub use unsubscribe::{UnsubAck, Unsubscribe};

pub use crate::types::PacketType;

/// A packet of any version, normalised to the shape of MQTT 5.0. Rare and large ones are boxed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has exactly fifteen")]
pub enum Packet {
    /// Client to server, first on a connection.
    Connect(Box<Connect>),
    /// Server to client, the answer.
    ConnAck(Box<ConnAck>),
    /// An application message.
    Publish(Publish),
    /// Answers a QoS 1 PUBLISH.
    PubAck(Ack),
    /// First answer to a QoS 2 PUBLISH.
    PubRec(Ack),
    /// Answers PUBREC.
    PubRel(Ack),
    /// Answers PUBREL: the QoS 2 exchange is over.
    PubComp(Ack),
    /// Client to server: subscribe to filters.
    Subscribe(Box<Subscribe>),
    /// Server to client: one result per filter.
    SubAck(Box<SubAck>),
    /// Client to server: end subscriptions.
    Unsubscribe(Box<Unsubscribe>),
    /// Server to client: done.
    UnsubAck(Box<UnsubAck>),
    /// Client to server: are you there?
    PingReq,
    /// Server to client: yes.
    PingResp,
    /// The sender ends the connection.
    Disconnect(Box<Disconnect>),
    /// Enhanced authentication (MQTT 5.0).
    Auth(Box<Auth>),
}

impl Packet {
    /// Its type.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}
