//! Publications whose outcome somebody waits for. Knows no engine and no queue.

use std::task::{Poll, Waker};

use bowline_proto::ReasonCode;
use bowline_proto::client::Outcome;
use bowline_proto::packet::AckProperties;
use bowline_proto::session::PublicationId;

use crate::outcome::{Acknowledgement, PublishError, PublishErrorKind, result_of};
use crate::shared::publication_map::PublicationMap;
use crate::store::StoreError;

/// One small entry for each publication with a receipt: no channel and no box on the way of an acknowledged one.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    entries: PublicationMap<Entry>,
    /// Why the store failed last.
    pub(super) store_error: Option<StoreError>,
}

/// What is known of one publication.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Not accepted yet: the store has not got it.
    Storing(Option<Waker>),
    /// Ended before it was accepted.
    Refused(PublishError),
    Waiting(Option<Waker>),
    Acknowledged {
        reason: ReasonCode,
        is_downgraded: bool,
        properties: Option<Box<AckProperties>>,
    },
    Failed(PublishError),
}

impl Receipts {
    /// Somebody will ask for the outcome; first, whether it is accepted, if it must be stored for that.
    pub(crate) fn open(&mut self, publication: PublicationId, must_be_stored: bool) {
        let entry = if must_be_stored { Entry::Storing(None) } else { Entry::Waiting(None) };
        self.entries.insert(publication, entry);
    }

    /// A publication is stored. Returns whom to wake.
    pub(crate) fn accept(&mut self, publication: PublicationId) -> Option<Waker> {
        let entry = self.entries.value_mut(publication)?;
        let Entry::Storing(waker) = entry else { return None };
        let waker = waker.take();
        *entry = Entry::Waiting(None);
        waker
    }

    /// Whether a publication was accepted, once that is known; else the task is woken when it is.
    pub(crate) fn poll_accepted(
        &mut self,
        publication: PublicationId,
        waker: &Waker,
    ) -> Poll<Result<(), PublishError>> {
        match self.entries.value_mut(publication) {
            Some(Entry::Storing(known)) => {
                keep(known, waker);
                Poll::Pending
            }
            Some(Entry::Refused(_)) => match self.close(publication) {
                Some(Entry::Refused(error)) => Poll::Ready(Err(error)),
                _ => Poll::Ready(Ok(())),
            },
            _ => Poll::Ready(Ok(())),
        }
    }

    /// A publication has ended. Returns whom to wake, or gives the result back if nobody asks for it.
    pub(crate) fn end(
        &mut self,
        publication: PublicationId,
        outcome: Outcome,
    ) -> Result<Option<Waker>, Result<Acknowledgement, PublishError>> {
        let Some(entry) = self.entries.value_mut(publication) else {
            let said = self.store_error.as_ref();
            return Err(result_of(outcome).map_err(|error| error.of_store(said)));
        };
        let ended = match outcome {
            Outcome::Acknowledged { reason, properties, downgraded } => {
                Entry::Acknowledged { reason, is_downgraded: downgraded, properties }
            }
            outcome => match result_of(outcome).map_err(|error| error.of_store(self.store_error.as_ref())) {
                Err(error) if matches!(entry, Entry::Storing(_)) => Entry::Refused(error),
                Err(error) => Entry::Failed(error),
                Ok(_) => unreachable!("only an acknowledgement is a success"),
            },
        };
        match std::mem::replace(entry, ended) {
            Entry::Storing(waker) | Entry::Waiting(waker) => Ok(waker),
            Entry::Acknowledged { .. } | Entry::Failed(_) | Entry::Refused(_) => Ok(None),
        }
    }

    /// The client is over, and what is still waited for is in the store alone.
    pub(crate) fn end_all_stored(&mut self, wakers: &mut Vec<Waker>) {
        for entry in self.entries.values_mut() {
            if let Entry::Waiting(waker) | Entry::Storing(waker) = entry {
                wakers.extend(waker.take());
                *entry = Entry::Failed(PublishError::new(PublishErrorKind::Stored, None));
            }
        }
    }

    /// The result, if it is there; else the task is woken when it is. `None` forever if it was taken before.
    pub(crate) fn poll(
        &mut self,
        publication: PublicationId,
        waker: &Waker,
    ) -> Option<Result<Acknowledgement, PublishError>> {
        if let Entry::Waiting(known) | Entry::Storing(known) = self.entries.value_mut(publication)? {
            keep(known, waker);
            return None;
        }
        match self.close(publication)? {
            Entry::Acknowledged { reason, is_downgraded, properties } => {
                Some(Ok(Acknowledgement::new(reason, properties, is_downgraded)))
            }
            Entry::Failed(error) | Entry::Refused(error) => Some(Err(error)),
            Entry::Waiting(_) | Entry::Storing(_) => None,
        }
    }

    /// Nobody asks any more. What is returned is to be dropped without the lock.
    pub(crate) fn close(&mut self, publication: PublicationId) -> Option<Entry> {
        self.entries.remove(publication)
    }
}

fn keep(known: &mut Option<Waker>, waker: &Waker) {
    match known {
        Some(known) => known.clone_from(waker),
        None => *known = Some(waker.clone()),
    }
}
