//! Counters of what passes without an event.

/// What a server engine has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Acknowledgements for packet identifiers that nobody waits for; ignored.
    pub unknown_acknowledgements: u64,
    /// DISCONNECTs that the client's Maximum Packet Size did not allow; the connection was closed without.
    pub disconnects_unsaid: u64,
    /// Messages that the broker refused on a version that can only acknowledge.
    pub refusals_untold: u64,
}
