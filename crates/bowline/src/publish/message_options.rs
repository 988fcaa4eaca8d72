//! What a publisher can say of a message besides topic and payload. Owns the checks of the values.

use std::time::Duration;

use bowline_proto::session::SessionLoss;
use bowline_proto::types::{Message, MessageProperties, PayloadFormat};
use bowline_proto::{QoS, Text};
use bytes::Bytes;

use crate::names::IntoTopic;
use crate::outcome::PublishErrorKind;

/// A message in the making; remembers the first value that is not legal.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) message: Result<Message, PublishErrorKind>,
    /// `None` leaves it to the client.
    pub(super) on_session_loss: Option<SessionLoss>,
}

impl Draft {
    pub(super) fn new(topic: impl IntoTopic, payload: Bytes) -> Self {
        let topic = topic.into_topic().map_err(PublishErrorKind::Topic);
        Self { message: topic.map(|topic| Message::new(topic, payload)), on_session_loss: None }
    }

    /// The message with this payload: the draft is used again and again.
    pub(super) fn with_payload(&self, payload: Bytes) -> Result<Message, PublishErrorKind> {
        Ok(Self::filled(self.message.as_ref().map_err(Clone::clone)?, payload))
    }

    /// The message with another payload.
    #[inline(always)]
    pub(super) fn filled(draft: &Message, payload: Bytes) -> Message {
        let Message { topic, qos, retain, properties, .. } = draft;
        Message {
            topic: topic.clone(),
            payload,
            qos: *qos,
            retain: *retain,
            properties: if properties.is_some() { properties.clone() } else { None },
        }
    }

    pub(super) fn set_payload(&mut self, payload: Bytes) {
        if let Ok(message) = &mut self.message {
            message.payload = payload;
        }
    }

    pub(super) const fn set_qos(&mut self, qos: QoS) {
        if let Ok(message) = &mut self.message {
            message.qos = qos;
        }
    }

    pub(super) const fn set_retain(&mut self, retain: bool) {
        if let Ok(message) = &mut self.message {
            message.retain = retain;
        }
    }

    pub(super) fn set_expiry(&mut self, expires_in: Duration) {
        // Rounded up: a message must not expire earlier than asked for, and 0 would mean at once.
        let secs = expires_in.as_secs() + u64::from(expires_in.subsec_nanos() > 0);
        match u32::try_from(secs) {
            Ok(secs @ 1..) => self.properties(|properties| properties.expiry_secs = Some(secs)),
            _ => self.refuse("expires_in", format!("is {secs} s, allowed are 1 to {} s", u32::MAX)),
        }
    }

    pub(super) fn set_payload_is_text(&mut self) {
        self.properties(|properties| properties.payload_format = Some(PayloadFormat::Utf8));
    }

    pub(super) fn set_content_type(&mut self, content_type: String) {
        if let Some(text) = self.text("content_type", content_type) {
            self.properties(|properties| properties.content_type = Some(text));
        }
    }

    pub(super) fn set_response_topic(&mut self, topic: impl IntoTopic) {
        match topic.into_topic() {
            Ok(topic) => self.properties(|properties| properties.response_topic = Some(topic)),
            Err(error) => self.refuse("response_topic", error.to_string()),
        }
    }

    pub(super) fn set_correlation_data(&mut self, data: Bytes) {
        self.properties(|properties| properties.correlation_data = Some(data));
    }

    pub(super) fn add_user_property(&mut self, name: String, value: String) {
        if let (Some(name), Some(value)) =
            (self.text("user_property", name), self.text("user_property", value))
        {
            self.properties(|properties| properties.user_properties.push((name, value)));
        }
    }

    fn text(&mut self, option: &'static str, text: String) -> Option<Text> {
        match Text::try_from(text) {
            Ok(text) => Some(text),
            Err(error) => {
                self.refuse(option, error.to_string());
                None
            }
        }
    }

    fn properties(&mut self, set: impl FnOnce(&mut MessageProperties)) {
        if let Ok(message) = &mut self.message {
            set(message.properties.get_or_insert_default());
        }
    }

    pub(super) fn refuse(&mut self, option: &'static str, problem: String) {
        if self.message.is_ok() {
            self.message = Err(PublishErrorKind::Option { option, problem });
        }
    }
}

/// The methods that every builder of a message has.
macro_rules! message_options {
    () => {
        /// How hard both sides try to deliver it. Default: [`QoS::AtMostOnce`](crate::QoS::AtMostOnce).
        pub fn qos(mut self, qos: crate::QoS) -> Self {
            self.draft.set_qos(qos);
            self
        }

        /// Has the broker keep it for later subscribers. Default: not.
        pub fn retain(mut self) -> Self {
            self.draft.set_retain(true);
            self
        }

        /// Drops it if it could not be sent within this time, rounded up to seconds; 1 s to 136 years. Default: never. In
        /// 5.0 the broker drops it as well; before, this is ours alone, until the first byte is sent.
        pub fn expires_in(mut self, expires_in: std::time::Duration) -> Self {
            self.draft.set_expiry(expires_in);
            self
        }

        /// What becomes of it, if its QoS is 2 and it was sent, when the broker has lost the session before it was completed.
        /// Default: what [`Builder::on_session_loss`](crate::Builder::on_session_loss) says. Without effect on QoS 0 and 1.
        pub const fn on_session_loss(mut self, choice: crate::SessionLoss) -> Self {
            self.draft.on_session_loss = Some(choice);
            self
        }

        /// Says that the payload is UTF-8 text (5.0). It is not checked. Default: unspecified.
        pub fn payload_is_text(mut self) -> Self {
            self.draft.set_payload_is_text();
            self
        }

        /// Says what the payload is, for the applications to agree on (5.0). Default: nothing.
        pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
            self.draft.set_content_type(content_type.into());
            self
        }

        /// Makes it a request that is answered on this topic (5.0). Default: no request.
        pub fn response_topic(mut self, topic: impl crate::IntoTopic) -> Self {
            self.draft.set_response_topic(topic);
            self
        }

        /// Tells the requester which request an answer belongs to (5.0); at most 65,535 bytes. Default: nothing.
        pub fn correlation_data(mut self, data: impl Into<bytes::Bytes>) -> Self {
            self.draft.set_correlation_data(data.into());
            self
        }

        /// Adds a User Property (5.0). Names may repeat; the order is kept.
        pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.draft.add_user_property(name.into(), value.into());
            self
        }
    };
}

pub(super) use message_options;
