//! Random batches: the store says what `StoredSession` says, at every moment and after every start.

use bowline::store::{PublicationId, SessionStore, StoredSession};
use bowline_testkit::power::PowerDisk;

use super::script::{Script, assert_same};
use super::store_on;

const OUTCOMES_MAX: usize = 12;

#[test]
fn the_store_adds_up_to_what_the_model_adds_up_to() {
    for seed in 0..12 {
        let disk = PowerDisk::new();
        let (mut script, mut model) = (Script::new(seed), StoredSession::keeping(OUTCOMES_MAX));
        let mut store = store_on(&disk).keeping(OUTCOMES_MAX);
        store.recover(0).unwrap();
        for step in 0..40 {
            let batch = script.batch(12);
            store.commit(&batch).unwrap();
            batch.iter().for_each(|entry| model.apply(entry));
            if step % 4 == 0 {
                store = store_on(&disk).keeping(OUTCOMES_MAX);
                assert_same(&mut store, &model, &format!("seed {seed}, step {step}"));
            }
        }
    }
}

#[test]
fn the_queue_is_read_in_pages_of_any_size() {
    for seed in 100..106 {
        let (mut script, mut model) = (Script::new(seed), StoredSession::default());
        let mut store = store_on(&PowerDisk::new());
        store.recover(0).unwrap();
        for _ in 0..30 {
            let batch = script.batch(12);
            store.commit(&batch).unwrap();
            batch.iter().for_each(|entry| model.apply(entry));
        }
        for bytes_max in [0, 1, 500, 5_000, usize::MAX] {
            let mut after = PublicationId::default();
            loop {
                let page = store.load(after, bytes_max).unwrap();
                assert_eq!(page, model.load(after, bytes_max), "seed {seed}, {bytes_max} bytes");
                let Some(last) = page.last() else { break };
                after = last.publication;
            }
        }
        assert_eq!(store.load(PublicationId::new(u64::MAX), 1).unwrap(), []);
    }
}

#[test]
fn a_batch_given_twice_counts_once() {
    for seed in 200..206 {
        let (mut script, mut model) = (Script::new(seed), StoredSession::default());
        let disk = PowerDisk::new();
        let mut store = store_on(&disk);
        store.recover(0).unwrap();
        for step in 0..30 {
            let batch = script.batch(6);
            for _ in 0..1 + step % 2 {
                store.commit(&batch).unwrap();
                batch.iter().for_each(|entry| model.apply(entry));
            }
        }
        assert_same(&mut store, &model, &format!("seed {seed}"));
    }
}
