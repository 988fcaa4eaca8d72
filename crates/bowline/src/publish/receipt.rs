//! What one holds for an accepted message until it is acknowledged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::session::PublicationId;
use bowline_proto::{PacketId, QoS};
use tokio::runtime::Handle;

use crate::outcome::{Acknowledgement, PublishError};
use crate::shared::Lease;

/// A message was accepted; awaiting this says how its publication ended. It lives across reconnects, and keeps the client
/// alive.
///
/// A QoS 0 message ends when it is accepted. Dropping the receipt changes nothing for the message: if it fails, an
/// [`Event::PublishFailed`](crate::Event::PublishFailed) says so.
///
/// # Cancel safety
/// It can be polled by reference, for instance in `tokio::time::timeout(limit, &mut receipt)`, and awaited again later.
#[derive(Debug)]
#[must_use = "the receipt says whether the message was acknowledged; drop it if that does not matter"]
pub struct Receipt {
    lease: Arc<Lease>,
    publication: PublicationId,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// QoS 0: acceptance is all there is.
    Accepted,
    Open,
    Closed,
}

impl Receipt {
    pub(super) const fn new(lease: Arc<Lease>, publication: PublicationId, qos: QoS) -> Self {
        let state = if matches!(qos, QoS::AtMostOnce) { State::Accepted } else { State::Open };
        Self { lease, publication, state }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.lease.runtime
    }

    /// Takes the message back if no byte of it was sent; whether it was. Its result is
    /// [`PublishErrorKind::Cancelled`](crate::PublishErrorKind::Cancelled) then.
    pub fn cancel(&self) -> bool {
        let publication = self.publication;
        let (was_cancelled, spent) = self.lease.command(|inner, _| {
            let was_cancelled = inner.open_engine().is_some_and(|engine| engine.cancel(publication));
            (was_cancelled, inner.take_spent())
        });
        drop(spent);
        was_cancelled
    }

    /// The packet identifier, while it has one: from the time it is sent to its acknowledgement; never with QoS 0. For logs;
    /// costs a look at everything that is in flight.
    pub fn packet_id(&self) -> Option<PacketId> {
        self.lease.lock().engine.as_ref()?.packet_id(self.publication)
    }
}

impl Future for Receipt {
    type Output = Result<Acknowledgement, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.state {
            State::Accepted => Poll::Ready(Ok(Acknowledgement::of_acceptance())),
            State::Open => {
                let polled = self.lease.lock().receipts.poll(self.publication, cx.waker());
                let Some(result) = polled else { return Poll::Pending };
                self.state = State::Closed;
                Poll::Ready(result)
            }
            State::Closed => panic!("a receipt was polled after it was ready"),
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.state == State::Open {
            let entry = self.lease.lock().receipts.close(self.publication);
            drop(entry);
        }
    }
}
