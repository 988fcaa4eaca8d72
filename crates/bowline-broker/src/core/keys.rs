//! The names of connections and sessions. Knows nothing of what they name.

/// Names one connection of a [`BrokerCore`](crate::BrokerCore); never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// The number, for logs.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Names one session; never reused, so that a new session of the same client has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) u64);
