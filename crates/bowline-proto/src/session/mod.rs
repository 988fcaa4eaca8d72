//! What survives a reconnect (section 4.1): outbound and inbound flows, packet identifiers, the send queue, wanted
//! subscriptions, and the journal that makes them durable. Knows neither bytes nor connections nor roles.

pub(crate) mod ended_filters;
pub(crate) mod expiry;
pub(crate) mod held;
mod id_table;
pub(crate) mod inbound;
pub mod journal;
mod known_keys;
pub(crate) mod lane;
pub(crate) mod outbound;
pub mod outcomes;
pub(crate) mod packet_ids;
mod queue_index;
mod queue_limits;
#[cfg(test)]
mod queue_model;
mod queue_tail;
pub(crate) mod queued;
pub(crate) mod send_queue;
mod session_loss;
pub mod stored;
mod stream_set;
pub(crate) mod subscriptions;

use core::fmt;

pub use journal::{Batch, Seq};
pub use known_keys::KnownKey;
pub use outcomes::{KeyState, KeyedOutcome, StoredOutcome};
pub use queue_limits::QueueLimits;
pub use session_loss::SessionLoss;
pub use stored::{Entry, Recovered, StoredSession};
pub use stream_set::StreamSet;

/// Names one publication from its admission to its outcome. Ascending, never reused, also across restarts of a
/// durable session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(u64);

impl PublicationId {
    /// The publication with this number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// No acknowledgement is due for this message any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is not to be acknowledged any more: its session is gone or it came again")
    }
}

impl core::error::Error for Stale {}

/// Names one received QoS 1 or 2 message until it is acknowledged. A later message never has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}
