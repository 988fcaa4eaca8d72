//! One inbound message between its arrival and the end of its acknowledgement: who has it and who has finished with it. Knows
//! neither the other messages nor what a packet identifier stands for.

use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::session::stream_set::StreamSet;
use crate::types::{Message, PacketId};

/// A message that the application has, or that waits for it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(super) generation: u32,
    pub(crate) packet_id: PacketId,
    pub(crate) message: Message,
    /// Streams that have not taken it yet.
    pub(super) waiting: StreamSet,
    /// All streams that it was handed to.
    pub(super) handed: StreamSet,
    /// Streams whose application has it in its hands and will finish with it later.
    pub(super) in_hand: StreamSet,
    /// Streams whose application has let go of it without finishing with it: they have it no longer.
    abandoned: StreamSet,
    pub(super) reason: ReasonCode,
    pub(crate) state: HeldState,
    /// Whether an acknowledgement for it is due on this connection.
    pub(crate) is_in_order: bool,
    /// The session is gone or the identifier carries another message: no acknowledgement is due.
    pub(super) is_orphan: bool,
}

/// How far a held message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldState {
    /// Some stream has not taken it yet.
    Waiting,
    /// Taken by all; its `Received` is not durable yet (B4).
    Recording,
    /// May be acknowledged with this reason, in its turn.
    Settled(ReasonCode),
}

impl Held {
    pub(super) fn new(generation: u32, packet_id: PacketId, message: Message, takers: StreamSet) -> Self {
        Self {
            generation,
            packet_id,
            message,
            handed: takers.clone(),
            in_hand: StreamSet::new(),
            abandoned: StreamSet::new(),
            waiting: takers,
            reason: ReasonCode::Success,
            state: HeldState::Waiting,
            is_in_order: true,
            is_orphan: false,
        }
    }

    /// The streams that have not taken it.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.waiting.iter()
    }

    /// The application has it in its hands, unless it has let go of it meanwhile.
    pub(super) fn hand_over(&mut self, stream: StreamId) {
        if self.waiting.contains(stream) && !self.abandoned.contains(stream) {
            self.in_hand.insert(stream);
        }
    }

    /// The application has let go of it.
    pub(super) fn abandon(&mut self, stream: StreamId) {
        self.in_hand.remove(stream);
        self.abandoned.insert(stream);
    }

    /// It is handed out once more: whoever let go of it has it again.
    pub(crate) fn wait_again(&mut self, stream: StreamId) {
        self.abandoned.remove(stream);
    }

    /// The streams whose applications have let go of it and that wait for it again from now on.
    pub(super) fn take_abandoned(&mut self) -> StreamSet {
        let abandoned = self.abandoned().collect();
        self.abandoned = StreamSet::new();
        abandoned
    }

    /// The streams whose applications have let go of it, and that have not finished with it otherwise.
    pub(crate) fn abandoned(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.abandoned.iter().filter(|stream| self.waiting.contains(*stream))
    }

    /// Whether nobody has it who could finish with it.
    pub(super) fn is_let_go(&self) -> bool {
        self.waiting.iter().all(|stream| self.abandoned.contains(stream))
    }
}
