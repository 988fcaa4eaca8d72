//! Waiting for SUBACK and UNSUBACK.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bowline_proto::client::OperationId;
use bowline_proto::{ReasonCode, TopicFilter};
use tokio::runtime::Handle;

use crate::shared::{Hold, OperationResult};
use crate::subscribe::error::UnsubscribeError;

/// Resolves when the broker has answered a request, or to no results when the client ended before.
#[derive(Debug)]
pub(super) struct Answer {
    hold: Hold,
    operation: OperationId,
}

impl Answer {
    pub(super) const fn new(hold: Hold, operation: OperationId) -> Self {
        Self { hold, operation }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.hold.runtime
    }
}

impl Future for Answer {
    type Output = OperationResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OperationResult> {
        let answered = self.hold.lock().poll_operation(self.operation, cx.waker());
        answered.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let given_up = self.hold.lock().operations.remove(&self.operation);
        drop(given_up);
    }
}

/// Unsubscribes and waits for the answer.
pub(crate) async fn unsubscribe(
    hold: Hold,
    filters: Vec<TopicFilter>,
) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
    let operation = hold.command(|inner, _| inner.unsubscribe(filters, Vec::new()))?;
    let OperationResult { results, .. } = Answer::new(hold, operation).await;
    if results.is_empty() { Err(UnsubscribeError::Ended) } else { Ok(results) }
}
