//! What the server granted for one connection, with the defaults of what CONNACK leaves out. Knows no bytes.

use core::fmt;

use crate::packet::{ConnAck, Connect};
use crate::reason::ReasonCode;
use crate::types::{Message, MessageProperties, QoS, TopicFilter};

/// The limits of one connection: CONNACK's properties (section 3.2.2.3) over what CONNECT asked for.
///
/// They are checked at admission where they are known, and again when a packet is bound to the wire, because the next
/// connection may have others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Unanswered QoS 1 and 2 messages that the server takes; 65,535 if it does not say.
    pub receive_maximum: u16,
    /// The highest QoS to publish with; 2 if the server does not say. Does not bind the QoS of subscriptions.
    pub maximum_qos: QoS,
    /// Whether messages may be published with RETAIN.
    pub retain_available: bool,
    /// Bytes of the largest packet that the server takes, `u32::MAX` for no limit. Binds packets of every type.
    pub maximum_packet_size: u32,
    /// The highest topic alias to send; 0, for none, if the server does not say.
    pub topic_alias_maximum: u16,
    /// Whether filters may have `+` and `#`.
    pub wildcard_subscriptions: bool,
    /// Whether SUBSCRIBE may have a Subscription Identifier; never in versions without properties.
    pub subscription_ids: bool,
    /// Whether filters may start with `$share/`. Versions that cannot say leave it to the server's answer.
    pub shared_subscriptions: bool,
    /// Whether messages may have the properties of 5.0.
    pub message_properties: bool,
    /// Keep Alive in seconds, 0 for none: the server's value if it sent one, else the client's.
    pub keep_alive_secs: u16,
    /// Session Expiry Interval in seconds: the server's value if it sent one, else what the client asked for.
    /// [`EXPIRY_NEVER`](crate::packet::connect::EXPIRY_NEVER) means never.
    pub session_expiry_secs: u32,
}

impl Limits {
    /// The limits after this successful `connack` to this `connect`.
    pub fn new(connack: &ConnAck, connect: &Connect) -> Self {
        let granted = &connack.properties;
        let asked_expiry_secs = connect.properties.session_expiry_secs.unwrap_or(0);
        let has_properties = connect.version.rules().has_properties;
        Self {
            receive_maximum: granted.receive_maximum.map_or(u16::MAX, |maximum| maximum.get()),
            maximum_qos: granted.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain_available: granted.retain_available.unwrap_or(true),
            maximum_packet_size: granted.maximum_packet_size.map_or(u32::MAX, |maximum| maximum.get()),
            // [MQTT-3.2.2-18]
            topic_alias_maximum: granted.topic_alias_maximum.unwrap_or(0),
            wildcard_subscriptions: granted.wildcard_subscription_available.unwrap_or(true),
            subscription_ids: has_properties && granted.subscription_ids_available.unwrap_or(true),
            shared_subscriptions: granted.shared_subscription_available.unwrap_or(true),
            message_properties: has_properties,
            // [MQTT-3.1.2-21] [MQTT-3.2.2-21]
            keep_alive_secs: granted.server_keep_alive_secs.unwrap_or(connect.keep_alive_secs),
            session_expiry_secs: granted.session_expiry_secs.unwrap_or(asked_expiry_secs),
        }
    }

    /// Whether `message` may be published as a packet of `packet_bytes` bytes in all, fixed header included.
    ///
    /// # Errors
    /// [`LimitError`] if its QoS is too high, it is retained and must not be, or the packet is too large.
    #[inline]
    pub fn check_publish(&self, message: &Message, packet_bytes: u32) -> Result<(), LimitError> {
        // [MQTT-3.2.2-11]
        if message.qos > self.maximum_qos {
            return Err(LimitError::QoSTooHigh { qos: message.qos, maximum: self.maximum_qos });
        }
        // [MQTT-3.2.2-14]
        if message.retain && !self.retain_available {
            return Err(LimitError::RetainNotAvailable);
        }
        let properties = message.properties.as_deref();
        if !self.message_properties && properties.is_some_and(MessageProperties::needs_version_5) {
            return Err(LimitError::NeedsVersion5 { option: "message properties" });
        }
        self.check_packet(packet_bytes)
    }

    /// Whether a packet of any type may have `packet_bytes` bytes in all, fixed header included.
    ///
    /// # Errors
    /// [`LimitError::PacketTooLarge`] if it may not.
    pub const fn check_packet(&self, packet_bytes: u32) -> Result<(), LimitError> {
        // [MQTT-3.2.2-15]
        if packet_bytes > self.maximum_packet_size {
            return Err(LimitError::PacketTooLarge {
                bytes: packet_bytes,
                maximum: self.maximum_packet_size,
            });
        }
        Ok(())
    }

    /// Whether `filter` may be subscribed to. The requested QoS is not limited: the server grants less if it must.
    ///
    /// # Errors
    /// [`LimitError`] if it is shared or has wildcards and the server has no such subscriptions.
    // [MQTT-3.2.2-10]: Maximum QoS does not bind what is asked for.
    pub fn check_filter(&self, filter: &TopicFilter) -> Result<(), LimitError> {
        if !self.shared_subscriptions && filter.share_name().is_some() {
            return Err(LimitError::SharedNotAvailable { filter: filter.clone() });
        }
        if !self.wildcard_subscriptions && filter.has_wildcard() {
            return Err(LimitError::WildcardNotAvailable { filter: filter.clone() });
        }
        Ok(())
    }
}

/// Why a request cannot be sent to this server. It goes back to the caller; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The message's QoS is above the server's Maximum QoS.
    QoSTooHigh {
        /// The message's QoS.
        qos: QoS,
        /// The server's maximum.
        maximum: QoS,
    },
    /// The message is retained, and the server keeps no retained messages.
    RetainNotAvailable,
    /// The packet is larger than the server's Maximum Packet Size.
    PacketTooLarge {
        /// Bytes of the packet.
        bytes: u32,
        /// The server's maximum.
        maximum: u32,
    },
    /// The filter has a wildcard, and the server has no wildcard subscriptions.
    WildcardNotAvailable {
        /// The filter.
        filter: TopicFilter,
    },
    /// The filter is shared, and the server has no shared subscriptions.
    SharedNotAvailable {
        /// The filter.
        filter: TopicFilter,
    },
    /// A Subscription Identifier, and the server has none.
    SubscriptionIdsNotAvailable,
    /// An option of 5.0, and an older version is spoken with the server.
    NeedsVersion5 {
        /// Which option.
        option: &'static str,
    },
}

impl LimitError {
    /// The reason code with which the server would have refused it.
    pub const fn reason(&self) -> ReasonCode {
        match self {
            Self::QoSTooHigh { .. } => ReasonCode::QoSNotSupported,
            Self::RetainNotAvailable => ReasonCode::RetainNotSupported,
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::WildcardNotAvailable { .. } => ReasonCode::WildcardSubscriptionsNotSupported,
            Self::SharedNotAvailable { .. } => ReasonCode::SharedSubscriptionsNotSupported,
            Self::SubscriptionIdsNotAvailable => ReasonCode::SubscriptionIdentifiersNotSupported,
            Self::NeedsVersion5 { .. } => ReasonCode::UnsupportedProtocolVersion,
        }
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QoSTooHigh { qos, maximum } => {
                write!(f, "the message has QoS {qos}, the server's maximum is {maximum}")
            }
            Self::RetainNotAvailable => {
                f.write_str("the message is retained, the server keeps no retained messages")
            }
            Self::PacketTooLarge { bytes, maximum } => {
                write!(f, "the packet has {bytes} bytes, the server's maximum is {maximum}")
            }
            Self::WildcardNotAvailable { filter } => {
                write!(f, "the filter {filter} has a wildcard, the server has no wildcard subscriptions")
            }
            Self::SharedNotAvailable { filter } => {
                write!(f, "the filter {filter} is shared, the server has no shared subscriptions")
            }
            Self::SubscriptionIdsNotAvailable => {
                f.write_str("a subscription identifier is set, the server has none")
            }
            Self::NeedsVersion5 { option } => {
                write!(f, "{option} need MQTT 5.0, an older version is spoken with the server")
            }
        }
    }
}

impl core::error::Error for LimitError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::num::{NonZeroU16, NonZeroU32};

    use super::*;
    use crate::packet::{ConnAckProperties, ConnectProperties};
    use crate::types::{Text, TopicName};
    use crate::version::Version;

    fn limits(version: Version, properties: ConnAckProperties) -> Limits {
        let connect = Connect {
            version,
            client_id: Text::EMPTY,
            clean_start: true,
            keep_alive_secs: 60,
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties { session_expiry_secs: Some(300), ..Default::default() },
        };
        let connack = ConnAck { session_present: None, reason: ReasonCode::Success, properties };
        Limits::new(&connack, &connect)
    }

    fn message(qos: QoS, retain: bool) -> Message {
        Message::new(TopicName::from_static("a").unwrap(), "").with_qos(qos).with_retain(retain)
    }

    fn filter(text: &'static str) -> TopicFilter {
        TopicFilter::from_static(text).unwrap()
    }

    // [MQTT-3.2.2-18]
    #[test]
    fn absent_properties_mean_the_defaults_of_the_specification() {
        let expected = Limits {
            receive_maximum: 65_535,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            wildcard_subscriptions: true,
            subscription_ids: true,
            shared_subscriptions: true,
            keep_alive_secs: 60,
            message_properties: true,
            session_expiry_secs: 300,
        };
        assert_eq!(limits(Version::V5, ConnAckProperties::default()), expected);
        for version in [Version::V3_1, Version::V3_1_1] {
            let without = Limits { subscription_ids: false, message_properties: false, ..expected.clone() };
            assert_eq!(limits(version, ConnAckProperties::default()), without);
        }
    }

    // [MQTT-3.1.2-21] [MQTT-3.2.2-21]
    #[test]
    fn what_the_server_says_replaces_what_the_client_asked_for() {
        let said = ConnAckProperties {
            session_expiry_secs: Some(10),
            receive_maximum: NonZeroU16::new(7),
            maximum_qos: Some(QoS::AtLeastOnce),
            retain_available: Some(false),
            maximum_packet_size: NonZeroU32::new(256),
            topic_alias_maximum: Some(5),
            wildcard_subscription_available: Some(false),
            subscription_ids_available: Some(false),
            shared_subscription_available: Some(false),
            server_keep_alive_secs: Some(0),
            ..Default::default()
        };
        let expected = Limits {
            receive_maximum: 7,
            maximum_qos: QoS::AtLeastOnce,
            retain_available: false,
            maximum_packet_size: 256,
            topic_alias_maximum: 5,
            wildcard_subscriptions: false,
            subscription_ids: false,
            shared_subscriptions: false,
            message_properties: true,
            keep_alive_secs: 0,
            session_expiry_secs: 10,
        };
        assert_eq!(limits(Version::V5, said), expected);
    }

    // [MQTT-3.2.2-11]
    #[test]
    fn a_message_above_the_maximum_qos_is_refused_with_0x9b() {
        let said = ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..Default::default() };
        let limits = limits(Version::V5, said);
        assert_eq!(limits.check_publish(&message(QoS::AtLeastOnce, true), 10), Ok(()));
        let error = limits.check_publish(&message(QoS::ExactlyOnce, false), 10).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::QoSNotSupported);
        assert_eq!(error.to_string(), "the message has QoS 2, the server's maximum is 1");
    }

    // [MQTT-3.2.2-14]
    #[test]
    fn a_retained_message_is_refused_with_0x9a_where_retain_is_not_available() {
        let said = ConnAckProperties { retain_available: Some(false), ..Default::default() };
        let limits = limits(Version::V5, said);
        assert_eq!(limits.check_publish(&message(QoS::ExactlyOnce, false), 10), Ok(()));
        let error = limits.check_publish(&message(QoS::AtMostOnce, true), 10).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::RetainNotSupported);
        assert_eq!(error.to_string(), "the message is retained, the server keeps no retained messages");
    }

    // [MQTT-3.2.2-15]
    #[test]
    fn a_packet_above_the_maximum_size_is_refused_with_0x95() {
        let said = ConnAckProperties { maximum_packet_size: NonZeroU32::new(256), ..Default::default() };
        let limits = limits(Version::V5, said);
        assert_eq!(limits.check_publish(&message(QoS::AtMostOnce, false), 256), Ok(()));
        assert_eq!(limits.check_packet(256), Ok(()));
        let error = limits.check_publish(&message(QoS::AtMostOnce, false), 257).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::PacketTooLarge);
        assert_eq!(error.to_string(), "the packet has 257 bytes, the server's maximum is 256");
        assert_eq!(limits.check_packet(257), Err(error));
    }

    #[test]
    fn a_filter_with_a_wildcard_is_refused_with_0xa2_where_there_are_no_wildcard_subscriptions() {
        let said = ConnAckProperties { wildcard_subscription_available: Some(false), ..Default::default() };
        let limits = limits(Version::V5, said);
        assert_eq!(limits.check_filter(&filter("a/b")), Ok(()));
        assert_eq!(limits.check_filter(&filter("$share/group/a")), Ok(()));
        for text in ["a/+", "a/#", "$share/group/+"] {
            let error = limits.check_filter(&filter(text)).unwrap_err();
            assert_eq!(error.reason(), ReasonCode::WildcardSubscriptionsNotSupported);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_shared_filter_is_refused_with_0x9e_where_there_are_no_shared_subscriptions() {
        let said = ConnAckProperties { shared_subscription_available: Some(false), ..Default::default() };
        let limits = limits(Version::V5, said);
        assert_eq!(limits.check_filter(&filter("a/+")), Ok(()));
        let error = limits.check_filter(&filter("$share/group/a")).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::SharedSubscriptionsNotSupported);
        assert_eq!(
            error.to_string(),
            "the filter $share/group/a is shared, the server has no shared subscriptions"
        );
    }
}
