//! A message that an application of the simulator has not finished with, and who has it. Knows no engine and no wire.

use bowline_proto::PacketId;
use bowline_proto::routing::StreamId;

/// A QoS 1 or 2 message between its delivery and the end of its last stream's work.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) packet_id: Option<PacketId>,
    /// Streams in which it waits.
    pub(super) waiting: Vec<StreamId>,
    /// Streams whose application has it in its hands.
    pub(super) in_hand: Vec<StreamId>,
    /// Nobody needs to get it any more: its session is gone, or its filter.
    pub(super) is_let_go: bool,
    /// It was handed to a stream for its filter.
    pub(super) had_stream: bool,
    /// Nobody but the engine is waited for: it has to acknowledge it when its turn comes.
    pub(super) is_due: bool,
    /// Streams whose application dropped it without finishing with it: it comes again, and is not acknowledged before.
    pub(super) abandoned: Vec<StreamId>,
    /// On which connection it came last.
    pub(super) came_in: u64,
}

impl Held {
    pub(super) const fn is_loose(&self) -> bool {
        self.waiting.is_empty() && self.in_hand.is_empty()
    }

    pub(super) const fn is_abandoned(&self) -> bool {
        !self.abandoned.is_empty()
    }

    /// Whether nothing is to be done about it on the connection of this number. What was abandoned, and has not come on it,
    /// waits for the broker; the books know whether it must come.
    pub(super) const fn is_settled(&self, connection: u64) -> bool {
        self.is_loose() && (self.is_let_go || self.is_abandoned() && self.came_in < connection)
    }
}
