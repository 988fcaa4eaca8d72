//! Files that are damaged, and files that were never stores: reported, set aside or left alone, and never emptied in silence.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::store::{
    DiskStore, PublicationId, SessionStore, StoreErrorKind, StoreFile, StoredSession, SyncPolicy,
};
use bowline_testkit::power::PowerDisk;
use bowline_testkit::random::Random;

use super::scratch::Scratch;
use super::script::{Answers, Script, answers_of, answers_of_model, assert_same};
use super::{Disk, store_on};

/// A store with some of everything, ended in good order, and what it says.
fn filled(path: &Path) -> Answers {
    let (mut script, mut model) = (Script::new(3), StoredSession::default());
    let mut store = DiskStore::new(path);
    store.recover(0).expect("the disk works");
    for _ in 0..20 {
        let batch = script.batch(10);
        store.commit(&batch).expect("the disk works");
        batch.iter().for_each(|entry| model.apply(entry));
    }
    answers_of_model(&model)
}

fn kind_of(store: &mut DiskStore) -> StoreErrorKind {
    store.recover(usize::MAX).expect_err("it cannot be opened").kind().clone()
}

/// What becomes of a damaged store: it is reported with its new name, and nothing of it is lost.
fn assert_set_aside(path: &Path, damaged: &[u8]) {
    let mut store = DiskStore::new(path);
    let error = store.recover(usize::MAX).expect_err("a damaged store is not opened");
    let StoreErrorKind::Damaged { set_aside: Some(aside) } = error.kind() else {
        panic!("it was not set aside: {error}")
    };
    assert_eq!(aside.parent(), path.parent());
    assert_eq!(fs::read(aside).expect("the disk works"), damaged, "what was set aside is the damaged file");
    assert!(error.to_string().contains(&aside.display().to_string()), "the text says where: {error}");
    assert!(!path.exists());
    assert_eq!(
        store.recover(usize::MAX).expect("the disk works"),
        StoredSession::default().recover(0),
        "the next start is empty"
    );
}

#[test]
fn a_store_without_bytes_is_damaged_and_set_aside() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    fs::write(&path, b"").expect("the disk works");
    assert_set_aside(&path, b"");
}

#[test]
fn stores_that_are_set_aside_do_not_replace_each_other() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    for number in 1..=3 {
        fs::write(&path, b"").expect("the disk works");
        let expected =
            StoreErrorKind::Damaged { set_aside: Some(scratch.path(&format!("session.damaged-{number}"))) };
        assert_eq!(kind_of(&mut DiskStore::new(&path)), expected);
    }
}

#[test]
fn a_store_that_was_cut_off_is_set_aside() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    filled(&path);
    let whole = fs::read(&path).expect("the disk works");
    for length in [9, 100, 320, 4_096, 8_192, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        let path = scratch.path(&format!("cut-{length}"));
        fs::write(&path, &whole[..length]).expect("the disk works");
        assert_set_aside(&path, &whole[..length]);
    }
}

#[test]
fn a_file_that_was_never_a_store_is_left_alone() {
    let scratch = Scratch::new();
    for (name, content) in [("letter", &b"Dear Sir or Madam, "[..]), ("short", b"x"), ("zeros", &[0; 10_000])]
    {
        let path = scratch.path(name);
        fs::write(&path, content).expect("the disk works");
        assert_eq!(kind_of(&mut DiskStore::new(&path)), StoreErrorKind::NotAStore, "{name}");
        assert_eq!(fs::read(&path).expect("the disk works"), content);
    }
}

/// Flips one bit and says what came of it, having checked that it is one of the things that may.
fn flip(scratch: &Scratch, whole: &[u8], original: &Answers, place: usize, bit: u8) -> &'static str {
    let mut damaged = whole.to_vec();
    damaged[place] ^= 1 << bit;
    let path = scratch.path(&format!("flipped-{place}"));
    fs::write(&path, &damaged).expect("the disk works");
    let mut store = DiskStore::new(&path).sync(SyncPolicy::OsBuffer);
    let kind = match store.recover(0) {
        Ok(_) => {
            assert_eq!(&answers_of(&mut store), original, "the flip at {place} changed what the store says");
            store.commit(&Script::new(9).batch(5)).expect("it can be written");
            "harmless"
        }
        Err(error) => match error.kind() {
            StoreErrorKind::Damaged { set_aside: Some(aside) } => {
                assert_eq!(fs::read(aside).expect("the disk works").len(), damaged.len());
                "set aside"
            }
            StoreErrorKind::NotAStore if place < 9 => {
                assert_eq!(fs::read(&path).expect("the disk works"), damaged, "it was not touched");
                "not a store"
            }
            other => panic!("the flip at {place} gave {other:?}: {error}"),
        },
    };
    drop(store);
    kind
}

fn flip_many(places: impl Iterator<Item = usize>) {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    let original = filled(&path);
    let whole = fs::read(&path).expect("the disk works");
    let mut random = Random::new(5);
    let mut counts = std::collections::BTreeMap::new();
    for place in places.take_while(|place| *place < whole.len()) {
        *counts.entry(flip(&scratch, &whole, &original, place, random.below(8) as u8)).or_insert(0) += 1;
    }
    println!("{} bytes: {counts:?}", whole.len());
    assert!(counts["set aside"] > 0 && counts["harmless"] > 0);
}

/// `BOWLINE_FLIP_STEP=1` flips a bit of every byte: the long form, which takes minutes.
#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let step =
        std::env::var("BOWLINE_FLIP_STEP").map_or(1_777, |step| step.parse().expect("a number of bytes"));
    // All of the header, where a bit says most, and some of the rest.
    flip_many((0..320).chain((320..).step_by(step)));
}

#[test]
fn an_older_copy_that_is_put_in_its_place_is_noticed() {
    let disk = PowerDisk::new();
    let mut script = Script::new(4);
    let places = std::sync::Arc::new(std::sync::Mutex::new(disk.clone()));
    let mut store = DiskStore::on({
        let places = places.clone();
        move || Ok(Box::new(Disk(places.lock().expect("the disk works").clone())))
    });
    store.recover(0).expect("the disk works");
    let older = PowerDisk::holding(disk.content());
    store.commit(&script.batch(10)).expect("the disk works");
    *places.lock().expect("the disk works") = older;
    disk.fail_after(0);
    for _ in 0..2 {
        let error = store.commit(&script.batch(10)).expect_err("it is not what was written");
        assert!(
            matches!(error.kind(), StoreErrorKind::Io | StoreErrorKind::Damaged { set_aside: None }),
            "{error}"
        );
    }
    let error = store.load(PublicationId::default(), 100).expect_err("it is still not what was written");
    assert_eq!(error.kind(), &StoreErrorKind::Damaged { set_aside: None }, "{error}");
}

/// A disk that fails for good after so many calls, reads too.
#[derive(Debug)]
struct Failing {
    disk: PowerDisk,
    calls_left: AtomicUsize,
}

impl Failing {
    fn count(&self) -> io::Result<()> {
        let take = |left: usize| left.checked_sub(1);
        match self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("it was asked to fail")),
        }
    }
}

impl StoreFile for Failing {
    fn len(&self) -> io::Result<u64> {
        self.count().and_then(|()| self.disk.len())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.count().and_then(|()| self.disk.read(offset, bytes))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.count().and_then(|()| self.disk.write(offset, bytes))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count().and_then(|()| self.disk.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.count().and_then(|()| self.disk.sync())
    }
}

#[test]
fn a_disk_that_fails_at_a_start_does_not_make_its_store_a_damaged_one() {
    let disk = PowerDisk::new();
    let mut store = store_on(&disk);
    store.recover(0).expect("it can be made");
    store.commit(&Script::new(6).batch(30)).expect("the disk works");
    let killed = disk.content();
    drop(store);
    let mut failures = 0;
    for content in [disk.content(), killed] {
        for calls in 0..300 {
            let disk = PowerDisk::holding(content.clone());
            let mut store = DiskStore::on({
                let disk = disk.clone();
                move || Ok(Box::new(Failing { disk: disk.clone(), calls_left: calls.into() }))
            });
            let Err(error) = store.recover(0) else { break };
            failures += 1;
            assert_eq!(error.kind(), &StoreErrorKind::Io, "after {calls} calls: {error}");
            drop(store);
            store_on(&disk).recover(0).expect("the disk works again");
        }
    }
    assert!(failures > 10, "{failures} failures only");
}

/// A disk at which the database panics once, as it may over a file that is damaged in some way that nobody has thought of.
#[derive(Debug)]
struct Panicking {
    disk: PowerDisk,
    calls_left: Arc<AtomicUsize>,
}

impl Panicking {
    fn count(&self) {
        if self.calls_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            panic!("assertion failed, as it was asked to");
        }
    }
}

impl StoreFile for Panicking {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.count();
        self.disk.read(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.count();
        self.disk.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.count();
        self.disk.sync()
    }
}

#[test]
fn a_panic_of_the_database_becomes_an_error_and_the_store_goes_on() {
    let disk = PowerDisk::new();
    store_on(&disk).recover(0).expect("it can be made");
    let mut panics = 0;
    for calls in 1..40 {
        let calls_left = Arc::new(AtomicUsize::new(usize::MAX / 2));
        let mut store = DiskStore::on({
            let (disk, calls_left) = (disk.clone(), calls_left.clone());
            move || Ok(Box::new(Panicking { disk: disk.clone(), calls_left: calls_left.clone() }))
        });
        calls_left.store(calls, Ordering::Relaxed);
        let outcome =
            store.recover(0).map(drop).and_then(|()| store.commit(&Script::new(calls as u64).batch(5)));
        if let Err(error) = outcome {
            panics += 1;
            assert_eq!(error.kind(), &StoreErrorKind::Damaged { set_aside: None }, "{error}");
            assert!(error.to_string().contains("assertion failed"), "{error}");
        }
        calls_left.store(usize::MAX / 2, Ordering::Relaxed);
        store.recover(0).expect("the next call opens it again");
        store.commit(&Script::new(1).batch(5)).expect("and writes to it");
    }
    assert!(panics > 15, "it panicked {panics} times only");
}

#[test]
fn of_many_who_find_the_same_damage_one_sets_it_aside_and_no_new_store_goes_with_it() {
    const DAMAGED: &[u8] = b"";
    for _ in 0..30 {
        let scratch = Scratch::new();
        let path = scratch.path("session");
        fs::write(&path, DAMAGED).expect("the disk works");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = DiskStore::new(&path);
                    // The damage, then perhaps the lock of another.
                    let tries = (0..10_000).map(|_| std::thread::sleep(Duration::from_millis(1)));
                    assert!(tries.map(|()| store.recover(0)).any(|recovered| recovered.is_ok()));
                    store.commit(&Script::new(3).batch(5)).expect("it is whole");
                });
            }
        });
        let files = fs::read_dir(scratch.path("")).expect("the disk works").map(|file| file.unwrap().path());
        let aside: Vec<_> = files.filter(|file| *file != path).collect();
        assert_eq!(aside, [scratch.path("session.damaged-1")], "one was damaged");
        assert_eq!(fs::read(&aside[0]).expect("the disk works"), DAMAGED);
    }
}

#[cfg(unix)]
#[test]
fn what_a_link_leads_to_is_set_aside_and_made_anew_where_it_was() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("disk")).expect("the disk works");
    let (target, path, link) = (scratch.path("disk/session"), scratch.path("session"), scratch.path("link"));
    fs::write(&target, b"").expect("the disk works");
    // A link to a link, and relative.
    std::os::unix::fs::symlink("link", &path).expect("the disk works");
    std::os::unix::fs::symlink("disk/session", &link).expect("the disk works");
    let mut store = DiskStore::new(&path);
    let aside = scratch.path("disk/session.damaged-1");
    assert_eq!(kind_of(&mut store), StoreErrorKind::Damaged { set_aside: Some(aside) });
    assert!(path.is_symlink() && link.is_symlink() && !target.exists());
    let batch = Script::new(4).batch(5);
    store.recover(0).expect("it begins anew");
    store.commit(&batch).expect("the disk works");
    drop(store);
    assert!(path.is_symlink() && link.is_symlink() && target.is_file());
    let mut model = StoredSession::default();
    batch.iter().for_each(|entry| model.apply(entry));
    assert_same(&mut DiskStore::new(&target), &model, "under its own name");
}
