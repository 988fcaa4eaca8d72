//! The application message: immutable user content. Packet identifiers, DUP and aliases are not part of it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::types::{QoS, Text, TopicName};

/// Name and value pairs in the order in which they were written; names may repeat [MQTT-3.3.2-18].
pub type UserProperties = Vec<(Text, Text)>;

/// An application message, as a publisher made it or as a subscriber receives it.
///
/// Cheap to clone: topic and payload are shared, not copied.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is published. Always the full topic: aliases exist only on the wire.
    pub topic: TopicName,
    /// The payload, which MQTT does not look into.
    // Also together with `retain` [MQTT-3.3.1-6] [MQTT-3.3.1-10 of 3.1.1].
    pub payload: Bytes,
    /// The QoS it is (or was) sent with.
    pub qos: QoS,
    /// The RETAIN flag (section 3.3.1.3).
    // Unchanged both ways. [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.3.1-8 of 3.1.1] [MQTT-3.3.1-9 of 3.1.1]
    pub retain: bool,
    /// The MQTT 5.0 properties that belong to the content; `None` when there are none.
    pub properties: Option<Box<MessageProperties>>,
}

impl Message {
    /// A QoS 0 message that is not retained and has no properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), qos: QoS::AtMostOnce, retain: false, properties: None }
    }

    /// The same message with this QoS.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same message with this RETAIN flag.
    #[must_use]
    pub fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// The same message with these properties. Needs MQTT 5.0 if any is set.
    #[must_use]
    pub fn with_properties(mut self, properties: MessageProperties) -> Self {
        self.properties = if properties.is_empty() { None } else { Some(Box::new(properties)) };
        self
    }

    /// The message expiry interval in seconds, if one is set.
    pub fn expiry_secs(&self) -> Option<u32> {
        self.properties.as_deref().and_then(|properties| properties.expiry_secs)
    }

    /// Takes the properties away that only MQTT 5.0 can express.
    pub(crate) fn strip_version_5(&mut self) {
        if let Some(properties) = &mut self.properties {
            **properties =
                MessageProperties { expiry_secs: properties.expiry_secs, ..MessageProperties::default() };
            if properties.is_empty() {
                self.properties = None;
            }
        }
    }

    /// Bytes that the message holds: what queue limits count. An estimate of the memory, not of the packet.
    pub fn content_bytes(&self) -> usize {
        let properties = self.properties.as_deref().map_or(0, MessageProperties::content_bytes);
        self.topic.len() + self.payload.len() + properties
    }
}

impl fmt::Debug for Message {
    /// Prints the payload's size, never the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

/// What the payload is (section 3.3.2.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has exactly two")]
pub enum PayloadFormat {
    /// Unspecified bytes, as if the property were absent.
    Unspecified = 0,
    /// UTF-8 text. The library does not check it.
    Utf8 = 1,
}

/// The MQTT 5.0 properties of an application message (section 3.3.2.3).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageProperties {
    /// Payload Format Indicator.
    // [MQTT-3.3.2-4]
    pub payload_format: Option<PayloadFormat>,
    /// Message Expiry Interval in seconds; absent means the message does not expire.
    pub expiry_secs: Option<u32>,
    /// Content Type, for the applications to agree on.
    // [MQTT-3.3.2-19] [MQTT-3.3.2-20]
    pub content_type: Option<Text>,
    /// Response Topic: the message is a request, answer there.
    // A topic name by type. [MQTT-3.3.2-14] [MQTT-3.3.2-15]
    pub response_topic: Option<TopicName>,
    /// Correlation Data: tells the requester which request an answer belongs to.
    // [MQTT-3.3.2-16]
    pub correlation_data: Option<Bytes>,
    /// User Properties.
    // [MQTT-3.3.2-17]
    pub user_properties: UserProperties,
}

impl MessageProperties {
    /// Whether no property is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether any property is set that only MQTT 5.0 can express. An expiry interval is not: before 5.0 the sender
    /// applies it and the packet leaves it out.
    pub fn needs_version_5(&self) -> bool {
        *self != Self { expiry_secs: self.expiry_secs, ..Self::default() }
    }

    fn content_bytes(&self) -> usize {
        self.content_type.as_ref().map_or(0, Text::len)
            + self.response_topic.as_ref().map_or(0, TopicName::len)
            + self.correlation_data.as_ref().map_or(0, Bytes::len)
            + self.user_properties.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

impl fmt::Debug for MessageProperties {
    /// Prints sizes for the opaque parts, never their content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageProperties")
            .field("payload_format", &self.payload_format)
            .field("expiry_secs", &self.expiry_secs)
            .field("content_type", &self.content_type)
            .field("response_topic", &self.response_topic)
            .field("correlation_data_bytes", &self.correlation_data.as_ref().map(Bytes::len))
            .field("user_properties", &self.user_properties.len())
            .finish()
    }
}
