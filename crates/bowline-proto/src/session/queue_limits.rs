//! How much may wait to be sent. Knows nothing of what waits, nor of what happens beyond it.

/// How much may wait. Beyond either bound a publication is refused and handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// Most messages. Default 65,536.
    pub messages_max: usize,
    /// Most bytes of topics, payloads and properties. Default 64 MiB.
    pub bytes_max: usize,
    /// Of a durable session's queue, most bytes held in memory; the rest is read back from the store when its turn
    /// comes. Default 4 MiB.
    pub memory_bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { messages_max: 65_536, bytes_max: 64 * 1024 * 1024, memory_bytes_max: 4 * 1024 * 1024 }
    }
}
