//! Whether the key of a message that finds no room is known: then it has not to wait for room. One that finds room is judged when
//! it is stored, by the store. Publishes nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bowline_proto::Text;
use bowline_proto::session::KeyState;
use tokio::sync::oneshot;

use crate::outcome::KnownKey;
use crate::store::{StoreError, StoreLink};

/// The key of a message on its way into the send queue.
#[derive(Debug)]
pub(super) struct KeyCheck {
    key: Text,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Ask,
    Asked(oneshot::Receiver<Result<KeyState, StoreError>>),
    NotKnown,
}

impl KeyCheck {
    pub(super) const fn new(key: Text) -> Self {
        Self { key, step: Step::Ask }
    }

    pub(super) const fn key(&self) -> &Text {
        &self.key
    }

    /// What became of the earlier message with the key, once the store has said so; it is asked once. `None` if it knows of none
    /// or cannot be asked.
    pub(super) fn poll(&mut self, store: Option<&StoreLink>, cx: &mut Context<'_>) -> Poll<Option<KnownKey>> {
        let Some(store) = store else { return Poll::Ready(None) };
        if matches!(self.step, Step::Ask) {
            self.step = Step::Asked(store.outcome(self.key.as_str().to_owned()));
        }
        let Step::Asked(told) = &mut self.step else { return Poll::Ready(None) };
        let answer = ready!(Pin::new(told).poll(cx));
        self.step = Step::NotKnown;
        Poll::Ready(answer.ok().and_then(Result::ok).and_then(KnownKey::of_state))
    }
}
