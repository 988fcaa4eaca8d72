//! What logs say of a stream. Knows no stream, and no user name or password.

use std::fmt;

/// Who is at both ends of a stream, for logs: prints as `tcp 127.0.0.1:50123 -> 127.0.0.1:1883`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    transport: &'static str,
    local: String,
    peer: String,
}

impl StreamDescription {
    pub(super) const fn new(transport: &'static str, local: String, peer: String) -> Self {
        Self { transport, local, peer }
    }

    /// The same ends, reached by another transport over this one.
    #[cfg(any(feature = "tls", feature = "websocket"))]
    pub(super) fn over(self, transport: &'static str) -> Self {
        Self { transport, ..self }
    }

    /// Which transport carries it: `tcp`, `unix`, `duplex`, `tls`, `websocket` or `custom`.
    pub const fn transport(&self) -> &'static str {
        self.transport
    }

    /// Our end. Empty if the transport has no name for it.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The other end.
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

impl fmt::Display for StreamDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.transport)?;
        if !self.local.is_empty() {
            write!(f, " {}", self.local)?;
        }
        write!(f, " -> {}", self.peer)
    }
}
