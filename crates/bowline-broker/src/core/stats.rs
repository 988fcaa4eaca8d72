//! What the broker counts, and what it has at the moment.

use crate::core::BrokerCore;

/// Figures of a broker at one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Transports that are open, accepted clients or not.
    pub connections: usize,
    /// Clients that are connected.
    pub clients: usize,
    /// Sessions, connected or not.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// Messages that clients published since the start.
    pub messages_in: u64,
    /// Copies that were sent, or queued to be sent, to clients since the start.
    pub messages_out: u64,
    /// Copies that were dropped because a client's queue was full.
    pub dropped: u64,
    /// Copies that expired in a client's queue [MQTT-3.3.2-5].
    pub expired: u64,
    /// Copies that were larger than the client takes [MQTT-3.1.2-25].
    pub oversized: u64,
    /// Violations, those that are not kept included.
    pub violations: u64,
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) oversized: u64,
}

impl BrokerCore {
    /// The figures at this moment.
    pub fn stats(&self) -> BrokerStats {
        BrokerStats {
            connections: self.connections.len(),
            clients: self.connections.values().filter(|connection| connection.session.is_some()).count(),
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions.len(),
            retained: self.retained.len(),
            messages_in: self.counters.messages_in,
            messages_out: self.counters.messages_out,
            dropped: self.counters.dropped,
            expired: self.counters.expired,
            oversized: self.counters.oversized,
            violations: self.violations.count(),
        }
    }

    /// The first thousand violations, oldest first.
    pub fn violations(&self) -> impl Iterator<Item = &crate::core::Violation> {
        self.violations.iter()
    }

    /// The client identifiers of all who are connected, in order.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.sessions.connected().map(|(client_id, _)| client_id.as_str())
    }
}
