//! The one timer of a connection: a deadline that is moved lazily. Knows no engine.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes the driver no later than asked for, perhaps earlier.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What was asked for last.
    until: Option<Instant>,
}

impl Timer {
    /// Asks to be woken at this time, or not at all. A later time than before costs nothing now.
    pub(super) fn set(&mut self, until: Option<Instant>) {
        self.until = until;
        let Some(until) = until else { return };
        match &mut self.sleep {
            Some(sleep) if sleep.is_elapsed() || until < sleep.deadline() => sleep.as_mut().reset(until),
            Some(_) => {}
            None => self.sleep = Some(Box::pin(sleep_until(until))),
        }
    }

    /// Whether the time has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(sleep), Some(until)) = (&mut self.sleep, self.until) else { return false };
        while sleep.as_mut().poll(cx) == Poll::Ready(()) {
            if until <= Instant::now() {
                self.until = None;
                return true;
            }
            sleep.as_mut().reset(until);
        }
        false
    }
}
