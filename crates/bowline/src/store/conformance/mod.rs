//! What every session store has to do, as checks that its author runs: one by one, and in random order against
//! [`StoredSession`], which says what entries add up to. Knows no store.

mod entries;
mod outcomes;
mod queue;
mod random;
mod state;

use bowline_proto::session::stored::StoredPhase;
use bowline_proto::session::{Entry, Recovered, StoredSession};

use crate::store::{SessionStore, StoreError};

/// How many ends of publications with a key the stores that are checked have to keep.
pub const OUTCOMES_MAX: usize = 50;

/// Runs all checks on stores that `open` opens.
///
/// `open` is called with a name: the first time with it there is no such store yet, and a new one is to be opened; later it
/// is to be opened again, with all that was committed before. It has to keep [`OUTCOMES_MAX`] ends of publications with a
/// key. A store is dropped before the one with the same name is opened again.
///
/// ```
/// use std::collections::HashMap;
/// use bowline::store::{MemoryStore, conformance};
///
/// let mut stores = HashMap::new();
/// conformance::check(|name| {
///     let new = || MemoryStore::keeping(conformance::OUTCOMES_MAX);
///     Ok(stores.entry(name.to_owned()).or_insert_with(new).clone())
/// });
/// ```
///
/// # Panics
/// If the store does something wrong; the message says what, and in which check.
pub fn check<S: SessionStore>(mut open: impl FnMut(&str) -> Result<S, StoreError>) {
    let mut open =
        |name: &str| open(name).unwrap_or_else(|error| panic!("{name}: cannot be opened: {error}"));
    let mut on_new = |name: &str, check: &dyn Fn(&mut Pair<'_, S>)| {
        let mut reopen = || open(name);
        let store = reopen();
        let reference = StoredSession::keeping(OUTCOMES_MAX);
        let mut pair = Pair { name, reopen: &mut reopen, store: Some(store), reference };
        pair.compare();
        check(&mut pair);
        pair.compare();
        pair.open_again();
        pair.compare();
    };
    on_new("owner", &state::owner);
    on_new("identity", &state::identity);
    on_new("session-reset", &state::session_reset);
    on_new("inbound", &state::inbound);
    on_new("subscriptions", &state::subscriptions);
    on_new("retired", &state::retired);
    on_new("suspects", &state::suspects);
    on_new("whole-messages", &state::whole_messages);
    on_new("unknown-publications", &state::unknown_publications);
    on_new("release-order", &queue::release_order);
    on_new("send-order", &queue::send_order);
    on_new("paging", &queue::paging);
    on_new("requeued", &queue::requeued);
    on_new("big-batch", &queue::big_batch);
    on_new("outcomes", &outcomes::outcomes);
    on_new("outcome-retention", &outcomes::retention);
    on_new("outcome-reuse", &outcomes::reuse);
    for seed in 1..=SEEDS {
        on_new(&format!("random-{seed}"), &|pair| random::run(pair, seed));
    }
}

/// Checks that a store is refused to a second one who opens it, and not any more when the first has gone. `open` opens the same
/// store each time; either opening or [`SessionStore::recover`] has to say that it is locked.
///
/// # Panics
/// If the store does not do so.
pub fn check_lock<S: SessionStore>(mut open: impl FnMut() -> Result<S, StoreError>) {
    use crate::store::StoreErrorKind::Locked;
    let mut open = || {
        let mut store = open()?;
        store.recover(1).map(|_| store)
    };
    let first = open().expect("the first one can open it");
    match open() {
        Ok(_) => panic!("a second one could open it"),
        Err(error) => assert_eq!(error.kind(), &Locked, "the second one was told something else"),
    }
    drop(first);
    open().expect("it can be opened again when the first one has gone");
}

const SEEDS: u64 = 12;

/// A store, and what it should have.
struct Pair<'a, S> {
    name: &'a str,
    reopen: &'a mut dyn FnMut() -> S,
    /// `None` only while it is being opened again.
    store: Option<S>,
    reference: StoredSession,
}

impl<S: SessionStore> Pair<'_, S> {
    fn store(&mut self) -> &mut S {
        self.store.as_mut().expect("it is open between calls")
    }

    fn commit(&mut self, batch: &[Entry]) {
        let committed = self.store().commit(batch);
        committed.unwrap_or_else(|error| panic!("{}: commit failed: {error}", self.name));
        for entry in batch {
            self.reference.apply(entry);
        }
    }

    fn open_again(&mut self) {
        self.store = None;
        self.store = Some((self.reopen)());
    }

    /// Compares everything that the store can be asked for.
    fn compare(&mut self) {
        for bytes_max in [0, 40, 1_000, usize::MAX] {
            let expected = normal(self.reference.recover(bytes_max));
            let name = self.name;
            let found = self.store().recover(bytes_max);
            let found = normal(found.unwrap_or_else(|error| panic!("{name}: recover failed: {error}")));
            assert_eq!(found, expected, "{name}: recover({bytes_max}), left is the store's");
            self.compare_loads(bytes_max);
        }
    }

    /// Compares a walk through the whole queue, page by page.
    fn compare_loads(&mut self, bytes_max: usize) {
        let mut after = bowline_proto::session::PublicationId::default();
        for _ in 0..PAGES_MAX {
            let expected = self.reference.load(after, bytes_max);
            let name = self.name;
            let found = self.store().load(after, bytes_max);
            let found = found.unwrap_or_else(|error| panic!("{name}: load failed: {error}"));
            assert_eq!(found, expected, "{name}: load({after:?}, {bytes_max}), left is the store's");
            let Some(last) = found.last() else { return };
            after = last.publication;
        }
    }

    fn compare_outcome(&mut self, key: &str) {
        let expected = self.reference.outcome(key);
        let name = self.name;
        let found = self.store().outcome(key);
        let found = found.unwrap_or_else(|error| panic!("{name}: outcome failed: {error}"));
        assert_eq!(found, expected, "{name}: outcome({key:?}), left is the store's");
    }
}

const PAGES_MAX: usize = 40;

/// Without what a store is free to choose: the order of sets, and the numbers that put PUBRECs in order.
fn normal(mut recovered: Recovered) -> Recovered {
    recovered.retired.sort_unstable();
    recovered.received.sort_unstable();
    recovered.wanted.sort_by(|a, b| a.filter.cmp(&b.filter));
    recovered.suspects.sort_by_key(|suspect| suspect.publication);
    let mut rank = 0;
    for flow in &mut recovered.flows {
        if let StoredPhase::Released { order, .. } = &mut flow.phase {
            rank += 1;
            *order = rank;
        }
    }
    recovered
}
