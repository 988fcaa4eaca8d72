//! The disk of a client: commits take time, fail, or are torn by a kill. What was not committed is lost then.

use std::collections::BTreeSet;

use bowline_proto::client::Input;
use bowline_proto::session::{Batch, Entry, PublicationId, Recovered, StoredSession};

use crate::random::Random;
use crate::sim::wire::number_of;

/// The store of one session.
#[derive(Debug, Default)]
pub(super) struct Disk {
    stored: StoredSession,
    /// All that is committed, as the checkers look at it.
    pub(super) committed: Recovered,
    /// Numbers of the messages that were ever committed, and of those whose end was.
    pub(super) accepted: BTreeSet<u64>,
    pub(super) ended: BTreeSet<u64>,
    /// At most one batch is under way.
    writing: Option<Batch>,
    pub(super) is_full: bool,
}

impl Disk {
    pub(super) fn begin(&mut self, batch: Batch) {
        assert!(self.writing.is_none(), "the engine gave a batch before the last one was answered");
        self.writing = Some(batch);
    }

    /// The batch under way is committed.
    pub(super) fn commit(&mut self) -> Option<Input> {
        let batch = self.writing.take()?;
        let last = batch.last;
        self.apply(&batch, batch.entries.len());
        Some(Input::Persisted(last))
    }

    /// The batch under way fails, and nothing of it is on the disk.
    pub(super) fn fail(&mut self) -> Option<Input> {
        self.writing.take().map(|_| Input::PersistFailed)
    }

    pub(super) fn load(&self, after: PublicationId, bytes_max: usize) -> Input {
        Input::Loaded(self.stored.load(after, bytes_max))
    }

    /// The process is killed: of the batch under way, any prefix is on the disk. How many entries are, and of how many.
    ///
    /// A batch is all or none by contract. The engine needs that only where a session is reset: what becomes of the flows
    /// stands behind the reset, in one transaction with it. Everywhere else it has to cope with a prefix.
    pub(super) fn tear(&mut self, random: &mut Random) -> (usize, usize) {
        let Some(batch) = self.writing.take() else { return (0, 0) };
        let total = batch.entries.len();
        let is_transaction = batch.entries.iter().any(|entry| matches!(entry, Entry::SessionReset { .. }));
        let any = random.below(total as u64 + 1) as usize;
        let kept = if is_transaction && any < total { 0 } else { any };
        self.apply(&batch, kept);
        (kept, total)
    }

    /// What an engine starts from.
    pub(super) fn recover(&self, queue_bytes_max: usize) -> Recovered {
        self.stored.recover(queue_bytes_max)
    }

    fn apply(&mut self, batch: &Batch, entries: usize) {
        for entry in batch.entries.iter().take(entries) {
            match entry {
                Entry::Accepted(accepted) => _ = self.accepted.insert(number_of(&accepted.message.payload)),
                Entry::Ended { publication, .. } => self.ended.extend(self.number_in_store(*publication)),
                _ => {}
            }
            self.stored.apply(entry);
            if matches!(entry, Entry::Accepted(_)) {
                self.committed = self.stored.recover(usize::MAX);
            }
        }
        self.committed = self.stored.recover(usize::MAX);
    }

    /// The message of a publication that is committed and has not ended.
    pub(super) fn number_in_store(&self, publication: PublicationId) -> Option<u64> {
        let mut all = self.committed.flows.iter().chain(&self.committed.queue);
        all.find(|one| one.publication == publication).map(|one| number_of(&one.message.payload))
    }
}
