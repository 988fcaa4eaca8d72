//! The latest events, numbered, for readers that each have their own place. Knows no lock and no task.

use std::collections::VecDeque;
use std::task::Waker;

use crate::core::BrokerEvent;

/// How many events a reader can be behind before it misses some.
const KEPT_MAX: usize = 1_024;

/// The latest events.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    events: VecDeque<BrokerEvent>,
    /// The number of the first that is kept.
    first: u64,
    wakers: Vec<Waker>,
    pub(crate) readers: usize,
}

impl EventLog {
    /// The number that the next event will have.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, event: BrokerEvent) {
        if self.readers == 0 {
            self.first = self.next() + 1;
            self.events.clear();
            return;
        }
        if self.events.len() == KEPT_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    /// The event for a reader at this place, which moves on.
    pub(crate) fn read(&self, place: &mut u64) -> Option<BrokerEvent> {
        if *place < self.first {
            let count = self.first - *place;
            *place = self.first;
            return Some(BrokerEvent::Missed { count });
        }
        let at = usize::try_from(*place - self.first).ok()?;
        let event = self.events.get(at)?;
        *place += 1;
        Some(event.clone())
    }

    /// Remembers who waits for the next event.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|other| other.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// Those who wait, to be woken outside of any lock.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }
}
