//! What happens to a client, for a thread that listens.

use std::iter::FusedIterator;
use std::time::Duration;

use crate::blocking::error::TimedOut;
use crate::blocking::wait::{wait, wait_for};
use crate::event::{self, Event};

/// The events of a client: an iterator that waits for the next and ends with the client. As with the async
/// [`Events`](crate::Events), a listener that is too far behind is told what it missed.
#[derive(Debug)]
pub struct Events {
    inner: event::Events,
}

impl Events {
    pub(super) const fn new(inner: event::Events) -> Self {
        Self { inner }
    }

    /// The next event, if it comes within this time; `None` once the client is over. A limit of zero only looks.
    ///
    /// # Errors
    /// [`TimedOut`] if nothing happened; no event is lost.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Event>, TimedOut> {
        wait_for(self.inner.next(), limit)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        wait(self.inner.next())
    }
}

impl FusedIterator for Events {}
