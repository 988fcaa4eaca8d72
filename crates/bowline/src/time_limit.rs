//! How long one operation may take. Knows nothing of the operation.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;

/// A limit that counts from the first poll, if there is one.
#[derive(Debug, Default)]
pub(crate) struct TimeLimit {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl TimeLimit {
    pub(crate) const fn new(limit: Option<Duration>) -> Self {
        Self { limit, sleep: None }
    }

    /// Whether the time is up; else the task is woken when it is. True once only.
    pub(crate) fn is_over(&mut self, runtime: &Handle, cx: &mut Context<'_>) -> bool {
        if let Some(limit) = self.limit.take() {
            // It may be polled by a task of no runtime.
            let _entered = runtime.enter();
            self.sleep = Some(Box::pin(tokio::time::sleep(limit)));
        }
        let is_over = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if is_over {
            self.sleep = None;
        }
        is_over
    }
}
