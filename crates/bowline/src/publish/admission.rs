//! Getting a message accepted, and waiting for room until it is. Knows nothing of acknowledgements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::Text;
use bowline_proto::session::PublicationId;
use bowline_proto::types::Message;
use tokio::task::coop;

use crate::outcome::{PublishError, PublishErrorKind};
use crate::publish::key_check::KeyCheck;
use crate::shared::{Lease, Place};

/// Resolves when the message is accepted or can never be.
///
/// Dropped before that, the message was not accepted; unless the store has it already, and then it may be.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    lease: &'a Arc<Lease>,
    message: Option<Message>,
    until: Until,
    key: Option<KeyCheck>,
    place: Option<Place>,
    /// It is with the engine, and not stored yet.
    storing: Option<PublicationId>,
}

/// What the admission of a message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Room in the send queue: a receipt will say the rest.
    Queued,
    /// In a durable session, that it is stored as well.
    Stored,
}

impl<'a> Admission<'a> {
    pub(super) const fn new(lease: &'a Arc<Lease>, message: Message, until: Until) -> Self {
        Self { lease, message: Some(message), until, key: None, place: None, storing: None }
    }

    /// With this key, if it has one.
    pub(super) fn keyed(mut self, key: Option<Text>) -> Self {
        self.key = key.map(KeyCheck::new);
        self
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
        if let Some(publication) = this.storing {
            return this.poll_stored(publication, cx);
        }
        let key = this.key.as_ref().map(KeyCheck::key);
        let message = this.message.take().expect("polled after it was ready");
        let (place, until) = (&mut this.place, this.until);
        let (result, stored, waits, spent) = this.lease.command(|inner, now| {
            let result = match key {
                None => inner.publish(message, now),
                Some(key) => inner.publish_keyed(message, key.clone(), now),
            };
            // Under the same lock: a message costs one.
            let stored = match &result {
                Ok(publication) if until == Until::Stored => inner.poll_accepted(*publication, cx.waker()),
                _ => Poll::Ready(Ok(())),
            };
            let waits = inner.waits_for_room && result.as_ref().is_err_and(PublishError::is_full);
            if waits {
                inner.room.wait(place, cx.waker());
            }
            (result, stored, waits, inner.take_spent())
        });
        drop(spent);
        // One whose key is known has not to wait for room.
        let known = match &mut this.key {
            Some(key) if result.as_ref().is_err_and(PublishError::is_full) => {
                key.poll(this.lease.store.as_ref(), cx)
            }
            _ => Poll::Ready(None),
        };
        match (result, known) {
            (Err(error), Poll::Pending) => {
                this.message = error.into_message();
                Poll::Pending
            }
            (Err(error), Poll::Ready(Some(known))) => {
                let kind = PublishErrorKind::KnownKey(known);
                Poll::Ready(Err(PublishError::new(kind, error.into_message())))
            }
            (Err(error), Poll::Ready(None)) if waits => {
                this.message = error.into_message();
                Poll::Pending
            }
            (result, _) => {
                budget.made_progress();
                let publication = match result {
                    Ok(publication) => publication,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if stored.is_pending() {
                    this.storing = Some(publication);
                }
                stored.map_ok(|()| publication)
            }
        }
    }
}

impl Admission<'_> {
    fn poll_stored(
        &mut self,
        publication: PublicationId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<PublicationId, PublishError>> {
        let polled = self.lease.lock().poll_accepted(publication, cx.waker());
        polled.map(|accepted| {
            self.storing = None;
            accepted.map(|()| publication)
        })
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.lease.lock().room.leave(place);
            drop(waker);
        }
        if let Some(publication) = self.storing {
            let entry = self.lease.lock().receipts.close(publication);
            drop(entry);
        }
    }
}
