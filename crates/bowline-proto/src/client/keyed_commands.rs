//! Publishing with a key, around the command without one, so that messages without a key pay nothing for it. Sends nothing itself.

use alloc::boxed::Box;

use crate::client::engine::ClientEngine;
use crate::client::keys::check_key;
use crate::error::{PublishError, PublishErrorKind};
use crate::session::PublicationId;
use crate::time::Timestamp;
use crate::types::{Message, Text};

impl ClientEngine {
    /// As [`publish`](Self::publish), for QoS 1 and 2 in a durable session, with a key by which the store remembers how the
    /// publication ended, also across restarts. Its end is told once the store has it, success too (B7).
    ///
    /// # Errors
    /// As [`publish`](Self::publish). Whether the key is known is for the store to say, when it is to store the message: one with a
    /// known key ends with [`Outcome::KeyKnown`](crate::client::Outcome::KeyKnown) in place of
    /// [`Event::PublishAccepted`](crate::client::Event::PublishAccepted).
    pub fn publish_keyed(
        &mut self,
        message: Message,
        key: Text,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        if let Err(error) = check_key(&key, message.qos, self.context.journal.is_durable()) {
            return Err(Box::new(PublishError { message, kind: PublishErrorKind::Request(error) }));
        }
        // What records the message takes it from here.
        self.context.keys.offer(key);
        let published = self.publish(message, now);
        self.context.keys.withdraw();
        published
    }

    /// The publication with this key that is in memory and has not ended. One that is only in the store is not found; one that is
    /// not stored yet may be refused.
    pub fn pending(&self, key: &Text) -> Option<PublicationId> {
        self.context.keys.find(key)
    }
}
