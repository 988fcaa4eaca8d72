//! Who waits for the end of a publication with a key. Knows no engine.

use std::collections::BTreeMap;
use std::task::Waker;

use bowline_proto::session::PublicationId;

use crate::shared::wakers::{Place, Wakers};

/// What the client, beside the engine, knows of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    ends: BTreeMap<PublicationId, Wakers>,
}

impl Keys {
    /// Has a task wait for the end of a publication.
    pub(super) fn watch(&mut self, publication: PublicationId, place: &mut Option<Place>, waker: &Waker) {
        self.ends.entry(publication).or_default().wait(place, waker);
    }

    /// Whether the publication has not ended since the task began to wait at this place.
    pub(super) fn still_watches(&mut self, publication: PublicationId, place: Place, waker: &Waker) -> bool {
        match self.ends.get_mut(&publication) {
            Some(waiting) if waiting.has(place) => {
                waiting.wait(&mut Some(place), waker);
                true
            }
            _ => false,
        }
    }

    /// A task waits no longer. Its waker is returned, to be dropped without the lock.
    pub(super) fn stop_watching(&mut self, publication: PublicationId, place: Place) -> Option<Waker> {
        let waiting = self.ends.get_mut(&publication)?;
        let waker = waiting.leave(place);
        if waiting.is_empty() {
            self.ends.remove(&publication);
        }
        waker
    }

    /// A publication has ended.
    #[inline]
    pub(super) fn end(&mut self, publication: PublicationId, wakers: &mut Vec<Waker>) {
        if self.ends.is_empty() {
            return;
        }
        if let Some(mut waiting) = self.ends.remove(&publication) {
            waiting.take_into(wakers);
        }
    }

    /// The client has ended.
    pub(super) fn end_all(&mut self, wakers: &mut Vec<Waker>) {
        for waiting in std::mem::take(&mut self.ends).values_mut() {
            waiting.take_into(wakers);
        }
    }
}
