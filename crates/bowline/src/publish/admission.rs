//! Getting a message accepted, and waiting for room until it is. Knows nothing of acknowledgements, and of keys only that a
//! message may be given to the engine in another way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::Timestamp;
use bowline_proto::session::{PublicationId, SessionLoss};
use bowline_proto::types::Message;
use tokio::task::coop;

use crate::outcome::PublishError;
use crate::shared::{Inner, Lease, Place};

/// Resolves when the message is accepted or can never be.
///
/// Dropped before that, the message was not accepted; unless the store has it already, and then it may be.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    lease: &'a Arc<Lease>,
    message: Option<Message>,
    until: Until,
    /// What becomes of it if its session is lost, if that is not left to the client.
    choice: Option<SessionLoss>,
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
    #[inline(always)]
    pub(super) const fn new(lease: &'a Arc<Lease>, message: Message, until: Until) -> Self {
        Self { lease, message: Some(message), until, choice: None, place: None, storing: None }
    }

    /// With this choice for the loss of its session.
    #[inline(always)]
    pub(super) const fn choosing(mut self, choice: Option<SessionLoss>) -> Self {
        self.choice = choice;
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_by(cx, Inner::publish)
    }
}

impl Admission<'_> {
    /// Gives the message to the engine by `publish`, which is called with the lock held, and whenever there may be room.
    pub(super) fn poll_by(
        &mut self,
        cx: &mut Context<'_>,
        publish: impl FnOnce(
            &mut Inner,
            &mut Option<Message>,
            &dyn Fn() -> Timestamp,
        ) -> Result<PublicationId, PublishError>,
    ) -> Poll<Result<PublicationId, PublishError>> {
        // One who publishes without end must let the driver of the same thread write.
        let Poll::Ready(budget) = coop::poll_proceed(cx) else { return Poll::Pending };
        if let Some(publication) = self.storing {
            return self.poll_stored(publication, cx);
        }
        let Self { message, until, choice, place, storing, .. } = self;
        let (polled, spent) = self.lease.command_by_clock(|inner, clock| {
            let polled = match inner.choosing(*choice, |inner| publish(inner, message, clock)) {
                // Under the same lock: a message costs one.
                Ok(publication) if *until == Until::Stored => {
                    let accepted = inner.poll_accepted(publication, cx.waker());
                    *storing = accepted.is_pending().then_some(publication);
                    accepted.map_ok(|()| publication)
                }
                Err(error) if inner.waits_for_room && error.is_full() => {
                    inner.room.wait(place, cx.waker());
                    *message = error.into_message();
                    Poll::Pending
                }
                result => Poll::Ready(result),
            };
            (polled, inner.take_spent())
        });
        drop(spent);
        if polled.is_ready() || self.storing.is_some() {
            budget.made_progress();
            // One that the engine did not need to take.
            self.message = None;
        }
        polled
    }

    /// Whether the engine had no room for the message, and it waits for some.
    pub(super) const fn waits_for_room(&self) -> bool {
        self.place.is_some() && self.message.is_some()
    }

    /// Takes a message back that was handed back, to be given to the engine at the next poll.
    pub(super) fn put_back(&mut self, message: Option<Message>) {
        self.message = message;
    }

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
