//! How the publication with a key ended: asked of the store, and waited for while it goes on.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::Text;
use bowline_proto::session::{KeyState, PublicationId, StoredOutcome};

use crate::shared::{Lease, Place};
use crate::store::{StoreError, StoreLink};

/// Why it is not known how the publication with a key ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The session is not durable: nothing remembers keys.
    NotDurable,
    /// The store could not be asked.
    Store(StoreError),
    /// The client has ended.
    Ended,
}

impl fmt::Display for OutcomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDurable => f.write_str("only a durable session remembers keys"),
            Self::Store(error) => error.fmt(f),
            Self::Ended => f.write_str("the client has ended, and its store is closed"),
        }
    }
}

impl Error for OutcomeError {}

/// Resolves when the publication has ended.
pub(crate) async fn outcome(lease: &Arc<Lease>, key: &str) -> Result<Option<StoredOutcome>, OutcomeError> {
    let store = lease.store.as_ref().ok_or(OutcomeError::NotDurable)?;
    let Ok(text) = Text::try_from(key) else { return Ok(None) };
    let mut watched: Option<End<'_>> = None;
    loop {
        // One that is not stored yet is in memory.
        let in_memory = lease.lock().pending_key(&text).ok_or(OutcomeError::Ended)?;
        let pending = match in_memory {
            Some(publication) => publication,
            None => match ask(store, key).await? {
                KeyState::Unknown => return Ok(None),
                KeyState::Ended(outcome) => return Ok(Some(outcome)),
                KeyState::Pending(publication) => publication,
            },
        };
        match watched.take().filter(|end| end.publication == pending) {
            // It was watched before the last look: its end, which comes after it is stored, was not missed.
            Some(end) => end.await,
            None => {
                let mut end = End { lease, publication: pending, place: None };
                std::future::poll_fn(|cx| {
                    end.watch(cx);
                    Poll::Ready(())
                })
                .await;
                watched = Some(end);
            }
        }
    }
}

async fn ask(store: &StoreLink, key: &str) -> Result<KeyState, OutcomeError> {
    match store.outcome(key.to_owned()).await {
        Ok(answer) => answer.map_err(OutcomeError::Store),
        Err(_) => Err(OutcomeError::Ended),
    }
}

/// Resolves when a publication has ended, or the client has.
struct End<'a> {
    lease: &'a Arc<Lease>,
    publication: PublicationId,
    /// Where its task waits; gone from there when the publication has ended.
    place: Option<Place>,
}

impl End<'_> {
    fn watch(&mut self, cx: &Context<'_>) {
        self.lease.lock().watch_end(self.publication, &mut self.place, cx.waker());
    }
}

impl Future for End<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(place) = this.place else { return Poll::Ready(()) };
        if this.lease.lock().still_watches(this.publication, place, cx.waker()) {
            Poll::Pending
        } else {
            this.place = None;
            Poll::Ready(())
        }
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.lease.lock().stop_watching(self.publication, place);
            drop(waker);
        }
    }
}
