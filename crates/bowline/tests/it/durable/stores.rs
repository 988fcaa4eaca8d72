//! Session stores by themselves: the reference passes the suite, and the suite finds what is wrong with others.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bowline::store::{
    Entry, KeyState, MemoryStore, PublicationId, Recovered, SessionStore, StoreError, StoreErrorKind,
    StoredPhase, StoredPublication, conformance,
};

#[test]
fn the_store_in_memory_does_what_every_store_has_to_do() {
    let mut stores = HashMap::new();
    conformance::check(|name| {
        let new = || MemoryStore::keeping(conformance::OUTCOMES_MAX);
        Ok(stores.entry(name.to_owned()).or_insert_with(new).clone())
    });
    let store = MemoryStore::new();
    conformance::check_lock(|| Ok(store.clone()));
}

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    ForgetsKeys,
    ForgetsOutcomesOfLostSessions,
    ReleasesInOrderOfNames,
    LoadsOneTooMany,
    CountsTheHeadAsPaged,
    ForgetsReceivedWhenClosed,
    LosesTheEndOfBatches,
    KeepsTheSessionAfterReset,
}

struct Flawed {
    inner: MemoryStore,
    flaw: Flaw,
    received: bool,
}

impl SessionStore for Flawed {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        let mut recovered = self.inner.recover(queue_bytes_max)?;
        match self.flaw {
            Flaw::ReleasesInOrderOfNames => {
                let is_released = |stored: &StoredPublication| match stored.phase {
                    StoredPhase::Released { .. } => (1, stored.publication),
                    _ => (0, stored.publication),
                };
                recovered.flows.sort_by_key(is_released);
            }
            Flaw::CountsTheHeadAsPaged => recovered.paged_messages += recovered.queue.len(),
            Flaw::ForgetsReceivedWhenClosed if !self.received => recovered.received.clear(),
            _ => {}
        }
        Ok(recovered)
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        self.received |= batch.iter().any(|entry| matches!(entry, Entry::Received { .. }));
        let batch: Vec<Entry> = batch
            .iter()
            .filter(|entry| {
                self.flaw != Flaw::KeepsTheSessionAfterReset || !matches!(entry, Entry::SessionReset { .. })
            })
            .cloned()
            .map(|entry| match entry {
                Entry::Accepted(mut accepted) if self.flaw == Flaw::ForgetsKeys => {
                    accepted.key = None;
                    Entry::Accepted(accepted)
                }
                entry => entry,
            })
            .collect();
        let kept = if self.flaw == Flaw::LosesTheEndOfBatches { batch.len().min(1_000) } else { batch.len() };
        self.inner.commit(&batch[..kept])
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        let mut bytes = bytes_max;
        if self.flaw == Flaw::LoadsOneTooMany {
            bytes = bytes.saturating_add(100);
        }
        self.inner.load(after, bytes)
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        let is_after_loss = self.inner.session().recover(0).generation > 0;
        if self.flaw == Flaw::ForgetsOutcomesOfLostSessions && is_after_loss {
            return Ok(KeyState::Unknown);
        }
        self.inner.outcome(key)
    }
}

fn passes(flaw: Flaw) -> bool {
    let mut stores: HashMap<String, MemoryStore> = HashMap::new();
    let check = AssertUnwindSafe(|| {
        conformance::check(|name| {
            let new = || MemoryStore::keeping(conformance::OUTCOMES_MAX);
            let inner = stores.entry(name.to_owned()).or_insert_with(new).clone();
            Ok(Flawed { inner, flaw, received: false })
        });
    });
    catch_unwind(check).is_ok()
}

#[test]
fn the_suite_finds_what_is_wrong_with_a_store() {
    assert!(passes(Flaw::None), "the one without a flaw passes");
    for flaw in [
        Flaw::ForgetsKeys,
        Flaw::ForgetsOutcomesOfLostSessions,
        Flaw::ReleasesInOrderOfNames,
        Flaw::LoadsOneTooMany,
        Flaw::CountsTheHeadAsPaged,
        Flaw::ForgetsReceivedWhenClosed,
        Flaw::LosesTheEndOfBatches,
        Flaw::KeepsTheSessionAfterReset,
    ] {
        assert!(!passes(flaw), "{flaw:?} was not found");
    }
    let unlocked = AssertUnwindSafe(|| {
        conformance::check_lock(|| {
            Ok(Flawed { inner: MemoryStore::new(), flaw: Flaw::None, received: false })
        });
    });
    assert!(catch_unwind(unlocked).is_err(), "one that lets two in was not found");
}

#[test]
fn an_error_names_the_store_says_what_to_do_and_shows_what_led_to_it() {
    let full = StoreError::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).of_store("m.session");
    assert_eq!(full.kind(), &StoreErrorKind::Full);
    let text = full.to_string();
    assert!(
        text.starts_with("m.session cannot be written as no room is left: make room on its disk ("),
        "{text}"
    );
    let other =
        StoreErrorKind::OtherVersion { stored: bowline::Version::V5, asked: bowline::Version::V3_1_1 };
    assert_eq!(
        StoreError::new(other).of_store("m.session").to_string(),
        "m.session has a session of MQTT 5.0, and MQTT 3.1.1 was asked for: use that version, or another store"
    );
}
