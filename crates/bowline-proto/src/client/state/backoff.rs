//! Backoff: the last attempt or connection is over and the next attempt waits. Next: `Dialing`, at the time; `Stopped`,
//! on `disconnect`.

use crate::time::Timestamp;

/// Waits until the next attempt.
#[derive(Debug)]
pub(crate) struct Backoff {
    pub(crate) until: Timestamp,
}
