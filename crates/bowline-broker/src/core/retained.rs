//! The retained messages, one for each topic. Knows no sessions and no subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::{Message, Timestamp, TopicFilter, TopicName};

/// All retained messages, within bounds of count and bytes.
#[derive(Debug)]
pub(crate) struct Retained {
    by_topic: BTreeMap<TopicName, Kept>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept {
    message: Message,
    deadline: Option<Timestamp>,
}

/// There is no room for another retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Retained {
    pub(crate) const fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { by_topic: BTreeMap::new(), bytes: 0, messages_max, bytes_max }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Keeps a message instead of the one with the same topic; an empty payload only removes that one.
    // [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-10 of 3.1.1] [MQTT-3.3.1-11 of 3.1.1]
    pub(crate) fn set(&mut self, message: &Message, now: Timestamp) -> Result<(), NoRoom> {
        if message.payload.is_empty() {
            self.remove(&message.topic);
            return Ok(());
        }
        let bytes = message.content_bytes();
        let replaced = self.by_topic.get(&message.topic);
        let replaced_bytes = replaced.map_or(0, |kept| kept.message.content_bytes());
        let is_new = replaced.is_none();
        if is_new && self.by_topic.len() >= self.messages_max
            || self.bytes - replaced_bytes + bytes > self.bytes_max
        {
            return Err(NoRoom);
        }
        let deadline = message.expiry_secs().map(|secs| now + Duration::from_secs(u64::from(secs)));
        self.bytes = self.bytes - replaced_bytes + bytes;
        self.by_topic.insert(message.topic.clone(), Kept { message: message.clone(), deadline });
        Ok(())
    }

    /// The messages that a new subscription to this filter gets, with what is left of their time, in the order of their
    /// topics. Expired ones are removed.
    pub(crate) fn matching(&mut self, filter: &TopicFilter, now: Timestamp) -> Vec<Message> {
        self.remove_expired(now);
        if !filter.has_wildcard() {
            let topic = TopicName::try_from(filter.as_str());
            return topic
                .ok()
                .and_then(|topic| self.by_topic.get(&topic))
                .map(|kept| kept.at(now))
                .into_iter()
                .collect();
        }
        let matches = self.by_topic.iter().filter(|(topic, _)| filter.matches(topic));
        matches.map(|(_, kept)| kept.at(now)).collect()
    }

    /// Forgets the messages whose time is over.
    // [MQTT-3.3.2-5]
    pub(crate) fn remove_expired(&mut self, now: Timestamp) {
        let bytes = &mut self.bytes;
        self.by_topic.retain(|_, kept| {
            let lives = kept.deadline.is_none_or(|deadline| now < deadline);
            if !lives {
                *bytes -= kept.message.content_bytes();
            }
            lives
        });
    }

    fn remove(&mut self, topic: &TopicName) {
        if let Some(kept) = self.by_topic.remove(topic) {
            self.bytes -= kept.message.content_bytes();
        }
    }
}

impl Kept {
    // [MQTT-3.3.2-6]
    fn at(&self, now: Timestamp) -> Message {
        let mut message = self.message.clone();
        if let (Some(deadline), Some(properties)) = (self.deadline, &mut message.properties) {
            let left = deadline.saturating_since(now);
            let secs = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            properties.expiry_secs = Some(u32::try_from(secs).unwrap_or(u32::MAX));
        }
        message
    }
}
