//! A store that commits when the test says so, or fails, or hangs. It blocks the thread of all stores meanwhile, as a slow disk
//! would.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bowline::store::{
    Entry, KeyState, MemoryStore, PublicationId, Recovered, SessionStore, StoreError, StoreErrorKind,
    StoredPublication, StoredSession,
};

use crate::peer::PATIENCE;

/// What happens to the next commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    Succeed,
    /// They wait until this changes.
    Wait,
    Fail,
}

/// The store, and the test's hand on it. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    store: MemoryStore,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug)]
struct State {
    commits: Commits,
    fails_to_load: bool,
    fails_to_ask: bool,
    /// Commits that have been begun.
    begun: usize,
    batches: Vec<Vec<Entry>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let state = State {
            commits: Commits::Succeed,
            fails_to_load: false,
            fails_to_ask: false,
            begun: 0,
            batches: Vec::new(),
        };
        Self { store: MemoryStore::new(), state: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().expect("no test panics with it")
    }

    pub(crate) fn set(&self, commits: Commits) {
        self.lock().commits = commits;
        self.state.1.notify_all();
    }

    pub(crate) fn fail_to_load(&self, fails: bool) {
        self.lock().fails_to_load = fails;
    }

    /// Whether what is known of a key cannot be said.
    pub(crate) fn fail_to_ask(&self, fails: bool) {
        self.lock().fails_to_ask = fails;
    }

    /// What is stored.
    pub(crate) fn session(&self) -> StoredSession {
        self.store.session()
    }

    pub(crate) fn recovered(&self) -> Recovered {
        self.session().recover(usize::MAX)
    }

    /// Commits that have been begun so far.
    pub(crate) fn begun(&self) -> usize {
        self.lock().begun
    }

    /// Batches committed so far.
    pub(crate) fn batches(&self) -> Vec<Vec<Entry>> {
        self.lock().batches.clone()
    }

    /// Waits until it is stored what session the broker has. The client is connected before that, and sends nothing yet: what a test
    /// has the store do from here on would else be done to that, on a machine that is busy.
    pub(crate) async fn until_established(&self) {
        let start = Instant::now();
        while self.recovered().identity.is_none() {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.recovered());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many commits have been begun.
    pub(crate) async fn until_begun(&self, commits: usize) {
        let start = Instant::now();
        while self.begun() < commits {
            assert!(start.elapsed() < PATIENCE, "{} commits", self.begun());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl SessionStore for Gate {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        self.store.recover(queue_bytes_max)
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.begun += 1;
        // A test that fails must not hold up the others for ever.
        let waiting = |state: &mut State| state.commits == Commits::Wait;
        (state, _) =
            self.state.1.wait_timeout_while(state, PATIENCE, waiting).expect("no test panics with it");
        if state.commits == Commits::Fail {
            return Err(StoreError::new(StoreErrorKind::Full));
        }
        state.batches.push(batch.to_vec());
        drop(state);
        self.store.commit(batch)
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        if self.lock().fails_to_load {
            return Err(StoreError::new(StoreErrorKind::Io));
        }
        self.store.load(after, bytes_max)
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        if self.lock().fails_to_ask {
            return Err(StoreError::new(StoreErrorKind::NotUnsealed));
        }
        self.store.outcome(key)
    }

    fn name(&self) -> String {
        "the gate".to_owned()
    }
}
