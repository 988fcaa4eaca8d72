//! Getting a message accepted that may have a key. Knows neither queue nor engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::Text;
use bowline_proto::session::{PublicationId, SessionLoss};
use bowline_proto::types::Message;

use crate::outcome::{PublishError, PublishErrorKind};
use crate::publish::admission::{Admission, Until};
use crate::publish::key_check::KeyCheck;
use crate::shared::Lease;

/// As [`Admission`], which it is if there is no key. Beside it, because most messages have none and should not pay for it.
#[derive(Debug)]
pub(super) struct KeyedAdmission<'a> {
    admission: Admission<'a>,
    check: Option<Box<KeyCheck>>,
}

impl<'a> KeyedAdmission<'a> {
    pub(super) fn new(lease: &'a Arc<Lease>, message: Message, until: Until, key: Option<Text>) -> Self {
        let check = key.map(|key| Box::new(KeyCheck::new(key)));
        Self { admission: Admission::new(lease, message, until), check }
    }

    /// With this choice for the loss of its session.
    pub(super) fn choosing(mut self, choice: Option<SessionLoss>) -> Self {
        self.admission = self.admission.choosing(choice);
        self
    }

    /// Hands back a message that was not accepted.
    pub(super) const fn take_message(&mut self) -> Option<Message> {
        self.admission.take_message()
    }

    pub(super) const fn lease(&self) -> &'a Arc<Lease> {
        self.admission.lease()
    }
}

impl Future for KeyedAdmission<'_> {
    type Output = Result<PublicationId, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let admission = &mut this.admission;
        let Some(check) = &mut this.check else { return Pin::new(admission).poll(cx) };
        let key = check.key();
        let polled =
            admission.poll_by(cx, |inner, message, clock| inner.publish_keyed(message, key.clone(), clock()));
        let full = match polled {
            Poll::Ready(Err(error)) if error.is_full() => Some(error),
            Poll::Pending if admission.waits_for_room() => None,
            polled => return polled,
        };
        // One whose key is known has not to wait for room.
        match (check.poll(admission.lease().store.as_ref(), cx), full) {
            (Poll::Ready(Some(known)), full) => {
                let message = full.map_or_else(|| admission.take_message(), PublishError::into_message);
                Poll::Ready(Err(PublishError::new(PublishErrorKind::KnownKey(known), message)))
            }
            (Poll::Ready(None), Some(full)) => Poll::Ready(Err(full)),
            (Poll::Pending, Some(full)) => {
                admission.put_back(full.into_message());
                Poll::Pending
            }
            (_, None) => Poll::Pending,
        }
    }
}
