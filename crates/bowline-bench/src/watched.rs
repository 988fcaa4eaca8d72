//! A store that counts what it is asked to commit, and passes it on. Knows no client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bowline::store::{
    Entry, KeyState, PublicationId, Recovered, SessionStore, StoreError, StoredPublication,
};

/// What a store was asked to commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batches {
    /// Commits.
    pub commits: u64,
    /// Entries in all of them.
    pub entries: u64,
    /// How long they took, all together.
    pub took: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    commits: AtomicU64,
    entries: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Seen {
    pub(crate) fn batches(&self) -> Batches {
        Batches {
            commits: self.commits.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            took: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// A store that is watched.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    store: S,
    seen: Arc<Seen>,
}

impl<S> Watched<S> {
    pub(crate) fn new(store: S) -> Self {
        Self { store, seen: Arc::default() }
    }

    pub(crate) fn seen(&self) -> Arc<Seen> {
        self.seen.clone()
    }
}

impl<S: SessionStore> SessionStore for Watched<S> {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        self.store.recover(queue_bytes_max)
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        let started = Instant::now();
        let committed = self.store.commit(batch);
        let took = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.seen.nanoseconds.fetch_add(took, Ordering::Relaxed);
        self.seen.commits.fetch_add(1, Ordering::Relaxed);
        self.seen.entries.fetch_add(batch.len() as u64, Ordering::Relaxed);
        committed
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        self.store.load(after, bytes_max)
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        self.store.outcome(key)
    }

    fn name(&self) -> String {
        self.store.name()
    }
}
