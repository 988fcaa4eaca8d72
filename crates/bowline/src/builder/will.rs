//! The message that the broker publishes when a client is lost.

use std::time::Duration;

use bowline_proto::QoS;
use bowline_proto::packet;
use bowline_proto::types::topic::TopicError;
use bowline_proto::types::{Message, MessageProperties};
use bytes::Bytes;

use crate::names::IntoTopic;

/// The will: what the broker publishes when the connection is lost without a DISCONNECT.
///
/// | option | default |
/// |---|---|
/// | [`qos`](Self::qos) | [`QoS::AtMostOnce`] |
/// | [`retain`](Self::retain) | no |
/// | [`delay`](Self::delay) (5.0) | none |
/// | [`properties`](Self::properties) (5.0) | none |
#[derive(Clone, Debug)]
#[must_use]
pub struct Will {
    message: Result<Message, TopicError>,
    delay: Option<Duration>,
}

impl Will {
    /// This payload on this topic. A topic that is none is an error when the client is made. The payload has at most 65,535
    /// bytes.
    pub fn new(topic: impl IntoTopic, payload: impl Into<Bytes>) -> Self {
        Self { message: topic.into_topic().map(|topic| Message::new(topic, payload)), delay: None }
    }

    /// Its QoS.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.message = self.message.map(|message| message.with_qos(qos));
        self
    }

    /// Has the broker keep it for later subscribers.
    pub fn retain(mut self) -> Self {
        self.message = self.message.map(|message| message.with_retain(true));
        self
    }

    /// How long the broker waits before it publishes it, or until the session ends if that is earlier (5.0); in seconds, rounded
    /// down.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Its properties (5.0).
    pub fn properties(mut self, properties: MessageProperties) -> Self {
        self.message = self.message.map(|message| message.with_properties(properties));
        self
    }

    pub(super) fn into_packet(self) -> Result<packet::Will, String> {
        let message = self.message.map_err(|error| format!("topic {error}"))?;
        let delay_secs = self.delay.map(|delay| {
            u32::try_from(delay.as_secs())
                .map_err(|_| format!("delay is {} s, allowed are 0 to {} s", delay.as_secs(), u32::MAX))
        });
        Ok(packet::Will { message, delay_secs: delay_secs.transpose()? })
    }
}
