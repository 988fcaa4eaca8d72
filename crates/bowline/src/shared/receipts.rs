//! Publications whose outcome somebody waits for. Knows no engine and no queue.

use std::task::Waker;

use bowline_proto::ReasonCode;
use bowline_proto::client::Outcome;
use bowline_proto::packet::AckProperties;
use bowline_proto::session::PublicationId;

use crate::outcome::{Acknowledgement, PublishError, result_of};
use crate::shared::number_map::{NumberMap, shrink_if_empty};

/// One small entry for each publication with a receipt: no channel and no box on the way of an acknowledged one.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    entries: NumberMap<PublicationId, Entry>,
}

/// What is known of one publication.
#[derive(Debug)]
pub(crate) enum Entry {
    Waiting(Option<Waker>),
    Acknowledged { reason: ReasonCode, is_downgraded: bool, properties: Option<Box<AckProperties>> },
    Failed(PublishError),
}

impl Receipts {
    /// Somebody will ask for the outcome.
    pub(crate) fn open(&mut self, publication: PublicationId) {
        self.entries.insert(publication, Entry::Waiting(None));
    }

    /// A publication has ended. Returns whom to wake, or gives the result back if nobody asks for it.
    pub(crate) fn end(
        &mut self,
        publication: PublicationId,
        outcome: Outcome,
    ) -> Result<Option<Waker>, Result<Acknowledgement, PublishError>> {
        let Some(entry) = self.entries.get_mut(&publication) else { return Err(result_of(outcome)) };
        let ended = match outcome {
            Outcome::Acknowledged { reason, properties, downgraded } => {
                Entry::Acknowledged { reason, is_downgraded: downgraded, properties }
            }
            outcome => match result_of(outcome) {
                Err(error) => Entry::Failed(error),
                Ok(_) => unreachable!("only an acknowledgement is a success"),
            },
        };
        match std::mem::replace(entry, ended) {
            Entry::Waiting(waker) => Ok(waker),
            Entry::Acknowledged { .. } | Entry::Failed(_) => Ok(None),
        }
    }

    /// The result, if it is there; else the task is woken when it is. `None` forever if it was taken before.
    pub(crate) fn poll(
        &mut self,
        publication: PublicationId,
        waker: &Waker,
    ) -> Option<Result<Acknowledgement, PublishError>> {
        if let Entry::Waiting(known) = self.entries.get_mut(&publication)? {
            match known {
                Some(known) => known.clone_from(waker),
                None => *known = Some(waker.clone()),
            }
            return None;
        }
        match self.close(publication)? {
            Entry::Acknowledged { reason, is_downgraded, properties } => {
                Some(Ok(Acknowledgement::new(reason, properties, is_downgraded)))
            }
            Entry::Failed(error) => Some(Err(error)),
            Entry::Waiting(_) => None,
        }
    }

    /// Nobody asks any more. What is returned is to be dropped without the lock.
    pub(crate) fn close(&mut self, publication: PublicationId) -> Option<Entry> {
        let entry = self.entries.remove(&publication);
        shrink_if_empty(&mut self.entries);
        entry
    }
}
