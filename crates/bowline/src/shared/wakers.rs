//! Tasks that wait for the same thing. Knows not what for.

use std::collections::BTreeMap;
use std::task::Waker;

/// Tasks that wait, longest first.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

/// One task's place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Wakers {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has a task wait, at the place it has already if it has one.
    pub(crate) fn wait(&mut self, place: &mut Option<Place>, waker: &Waker) {
        let Place(key) = *place.get_or_insert_with(|| {
            self.next += 1;
            Place(self.next)
        });
        match self.waiting.get_mut(&key) {
            Some(known) => known.clone_from(waker),
            None => drop(self.waiting.insert(key, waker.clone())),
        }
    }

    /// Whether a task still waits at this place.
    pub(crate) fn has(&self, place: Place) -> bool {
        self.waiting.contains_key(&place.0)
    }

    /// A task waits no longer. Its waker is returned, to be dropped without the lock.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        self.waiting.remove(&place.0)
    }

    /// Moves all wakers out, longest waiting first.
    pub(crate) fn take_into(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(std::mem::take(&mut self.waiting).into_values());
    }
}
