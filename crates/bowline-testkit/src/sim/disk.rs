//! The disk of a client: commits take time, fail, or are torn by a kill. What was not committed is lost then.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bowline_proto::client::Input;
use bowline_proto::session::stored::StoredPublication;
use bowline_proto::session::{Batch, Entry, PublicationId, Recovered, StoredSession};

use crate::random::Random;
use crate::sim::wire::number_of;

/// A store that is run below the simulated disk, and has to say what that says.
pub trait StoreUnderTest: Debug {
    /// Commits a batch, which works.
    fn commit(&mut self, batch: &[Entry]);

    /// Tries to commit a batch, which fails.
    fn fail(&mut self, batch: &[Entry]);

    /// Waiting publications later than `after`.
    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Vec<StoredPublication>;

    /// The process is killed, or the power fails, perhaps while this batch is committed: it is there then, or not.
    fn crash(&mut self, batch: Option<&[Entry]>);

    /// What an engine starts from.
    fn recover(&mut self, queue_bytes_max: usize) -> Recovered;
}

/// The store of one session.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// The real thing, if there is one.
    below: Option<Box<dyn StoreUnderTest>>,
    /// Batches that failed since the last that did not, without their publications: the store below may have them all the
    /// same, as they will be given again.
    doubtful: Vec<Vec<Entry>>,
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
    /// From now on everything is done to this store as well.
    pub(super) fn put_on(&mut self, store: Box<dyn StoreUnderTest>) {
        self.below = Some(store);
    }

    pub(super) fn begin(&mut self, batch: Batch) {
        assert!(self.writing.is_none(), "the engine gave a batch before the last one was answered");
        self.writing = Some(batch);
    }

    /// The batch under way is committed.
    pub(super) fn commit(&mut self) -> Option<Input> {
        let batch = self.writing.take()?;
        let last = batch.last;
        if let Some(below) = &mut self.below {
            below.commit(&batch.entries);
            self.doubtful.clear();
        }
        self.apply(&batch.entries, batch.entries.len());
        Some(Input::Persisted { last, known: Vec::new() })
    }

    /// The batch under way fails, and nothing of it is on the disk.
    pub(super) fn fail(&mut self) -> Option<Input> {
        let batch = self.writing.take()?;
        if let Some(below) = &mut self.below {
            below.fail(&batch.entries);
            let rest = batch.entries.iter().filter(|entry| !matches!(entry, Entry::Accepted(_)));
            self.doubtful.push(rest.cloned().collect());
        }
        Some(Input::PersistFailed)
    }

    pub(super) fn load(&mut self, after: PublicationId, bytes_max: usize) -> Input {
        let Some(below) = &mut self.below else { return Input::Loaded(self.stored.load(after, bytes_max)) };
        let page = below.load(after, bytes_max);
        let is_legal = self.possible(&[]).any(|(stored, _)| stored.load(after, bytes_max) == page);
        assert!(is_legal, "the store below does not give back what waits: {page:?}");
        Input::Loaded(page)
    }

    /// The process is killed: of the batch under way, any prefix is on the disk. How many entries are, and of how many.
    ///
    /// A batch is all or none by contract. The engine needs that only where a session is reset: what becomes of the flows
    /// stands behind the reset, in one transaction with it. Everywhere else it has to cope with a prefix.
    pub(super) fn tear(&mut self, random: &mut Random) -> (usize, usize) {
        let batch = self.writing.take();
        if let Some(below) = &mut self.below {
            below.crash(batch.as_ref().map(|batch| &batch.entries[..]));
            return self.find_below(batch);
        }
        let Some(batch) = batch else { return (0, 0) };
        let total = batch.entries.len();
        let is_transaction = batch.entries.iter().any(|entry| matches!(entry, Entry::SessionReset { .. }));
        let any = random.below(total as u64 + 1) as usize;
        let kept = if is_transaction && any < total { 0 } else { any };
        self.apply(&batch.entries, kept);
        (kept, total)
    }

    /// What the store below may have: what was committed, and one batch that failed or is under way, or not.
    fn possible<'a>(
        &'a self,
        under_way: &'a [Entry],
    ) -> impl Iterator<Item = (StoredSession, &'a [Entry])> + use<'a> {
        let batches = self.doubtful.iter().map(Vec::as_slice).chain([under_way]);
        [&[][..]].into_iter().chain(batches).map(|entries| {
            let mut stored = self.stored.clone();
            entries.iter().for_each(|entry| stored.apply(entry));
            (stored, entries)
        })
    }

    /// Finds out what the store below has after a crash. Says how many entries of the batch under way that are, and of how
    /// many.
    fn find_below(&mut self, under_way: Option<Batch>) -> (usize, usize) {
        let batch = under_way.as_ref().map_or(&[][..], |batch| &batch.entries);
        let below = self.below.as_mut().expect("there is a store below");
        let found = below.recover(usize::MAX);
        let entries = self
            .possible(batch)
            .find(|(stored, _)| found == like(stored.recover(usize::MAX), &found))
            .map(|(_, entries)| entries.to_vec());
        let entries = entries.unwrap_or_else(|| {
            panic!("the store below has neither what was committed nor one batch more: {found:#?}")
        });
        self.doubtful.clear();
        self.apply(&entries, entries.len());
        (if entries == batch { batch.len() } else { 0 }, batch.len())
    }

    /// What an engine starts from.
    pub(super) fn recover(&mut self, queue_bytes_max: usize) -> Recovered {
        if self.below.is_some() {
            self.find_below(None);
        }
        let recovered = self.stored.recover(queue_bytes_max);
        let Some(below) = &mut self.below else { return recovered };
        let found = below.recover(queue_bytes_max);
        assert_eq!(found, like(recovered, &found), "the store below has not what was committed");
        found
    }

    fn apply(&mut self, batch: &[Entry], entries: usize) {
        for entry in batch.iter().take(entries) {
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

/// With the number of the last publication that a store found: those of batches that failed may be used up in it.
fn like(mut recovered: Recovered, found: &Recovered) -> Recovered {
    recovered.last_publication = recovered.last_publication.max(found.last_publication);
    recovered
}
