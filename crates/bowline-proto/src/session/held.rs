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
}
