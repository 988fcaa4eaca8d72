//! The wall clock as the engine counts it. Knows no engine.

use std::time::SystemTime;

use bowline_proto::Timestamp;

/// The wall clock, counted from the Unix epoch.
pub(crate) fn wall_clock() -> Timestamp {
    // Before 1970 no deadline can have been stored.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO + since
}
