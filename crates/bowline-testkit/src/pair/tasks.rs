//! What is to happen later in a run, and at what time.

use std::collections::BTreeMap;

use bowline_proto::codec::Outgoing;
use bowline_proto::packet::Connect;
use bowline_proto::routing::StreamId;
use bowline_proto::session::DeliveryId;
use bowline_proto::{QoS, Timestamp};

use crate::pair::scenario::Trouble;

/// One thing that is to happen.
#[derive(Debug)]
pub(super) enum Task {
    /// A dialled connection is open.
    Opened { connection: usize },
    /// It could not be opened.
    DialFailed { connection: usize },
    /// The client's buffer is written.
    ClientWritten { connection: usize, buffer: Outgoing },
    /// The server's buffer is written.
    ServerWritten { connection: usize, buffer: Outgoing },
    /// The client sees that its connection is gone.
    ClientLost { connection: usize },
    /// The server sees that its connection is gone.
    ServerLost { connection: usize },
    /// The store commits its oldest batch.
    Commit { life: u64 },
    /// The client's application publishes.
    Publish { qos: QoS },
    /// The client's application has finished with a message.
    Take { life: u64, delivery: DeliveryId, stream: StreamId },
    /// The broker decides about a CONNECT.
    Decide { connection: usize, connect: Box<Connect> },
    /// The broker has finished with a message.
    Acknowledge { session: u64, delivery: DeliveryId },
    /// Something goes wrong.
    Trouble(Trouble),
}

/// All tasks, by time and then in the order in which they were scheduled.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    tasks: BTreeMap<(Timestamp, u64), Task>,
    scheduled: u64,
}

impl Agenda {
    pub(super) fn insert(&mut self, at: Timestamp, task: Task) {
        self.scheduled += 1;
        self.tasks.insert((at, self.scheduled), task);
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.tasks.keys().next().map(|(at, _)| *at)
    }

    /// The next task that is due.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Task> {
        let entry = self.tasks.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}
