//! A received message, as applications see it. Knows no stream and no acknowledgement.

use std::fmt;
use std::str::Utf8Error;

use bowline_proto::client::Delivery;
use bowline_proto::types::{
    Message as Content, MessageProperties, SubscriptionId, SubscriptionIds, UserProperties,
};
use bowline_proto::{PacketId, QoS};
use bytes::Bytes;

/// A message that was received. Cheap to clone: topic and payload are shared.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    content: Content,
    packet_id: Option<PacketId>,
    dup: bool,
    subscription_ids: SubscriptionIds,
}

impl Message {
    #[inline(always)]
    pub(crate) fn of_delivery(delivery: Delivery) -> Self {
        let Delivery { message, dup, packet_id, subscription_ids, .. } = delivery;
        Self { content: message, packet_id, dup, subscription_ids }
    }

    /// Where it was published.
    pub fn topic(&self) -> &str {
        self.content.topic.as_str()
    }

    /// The payload.
    pub const fn payload(&self) -> &Bytes {
        &self.content.payload
    }

    /// The payload, without the rest.
    pub fn into_payload(self) -> Bytes {
        self.content.payload
    }

    /// The payload as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.content.payload)
    }

    /// The QoS it was delivered with: at most that of the subscription.
    pub const fn qos(&self) -> QoS {
        self.content.qos
    }

    /// Whether it was sent because of a new subscription and had been kept before; with
    /// [`retain_as_published`](crate::Subscribe::retain_as_published): whether it was published as retained.
    pub const fn retain(&self) -> bool {
        self.content.retain
    }

    /// Whether the broker had perhaps sent it before. Says nothing about whether the application has seen it.
    pub const fn dup(&self) -> bool {
        self.dup
    }

    /// The packet identifier it came with, for logs; `None` with QoS 0.
    pub const fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }

    /// The properties of MQTT 5.0; `None` if there are none.
    pub fn properties(&self) -> Option<&MessageProperties> {
        self.content.properties.as_deref()
    }

    /// The User Properties of MQTT 5.0; empty if there are none.
    pub fn user_properties(&self) -> &[(bowline_proto::Text, bowline_proto::Text)] {
        static NONE: UserProperties = UserProperties::new();
        self.properties().map_or(&NONE, |properties| &properties.user_properties)
    }

    /// The Subscription Identifiers it came with (MQTT 5.0). Streams are told apart by them already.
    pub fn subscription_ids(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.subscription_ids.iter()
    }

    /// Topic, payload, QoS, retain and properties as one value, as it would be published.
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

impl From<Message> for Content {
    fn from(message: Message) -> Self {
        message.content
    }
}

impl fmt::Debug for Message {
    /// Prints the payload's size, never the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.content.topic)
            .field("payload_bytes", &self.content.payload.len())
            .field("qos", &self.content.qos)
            .field("retain", &self.content.retain)
            .field("dup", &self.dup)
            .field("packet_id", &self.packet_id)
            .field("properties", &self.content.properties)
            .finish()
    }
}
