//! When the core has to act although nothing comes from outside. Knows no clock and not what is to be done.

use std::collections::{BTreeMap, BTreeSet};

use bowline_proto::Timestamp;

use crate::core::keys::{ConnectionId, SessionKey};

/// What a time was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The engine of a connection wants to be polled.
    Connection(ConnectionId),
    /// A delayed will is due.
    Will(SessionKey),
    /// A session without a connection has expired.
    SessionEnd(SessionKey),
    /// Publishers have waited long enough for this session's queue.
    FullQueue(SessionKey),
}

/// All times that are set, at most one for each [`Timer`].
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Timestamp>,
    queue: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Sets a time, instead of the one that was set.
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.clear(timer);
        self.at.insert(timer, at);
        self.queue.insert((at, timer));
    }

    /// Sets a time if none is set or the one that is set is later. For deadlines that mostly move away: it is cheaper to
    /// wake up once for nothing than to move them with every packet.
    pub(crate) fn set_if_earlier(&mut self, timer: Timer, at: Timestamp) {
        if self.at.get(&timer).is_none_or(|set| at < *set) {
            self.set(timer, at);
        }
    }

    /// Forgets a time.
    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// Takes out one that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let &(at, timer) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    /// The earliest time that is set.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(at, _)| at)
    }
}
