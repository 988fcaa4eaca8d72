//! How much may wait to be sent.

use bowline_proto::session::QueueLimits;

/// The limits of what was accepted and is not sent. Beyond either of them `send` waits for room and `try_send` hands the
/// message back.
///
/// | limit | default |
/// |---|---|
/// | [`messages_max`](Self::messages_max) | 65,536 |
/// | [`bytes_max`](Self::bytes_max) | 64 MiB |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SendQueue {
    limits: QueueLimits,
}

impl SendQueue {
    /// The defaults.
    pub fn new() -> Self {
        Self { limits: QueueLimits::default() }
    }

    /// Most messages. With 0 a message is accepted only if it can be sent at once.
    pub const fn messages_max(mut self, messages_max: usize) -> Self {
        self.limits.messages_max = messages_max;
        self
    }

    /// Most bytes of topics, payloads and properties.
    pub const fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.limits.bytes_max = bytes_max;
        self
    }

    pub(super) const fn limits(self) -> QueueLimits {
        self.limits
    }
}

impl Default for SendQueue {
    fn default() -> Self {
        Self::new()
    }
}
