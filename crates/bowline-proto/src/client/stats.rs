//! Counters of what the leniency rules and the bounds let pass without an event.

/// What an engine has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Acknowledgements for packet identifiers that nobody waits for; ignored.
    pub unknown_acknowledgements: u64,
    /// QoS 0 messages that no stream wanted; dropped.
    pub qos0_unmatched: u64,
    /// QoS 0 messages that a full stream could not take; dropped for that stream.
    pub qos0_dropped: u64,
    /// QoS 1 and 2 messages that no stream wanted; acknowledged.
    pub unmatched_acknowledged: u64,
    /// QoS 1 and 2 messages that no stream wanted; left to the broker.
    pub unmatched_left: u64,
    /// QoS 1 and 2 messages that no stream wanted, whose session ended, and that had to make room; dropped.
    pub unmatched_forgotten: u64,
    /// DISCONNECTs that the broker's Maximum Packet Size did not allow; the connection was closed without.
    pub disconnects_unsaid: u64,
    /// Messages of unsubscribed filters that were acknowledged without having been taken.
    pub unsubscribed_acknowledged: u64,
    /// Packets that were sent again while the connection lasted.
    pub sent_again: u64,
    /// Publications that were dropped by the limits of the send queue.
    pub publications_dropped: u64,
    /// Publications whose expiry interval passed before they were sent.
    pub publications_expired: u64,
}
