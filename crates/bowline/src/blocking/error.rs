//! The errors that only waiting with a limit has.

use std::error::Error;
use std::fmt;

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up")
    }
}

impl Error for TimedOut {}

/// Why a call with a time limit has no result: it failed, or the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError<E> {
    /// The time was up. What became of what was asked for is said where the call is documented.
    TimedOut,
    /// It failed in time.
    Failed(E),
}

impl<E> WaitError<E> {
    /// Whether the time was up.
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut)
    }

    /// Why it failed, if it did.
    pub fn into_failure(self) -> Option<E> {
        match self {
            Self::TimedOut => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => TimedOut.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Error> Error for WaitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut => None,
            // The text is its own, so its source comes next.
            Self::Failed(error) => error.source(),
        }
    }
}
