//! What a client has counted and holds at the moment.

/// Figures of one client, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that wait to be sent.
    pub queued_messages: usize,
    /// Bytes of them: topics, payloads and properties.
    pub queued_bytes: usize,
    /// QoS 1 and 2 messages that are sent and not acknowledged.
    pub in_flight: usize,
    /// Encoded bytes that the transport has not taken.
    pub unwritten_bytes: usize,
    /// Streams that are open.
    pub streams: usize,
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
    /// QoS 1 and 2 messages that no stream wanted, of sessions that are gone: forgotten to make room.
    pub unmatched_forgotten: u64,
    /// Messages of dropped or unsubscribed streams that were acknowledged without having been taken.
    pub unsubscribed_acknowledged: u64,
    /// Packets that were sent again while the connection lasted.
    pub sent_again: u64,
    /// Messages that the limits of the send queue had dropped.
    pub publications_dropped: u64,
    /// Messages whose expiry interval passed before they were sent.
    pub publications_expired: u64,
}
