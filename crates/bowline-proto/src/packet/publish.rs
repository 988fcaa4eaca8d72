//! PUBLISH (section 3.3): as received, and the header that a message gets on its way out.

use alloc::boxed::Box;
use core::num::NonZeroU16;

use bytes::Bytes;

use crate::types::{Message, MessageProperties, PacketId, QoS, SubscriptionIds, TopicName};

/// A PUBLISH as it arrived. The engine resolves the alias and makes a [`Message`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Publish {
    /// The DUP flag: perhaps sent before.
    pub dup: bool,
    /// The QoS.
    pub qos: QoS,
    /// The RETAIN flag.
    pub retain: bool,
    /// There exactly if the QoS is not 0 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// The topic; absent if only an alias was sent [MQTT-3.3.2-1].
    pub topic: Option<TopicName>,
    /// The topic alias, never 0 [MQTT-3.3.2-8].
    pub topic_alias: Option<NonZeroU16>,
    /// Which subscriptions caused it.
    pub subscription_ids: SubscriptionIds,
    /// The payload.
    pub payload: Bytes,
    /// The properties that belong to the content.
    pub properties: Option<Box<MessageProperties>>,
}

/// What the wire adds to a [`Message`]: bound at the last moment, different at every sending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by every engine on the path of a message")]
pub struct PublishHeader<'a> {
    /// The DUP flag.
    pub dup: bool,
    /// There exactly if the message's QoS is not 0.
    pub packet_id: Option<PacketId>,
    /// The topic alias to send, and whether the topic goes with it.
    pub alias: Option<Alias>,
    /// The remaining expiry in seconds, instead of the message's own.
    pub expiry_secs: Option<u32>,
    /// Subscription Identifiers; servers only.
    pub subscription_ids: Option<&'a SubscriptionIds>,
}

/// A topic alias on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an alias is either set or used")]
pub enum Alias {
    /// Topic and alias: from now on the alias means this topic.
    Set(NonZeroU16),
    /// The alias alone.
    Use(NonZeroU16),
}

impl Publish {
    /// The message, once the topic is known.
    pub fn into_message(self, topic: TopicName) -> Message {
        Message {
            topic,
            payload: self.payload,
            qos: self.qos,
            retain: self.retain,
            properties: self.properties,
        }
    }
}
