//! Getting a message accepted, and waiting for room until it is. Knows nothing of acknowledgements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::session::PublicationId;
use bowline_proto::types::Message;
use tokio::task::coop;

use crate::outcome::PublishError;
use crate::shared::{Lease, Place};

/// Resolves when the message is accepted or can never be.
///
/// Dropped before that, the message was not accepted.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    lease: &'a Arc<Lease>,
    message: Option<Message>,
    wants_receipt: bool,
    place: Option<Place>,
}

impl<'a> Admission<'a> {
    pub(super) const fn new(lease: &'a Arc<Lease>, message: Message, wants_receipt: bool) -> Self {
        Self { lease, message: Some(message), wants_receipt, place: None }
    }

    /// Hands back a message that was not accepted.
    pub(super) const fn take_message(&mut self) -> Option<Message> {
        self.message.take()
    }

    pub(super) const fn lease(&self) -> &'a Arc<Lease> {
        self.lease
    }
}

impl Future for Admission<'_> {
    type Output = Result<PublicationId, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // One who publishes without end must let the driver of the same thread write.
        let Poll::Ready(budget) = coop::poll_proceed(cx) else { return Poll::Pending };
        let this = &mut *self;
        let message = this.message.take().expect("polled after it was ready");
        let (wants_receipt, place) = (this.wants_receipt, &mut this.place);
        let (result, waits, spent) = this.lease.command(|inner, now| {
            let result = inner.publish(message, wants_receipt, now);
            let waits = inner.waits_for_room && result.as_ref().is_err_and(PublishError::is_full);
            if waits {
                inner.room.wait(place, cx.waker());
            }
            (result, waits, inner.take_spent())
        });
        drop(spent);
        match result {
            Err(error) if waits => {
                this.message = error.into_message();
                Poll::Pending
            }
            result => {
                budget.made_progress();
                Poll::Ready(result)
            }
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.lease.lock().room.leave(place);
            drop(waker);
        }
    }
}
