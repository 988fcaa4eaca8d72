//! Getting a message accepted that may have a key: the key is asked for first. Knows neither queue nor engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_proto::Text;
use bowline_proto::session::PublicationId;
use bowline_proto::types::Message;

use crate::outcome::PublishError;
use crate::publish::admission::{Admission, Until};
use crate::publish::key_check::KeyCheck;
use crate::shared::Lease;

/// As [`Admission`], which it is if there is no key. Beside it, because most messages have none and should not pay for it.
#[derive(Debug)]
pub(super) struct KeyedAdmission<'a> {
    admission: Admission<'a>,
    /// `None` also once the engine knows the key.
    check: Option<Box<KeyCheck<'a>>>,
}

impl<'a> KeyedAdmission<'a> {
    pub(super) fn new(lease: &'a Arc<Lease>, message: Message, until: Until, key: Option<Text>) -> Self {
        let check = key.map(|key| Box::new(KeyCheck::new(lease, key)));
        Self { admission: Admission::new(lease, message, until), check }
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
        let Some(check) = &mut this.check else { return Pin::new(&mut this.admission).poll(cx) };
        if let Err(kind) = ready!(check.poll(cx)) {
            return Poll::Ready(Err(PublishError::new(kind, this.admission.take_message())));
        }
        let key = check.key();
        let polled = this
            .admission
            .poll_by(cx, |inner, message, clock| inner.publish_keyed(message, key.clone(), clock()));
        if polled.is_ready() || this.admission.is_storing() {
            // From here on the engine knows the key, or nobody wants it.
            this.check = None;
        }
        polled
    }
}
