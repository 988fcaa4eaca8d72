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
    /// As [`publish`](Self::publish), and [`PublishErrorKind::KeyPending`] if a publication with this key is in memory and
    /// has not ended. Whether the store knows the key is for the caller to ask before.
    pub fn publish_keyed(
        &mut self,
        message: Message,
        key: Text,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        let refuse = |message, kind| Err(Box::new(PublishError { message, kind }));
        if let Err(error) = check_key(&key, message.qos, self.context.journal.is_durable()) {
            return refuse(message, PublishErrorKind::Request(error));
        }
        if let Some(publication) = self.pending(&key) {
            return refuse(message, PublishErrorKind::KeyPending(publication));
        }
        // What records and sends the message looks here for its key.
        let publication = self.context.last_publication.next();
        self.context.keys.add(publication, key);
        self.publish(message, now).inspect_err(|_| _ = self.context.keys.remove(publication))
    }

    /// The publication with this key that is in memory and has not ended. One that is only in the store is not found.
    pub fn pending(&self, key: &Text) -> Option<PublicationId> {
        self.context.keys.find(key)
    }
}
