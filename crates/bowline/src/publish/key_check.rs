//! Whether a key is free, before a message with it is accepted: asked of what is in memory, and then of the store. Publishes
//! nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_proto::Text;
use bowline_proto::session::KeyState;
use tokio::sync::oneshot;

use crate::outcome::{KnownKey, PublishErrorKind};
use crate::shared::Lease;
use crate::store::StoreError;

/// A key on its way to a publication. While this lives nobody else gets the key: between the store's answer and the acceptance of
/// the message another one with the same key would not be seen by either.
#[derive(Debug)]
pub(super) struct KeyCheck<'a> {
    lease: &'a Arc<Lease>,
    key: Text,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Reserve,
    Ask(oneshot::Receiver<Result<KeyState, StoreError>>),
    Free,
}

impl<'a> KeyCheck<'a> {
    pub(super) const fn new(lease: &'a Arc<Lease>, key: Text) -> Self {
        Self { lease, key, step: Step::Reserve }
    }

    pub(super) const fn key(&self) -> &Text {
        &self.key
    }

    /// Whether the key is free, once that is known.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PublishErrorKind>> {
        if matches!(self.step, Step::Reserve) {
            // Without a store there is nothing to ask; the engine says what is wrong with the key.
            let Some(store) = &self.lease.store else { return Poll::Ready(Ok(())) };
            if !self.lease.lock().reserve_key(&self.key) {
                return Poll::Ready(Err(PublishErrorKind::KnownKey(KnownKey::Pending)));
            }
            self.step = Step::Ask(store.outcome(self.key.as_str().to_owned()));
        }
        let Step::Ask(told) = &mut self.step else { return Poll::Ready(Ok(())) };
        let answer = ready!(Pin::new(told).poll(cx));
        self.step = Step::Free;
        Poll::Ready(match answer {
            Ok(Ok(KeyState::Unknown)) => Ok(()),
            Ok(Ok(KeyState::Pending(_))) => Err(PublishErrorKind::KnownKey(KnownKey::Pending)),
            Ok(Ok(KeyState::Ended(outcome))) => Err(PublishErrorKind::KnownKey(KnownKey::Ended(outcome))),
            Ok(Err(_)) | Err(_) => Err(PublishErrorKind::StoreFailed),
        })
    }
}

impl Drop for KeyCheck<'_> {
    fn drop(&mut self) {
        if !matches!(self.step, Step::Reserve) {
            self.lease.lock().release_key(&self.key);
        }
    }
}
