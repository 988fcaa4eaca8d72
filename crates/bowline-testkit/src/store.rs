//! A session store in memory that can be slow, fail and crash. What was not committed is lost at a crash.

use std::collections::VecDeque;
use std::convert::Infallible;

use bowline_proto::client::Input;
use bowline_proto::session::{Batch, Entry, KeyState, PublicationId, Recovered, StoredSession};

/// When batches are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on it")]
pub enum Commit {
    /// As soon as they come.
    AtOnce,
    /// When the test says so: a test of a barrier looks at what happens before.
    OnDemand,
    /// Never: every batch fails.
    Fail,
}

/// The store of one session.
#[derive(Debug)]
pub struct TestStore {
    /// When batches are committed.
    pub commit: Commit,
    /// Whether reading fails. Default false.
    pub fails_to_load: bool,
    committed: StoredSession,
    waiting: VecDeque<Batch>,
    log: Vec<Entry>,
    batches: usize,
    loads: usize,
}

impl Default for TestStore {
    fn default() -> Self {
        Self::new(Commit::AtOnce)
    }
}

impl TestStore {
    /// An empty store.
    pub fn new(commit: Commit) -> Self {
        Self {
            commit,
            fails_to_load: false,
            committed: StoredSession::default(),
            waiting: VecDeque::new(),
            log: Vec::new(),
            batches: 0,
            loads: 0,
        }
    }

    /// Takes a batch and says what to answer, if it is time to.
    pub fn persist(&mut self, batch: Batch) -> Option<Input> {
        self.batches += 1;
        match self.commit {
            Commit::AtOnce => Some(self.apply(&batch)),
            Commit::OnDemand => {
                self.waiting.push_back(batch);
                None
            }
            Commit::Fail => Some(Input::PersistFailed),
        }
    }

    /// Commits the oldest waiting batch.
    pub fn commit_next(&mut self) -> Option<Input> {
        let batch = self.waiting.pop_front()?;
        Some(self.apply(&batch))
    }

    /// Fails the oldest waiting batch.
    pub fn fail_next(&mut self) -> Option<Input> {
        self.waiting.pop_front().map(|_| Input::PersistFailed)
    }

    /// Entries of batches that wait, in order.
    pub fn waiting(&self) -> Vec<Entry> {
        self.waiting.iter().flat_map(|batch| batch.entries.iter().cloned()).collect()
    }

    /// Every entry committed so far, in order.
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// How many batches came.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Reads waiting publications, and says what to answer.
    pub fn read(&mut self, after: PublicationId, bytes_max: usize) -> Input {
        self.loads += 1;
        if self.fails_to_load {
            return Input::LoadFailed;
        }
        Input::Loaded(self.committed.load(after, bytes_max))
    }

    /// How often something was to be read.
    pub fn loads(&self) -> usize {
        self.loads
    }

    /// What is left after a crash: all that was committed, nothing that was not.
    pub fn recover(&self, queue_bytes_max: usize) -> Recovered {
        self.committed.recover(queue_bytes_max)
    }

    /// What it knows of a key.
    pub fn outcome(&self, key: &str) -> KeyState {
        self.committed.outcome(key)
    }

    /// The store after a crash.
    #[must_use]
    pub fn after_crash(self) -> Self {
        Self { waiting: VecDeque::new(), ..self }
    }

    fn apply(&mut self, batch: &Batch) -> Input {
        let known = batch.known_keys(|key| Ok::<_, Infallible>(self.committed.outcome(key.as_str())));
        let known = known.expect("it can always be asked");
        for entry in batch.without(&known) {
            self.committed.apply(&entry);
            self.log.push(entry);
        }
        Input::Persisted { last: batch.last, known }
    }
}
