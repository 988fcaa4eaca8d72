//! Waiting for a store at the end of a client, but not for ever. Knows no engine.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the end of a client waits for what the store has to write, or, if that was quick, until it is closed. A store
/// that hangs is left to its thread then.
const LAST_WRITES_TIME_MAX: Duration = Duration::from_secs(5);

/// Ends when the store is closed, or at last when the time is up.
pub(super) struct LastWrites {
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl LastWrites {
    /// Waits as long as there is time.
    pub(super) fn new() -> Self {
        Self { waiting: Box::pin(tokio::time::sleep(LAST_WRITES_TIME_MAX)) }
    }

    /// Waits until the store is closed.
    pub(super) fn until_closed(closed: oneshot::Receiver<()>) -> Self {
        let waiting = Box::pin(async move {
            let _closed = timeout(LAST_WRITES_TIME_MAX, closed).await;
        });
        Self { waiting }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.as_mut().poll(cx)
    }
}
