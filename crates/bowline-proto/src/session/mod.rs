//! What survives a reconnect (section 4.1): outbound and inbound flows, packet identifiers, the send queue, wanted
//! subscriptions, and the journal that makes them durable. Knows neither bytes nor connections nor roles.

pub(crate) mod ended_filters;
mod id_table;
pub(crate) mod inbound;
pub mod journal;
pub(crate) mod outbound;
pub(crate) mod packet_ids;
pub mod send_queue;
pub mod stored;
mod stream_set;
pub(crate) mod subscriptions;

pub use journal::{Batch, Seq};
pub use send_queue::QueueLimits;
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

/// Names one received QoS 1 or 2 message until it is acknowledged. A later message never has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}
