//! The topic aliases that the peer sets: resolves what arrives, forgets with the connection. Knows no messages.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU16;

use bytes::Bytes;

use crate::reason::ReasonCode;
use crate::types::TopicName;

/// The inbound alias table of one connection (section 3.3.2.3.4) [MQTT-3.3.2-7].
///
/// It grows to the highest alias in use. Bound: `maximum` topics of at most 65,535 bytes each, so what is announced as
/// Topic Alias Maximum is also a promise of memory.
#[derive(Clone, Debug)]
pub struct InboundAliases {
    maximum: u16,
    topics: Vec<Option<TopicName>>,
}

impl InboundAliases {
    /// An empty table for a connection on which this side announced `maximum`; 0 allows no alias.
    pub const fn new(maximum: u16) -> Self {
        // [MQTT-3.3.2-7]
        Self { maximum, topics: Vec::new() }
    }

    /// The full topic of a PUBLISH with this topic and this alias. A topic with an alias sets the alias, also anew.
    ///
    /// A topic that comes with an alias is returned as the table's own copy: neither it nor the table keeps the block
    /// alive that it was received in.
    ///
    /// # Errors
    /// [`AliasError`] if the alias is above the maximum or not set, or if there is neither topic nor alias.
    pub fn resolve(
        &mut self,
        topic: Option<TopicName>,
        alias: Option<NonZeroU16>,
    ) -> Result<TopicName, AliasError> {
        let Some(alias) = alias else {
            return topic.ok_or(AliasError::NoTopic);
        };
        // [MQTT-3.1.2-26] [MQTT-3.1.2-27]
        if alias.get() > self.maximum {
            // [MQTT-3.3.2-11]
            return Err(AliasError::AboveMaximum { alias, maximum: self.maximum });
        }
        // [MQTT-3.3.2-8] [MQTT-3.3.2-10]
        let index = usize::from(alias.get()) - 1;
        let known = self.topics.get(index).and_then(Option::as_ref);
        match (topic, known) {
            (None, None) => Err(AliasError::Unknown { alias }),
            (None, Some(known)) => Ok(known.clone()),
            // Some peers send topic and alias every time: no new copy for the same topic.
            (Some(topic), Some(known)) if topic == *known => Ok(known.clone()),
            (Some(topic), _) => Ok(self.set(index, &topic)),
        }
    }

    fn set(&mut self, index: usize, topic: &TopicName) -> TopicName {
        let copy = TopicName::try_from(Bytes::copy_from_slice(topic.as_bytes()))
            .expect("a copy of a topic name is a topic name");
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        self.topics[index] = Some(copy.clone());
        copy
    }
}

/// Why a PUBLISH has no topic. The peer's fault: the connection closes with [`AliasError::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasError {
    /// The alias is above the announced maximum.
    AboveMaximum {
        /// The alias.
        alias: NonZeroU16,
        /// What this side announced.
        maximum: u16,
    },
    /// The alias comes without a topic and was not set on this connection.
    Unknown {
        /// The alias.
        alias: NonZeroU16,
    },
    /// Neither topic nor alias.
    NoTopic,
}

impl AliasError {
    /// The reason code that the connection is closed with.
    pub const fn reason(&self) -> ReasonCode {
        match self {
            Self::AboveMaximum { .. } => ReasonCode::TopicAliasInvalid,
            Self::Unknown { .. } | Self::NoTopic => ReasonCode::ProtocolError,
        }
    }
}

impl fmt::Display for AliasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AboveMaximum { alias, maximum } => {
                write!(f, "received topic alias {alias}, the announced maximum is {maximum}")
            }
            Self::Unknown { alias } => {
                write!(f, "received topic alias {alias} without a topic, and it was not set before")
            }
            Self::NoTopic => f.write_str("received a message with neither topic nor topic alias"),
        }
    }
}

impl core::error::Error for AliasError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn topic(text: &'static str) -> TopicName {
        TopicName::from_static(text).unwrap()
    }

    fn alias(value: u16) -> Option<NonZeroU16> {
        Some(NonZeroU16::new(value).unwrap())
    }

    #[test]
    fn a_topic_without_an_alias_is_itself() {
        let mut aliases = InboundAliases::new(0);
        assert_eq!(aliases.resolve(Some(topic("a")), None), Ok(topic("a")));
        assert_eq!(aliases.resolve(None, None), Err(AliasError::NoTopic));
        assert_eq!(AliasError::NoTopic.reason(), ReasonCode::ProtocolError);
    }

    // [MQTT-3.3.2-10]
    #[test]
    fn every_alias_from_one_to_the_maximum_can_be_set_used_and_set_anew() {
        let mut aliases = InboundAliases::new(65_535);
        let all = [(1, "a"), (2, "b"), (3, "c"), (40_000, "d"), (65_535, "e")];
        for (value, text) in all {
            assert_eq!(aliases.resolve(Some(topic(text)), alias(value)), Ok(topic(text)));
        }
        for (value, text) in all {
            assert_eq!(aliases.resolve(None, alias(value)), Ok(topic(text)));
        }
        assert_eq!(aliases.resolve(Some(topic("f")), alias(2)), Ok(topic("f")));
        assert_eq!(aliases.resolve(None, alias(2)), Ok(topic("f")));
        assert_eq!(aliases.resolve(None, alias(1)), Ok(topic("a")));
    }

    // [MQTT-3.1.2-26] [MQTT-3.1.2-27]
    #[test]
    fn an_alias_above_the_maximum_is_refused_with_0x94_even_with_a_topic() {
        let mut aliases = InboundAliases::new(3);
        assert!(aliases.resolve(Some(topic("a")), alias(3)).is_ok());
        let error = aliases.resolve(Some(topic("a")), alias(4)).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::TopicAliasInvalid);
        assert_eq!(error.to_string(), "received topic alias 4, the announced maximum is 3");

        let error = InboundAliases::new(0).resolve(Some(topic("a")), alias(1)).unwrap_err();
        assert_eq!(error.reason(), ReasonCode::TopicAliasInvalid);
    }

    // [MQTT-3.3.2-7]
    #[test]
    fn an_alias_that_was_not_set_on_this_connection_is_refused_with_0x82() {
        let mut aliases = InboundAliases::new(10);
        assert!(aliases.resolve(Some(topic("a")), alias(9)).is_ok());
        let error = aliases.resolve(None, alias(5)).unwrap_err();
        assert_eq!(error, AliasError::Unknown { alias: NonZeroU16::new(5).unwrap() });
        assert_eq!(error.reason(), ReasonCode::ProtocolError);
        assert!(aliases.resolve(None, alias(10)).is_err());
        // A new connection has a new table.
        assert!(InboundAliases::new(10).resolve(None, alias(9)).is_err());
    }

    #[test]
    fn an_aliased_topic_does_not_keep_the_receive_block_alive() {
        let block = Bytes::from(alloc::vec![b'x'; 64 * 1024]);
        let received = TopicName::try_from(block.slice(100..110)).unwrap();
        let mut aliases = InboundAliases::new(1);
        let resolved = aliases.resolve(Some(received), alias(1)).unwrap();
        assert!(block.is_unique());

        // The same topic with the same alias again shares the copy.
        let again = TopicName::try_from(block.slice(200..210)).unwrap();
        let again = aliases.resolve(Some(again), alias(1)).unwrap();
        assert_eq!(again.as_bytes().as_ptr(), resolved.as_bytes().as_ptr());
        assert!(block.is_unique());
    }
}
