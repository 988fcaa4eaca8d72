//! The output buffer: a flat buffer for what is small, shared segments for large payloads.

/// Encoded packets on their way to the socket.
#[derive(Debug, Default)]
pub struct Outgoing {}
