//! What can be asked about keys under the lock: the engine's part and ours together. Asks no store.

use std::task::Waker;

use bowline_proto::session::PublicationId;
use bowline_proto::types::Message;
use bowline_proto::{Text, Timestamp};

use crate::outcome::PublishError;
use crate::shared::inner::{Inner, NOT_TWICE};
use crate::shared::wakers::Place;

impl Inner {
    /// As `publish`, with a key.
    pub(crate) fn publish_keyed(
        &mut self,
        message: &mut Option<Message>,
        key: Text,
        now: Timestamp,
    ) -> Result<PublicationId, PublishError> {
        let message = message.take().expect(NOT_TWICE);
        self.publish_by(message, now, |engine, message, now| engine.publish_keyed(message, key, now))
    }

    /// The publication in memory that has this key, if there is one; `None` outside if the client has ended.
    pub(crate) fn pending_key(&self, key: &Text) -> Option<Option<PublicationId>> {
        self.engine.as_ref().map(|engine| engine.pending(key))
    }

    /// Has a task wait for the end of a publication.
    pub(crate) fn watch_end(&mut self, publication: PublicationId, place: &mut Option<Place>, waker: &Waker) {
        if self.engine.is_some() {
            self.keys.watch(publication, place, waker);
        }
    }

    /// Whether the publication has not ended since the task began to wait at this place.
    pub(crate) fn still_watches(&mut self, publication: PublicationId, place: Place, waker: &Waker) -> bool {
        self.keys.still_watches(publication, place, waker)
    }

    /// A task waits no longer. Its waker is returned, to be dropped without the lock.
    pub(crate) fn stop_watching(&mut self, publication: PublicationId, place: Place) -> Option<Waker> {
        self.keys.stop_watching(publication, place)
    }
}
