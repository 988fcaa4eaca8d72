//! Places where no store can be, stores that somebody else has, and disks that fail while a store is in use.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bowline::store::{DiskStore, Entry, KeyState, SessionStore, StoreError, StoreErrorKind, StoredSession};
use bowline_testkit::power::PowerDisk;

use super::scratch::Scratch;
use super::script::{Script, answers_of, answers_of_model, assert_same};
use super::store_on;

fn refusal(path: &Path) -> StoreError {
    let error = DiskStore::new(path).recover(0).expect_err("there can be no store");
    assert!(error.to_string().starts_with(&path.display().to_string()), "the text names the place: {error}");
    error
}

#[test]
fn a_second_client_of_the_same_process_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    let mut first = DiskStore::new(&path);
    first.recover(0).expect("the disk works");
    assert_eq!(refusal(&path).kind(), &StoreErrorKind::Locked);
    first.commit(&Script::new(1).batch(5)).expect("the first one has it still");
    drop(first);
    DiskStore::new(&path).recover(0).expect("it is free again");
}

/// Set for the process that is to hold the store.
const HELD: &str = "BOWLINE_TEST_HOLDS_STORE";

/// Starts this test once more, as another process, and waits until that has the store.
fn holder(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("the disk works"))
        .args(["--exact", "--nocapture", "disk_store::refusals::a_second_process_is_refused"])
        .env(HELD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the disk works");
    let mut lines = BufReader::new(child.stdout.take().expect("the disk works")).lines();
    assert!(
        lines.any(|line| line.expect("the disk works").contains("holding")),
        "the other process did not open the store"
    );
    child
}

/// What that process does: it stores something and keeps the store open until it is killed.
fn hold(path: &Path) {
    let mut store = DiskStore::new(path);
    store.recover(0).expect("the disk works");
    store.commit(&Script::new(8).batch(20)).expect("the disk works");
    println!("holding");
    std::io::stdout().flush().expect("the disk works");
    _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_second_process_is_refused() {
    if let Some(path) = std::env::var_os(HELD) {
        return hold(Path::new(&path));
    }
    let scratch = Scratch::new();
    let path = scratch.path("session");
    let mut child = holder(&path);
    let refused = refusal(&path);
    child.kill().expect("the disk works");
    child.wait().expect("the disk works");
    assert_eq!(refused.kind(), &StoreErrorKind::Locked);
    // The kill frees it, and what was committed is there.
    let mut model = StoredSession::default();
    Script::new(8).batch(20).iter().for_each(|entry| model.apply(entry));
    assert_same(&mut DiskStore::new(&path), &model, "after the kill");
}

#[test]
fn a_directory_is_refused() {
    let scratch = Scratch::new();
    assert_eq!(refusal(&scratch.path("")).kind(), &StoreErrorKind::IsADirectory);
}

#[test]
fn a_directory_that_does_not_exist_is_not_made() {
    let scratch = Scratch::new();
    let path = scratch.path("not-mounted/session");
    assert_eq!(refusal(&path).kind(), &StoreErrorKind::NoDirectory);
    assert!(!path.parent().expect("the disk works").exists());
}

#[test]
fn a_file_that_can_only_be_read_is_refused_and_unchanged() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    DiskStore::new(&path).recover(0).expect("the disk works");
    let before = fs::read(&path).expect("the disk works");
    let mut permissions = fs::metadata(&path).expect("the disk works").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("the disk works");
    assert_eq!(refusal(&path).kind(), &StoreErrorKind::ReadOnly);
    assert_eq!(fs::read(&path).expect("the disk works"), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_takes_no_files_and_a_device_are_refused() {
    // Not even root may make a file there.
    let error = refusal(Path::new("/sys/kernel/session"));
    assert!(matches!(error.kind(), StoreErrorKind::NotPermitted | StoreErrorKind::ReadOnly), "{error}");
    assert_eq!(refusal(Path::new("/dev/null")).kind(), &StoreErrorKind::NotAStore);
}

#[test]
fn a_making_that_was_cut_off_is_begun_again() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    DiskStore::new(&path).recover(0).expect("the disk works");
    let whole = fs::read(&path).expect("the disk works");
    for (number, left) in
        [&b""[..], b"garbage", &whole[..5_000], &whole[..], &[0; 50_000]].into_iter().enumerate()
    {
        let path = scratch.path(&format!("session-{number}"));
        let unfinished = scratch.path(&format!("session-{number}.new"));
        fs::write(&unfinished, left).expect("the disk works");
        assert_same(&mut DiskStore::new(&path), &StoredSession::default(), "made anew");
        assert!(!unfinished.exists());
    }
}

#[cfg(unix)]
#[test]
fn a_store_can_be_read_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new();
    let path = scratch.path("session");
    DiskStore::new(&path).recover(0).expect("the disk works");
    let mode = fs::metadata(&path).expect("the disk works").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds payloads: {mode:o}");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_is_not_there_is_not_replaced_by_a_new_store() {
    let scratch = Scratch::new();
    let (path, target) = (scratch.path("session"), scratch.path("not-mounted/session"));
    std::os::unix::fs::symlink(&target, &path).expect("the disk works");
    assert_eq!(refusal(&path).kind(), &StoreErrorKind::NoDirectory);
    assert!(path.is_symlink(), "what it leads to may come back");
    fs::create_dir(scratch.path("not-mounted")).expect("the disk works");
    DiskStore::new(&target).recover(0).expect("the disk works");
    DiskStore::new(&path).recover(0).expect("the link leads to a store now");
}

#[test]
fn a_path_is_meant_from_where_the_process_is_when_the_store_is_named() {
    let store = DiskStore::new("session");
    let here = std::env::current_dir().expect("there is one").join("session");
    assert_eq!(
        store.name(),
        here.display().to_string(),
        "a later change of directory leads to no other store"
    );
}

#[test]
fn a_file_with_the_name_of_an_unfinished_store_is_kept() {
    let scratch = Scratch::new();
    let (path, letter) = (scratch.path("session"), scratch.path("session.new"));
    fs::write(&letter, b"Dear Sir or Madam, ").expect("the disk works");
    DiskStore::new(&path).recover(0).expect("it is made all the same");
    let kept = scratch.path("session.new.damaged-1");
    assert_eq!(fs::read(kept).expect("it was given another name"), b"Dear Sir or Madam, ");
}

#[test]
fn a_store_with_the_name_of_an_unfinished_one_is_not_taken_for_it() {
    let scratch = Scratch::new();
    let (path, other) = (scratch.path("session"), scratch.path("session.new"));
    let mut model = StoredSession::default();
    let mut store = DiskStore::new(&other);
    store.recover(0).expect("the disk works");
    let batch = Script::new(13).batch(20);
    store.commit(&batch).expect("the disk works");
    batch.iter().for_each(|entry| model.apply(entry));
    drop(store);
    assert_eq!(refusal(&path).kind(), &StoreErrorKind::NotAStore);
    assert!(!path.exists());
    assert_same(&mut DiskStore::new(&other), &model, "it is where it was, with what it had");
}

#[test]
fn of_many_who_make_a_store_at_once_one_has_it() {
    let scratch = Scratch::new();
    for round in 0..50 {
        let path = scratch.path(&format!("session-{round}"));
        if round % 2 == 1 {
            let unfinished = scratch.path(&format!("session-{round}.new"));
            fs::write(unfinished, b"what is left of an attempt").expect("the disk works");
        }
        let barrier = std::sync::Barrier::new(6);
        let outcomes: Vec<Result<DiskStore, StoreError>> = std::thread::scope(|scope| {
            let make = || {
                let mut store = DiskStore::new(&path);
                barrier.wait();
                store.recover(0).map(|_| store)
            };
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        let (has, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(has.len(), 1, "{refused:?}");
        for error in refused.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), &StoreErrorKind::Locked, "{error}");
        }
        let mut store = has.into_iter().flatten().next().expect("there is one");
        store.commit(&Script::new(2).batch(9)).expect("it is the store that has the name");
        drop(store);
        let mut model = StoredSession::default();
        Script::new(2).batch(9).iter().for_each(|entry| model.apply(entry));
        assert_same(&mut DiskStore::new(&path), &model, "what the one stored");
        assert!(!scratch.path(&format!("session-{round}.new")).exists());
    }
}

/// The batch without its publications, as it is given again when they were handed back.
fn without_accepted(batch: &[Entry]) -> Vec<Entry> {
    batch.iter().filter(|entry| !matches!(entry, Entry::Accepted(_))).cloned().collect()
}

/// Keys of publications in doubt are those of no others: the engine sees to that.
fn without_keys(mut batch: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut batch {
        if let Entry::Accepted(accepted) = entry {
            accepted.key = None;
        }
    }
    batch
}

#[test]
fn after_any_failure_of_the_disk_nothing_of_the_batch_is_found_and_the_store_goes_on() {
    let disk = PowerDisk::new();
    let (mut script, mut model) = (Script::new(11), StoredSession::default());
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    let mut failures = 0;
    for step in 0..160 {
        let batch = without_keys(script.batch(8));
        disk.fail_after(step % 16);
        let outcome = store.commit(&batch);
        let has_failed = !disk.will_fail();
        disk.fail_after(u64::MAX);
        match outcome {
            Ok(()) => batch.iter().for_each(|entry| model.apply(entry)),
            Err(error) => {
                failures += 1;
                assert!(has_failed);
                assert_eq!(error.kind(), &StoreErrorKind::Io, "{error}");
                let again = without_accepted(&batch);
                store.commit(&again).expect("the disk works again");
                // The numbers of what was handed back stay used, as they would if it had not failed.
                forget_accepted(&mut model, &batch);
                again.iter().for_each(|entry| model.apply(entry));
            }
        }
        let found = store.load(bowline::store::PublicationId::default(), usize::MAX).expect("the disk works");
        assert_eq!(found, model.load(bowline::store::PublicationId::default(), usize::MAX), "step {step}");
    }
    assert!(failures > 40, "only {failures} failures");
    drop(store);
    let (mut found, mut expected) = (answers_of(&mut store_on(&disk)), answers_of_model(&model));
    for answers in [&mut found, &mut expected] {
        answers.forget_last_publication();
    }
    assert_eq!(found, expected);
}

/// Publications that ended at once leave nothing but their number.
fn forget_accepted(model: &mut StoredSession, batch: &[Entry]) {
    for entry in batch {
        if let Entry::Accepted(accepted) = entry {
            model.apply(entry);
            let publication = accepted.publication;
            model.apply(&Entry::Ended { publication, retired: None, outcome: None });
        }
    }
}

#[test]
fn what_was_handed_back_is_taken_out_at_the_latest_when_the_store_is_closed() {
    let disk = PowerDisk::new();
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    let is_gone = Arc::new(AtomicBool::new(false));
    let mut store = DiskStore::on({
        drop(store);
        let (disk, is_gone) = (disk.clone(), is_gone.clone());
        move || match is_gone.load(Ordering::Relaxed) {
            true => Err(std::io::Error::other("the disk is not there")),
            false => Ok(Box::new(super::Disk(disk.clone()))),
        }
    });
    store.recover(0).expect("the disk works");
    // All of it is written, and then the disk is gone for a while.
    disk.fail_next_sync();
    is_gone.store(true, Ordering::Relaxed);
    let batch: Vec<Entry> = Script::new(14).batch(200);
    let batch: Vec<Entry> = batch.into_iter().filter(|entry| matches!(entry, Entry::Accepted(_))).collect();
    store.commit(&batch).expect_err("the sync failed");
    is_gone.store(false, Ordering::Relaxed);
    drop(store);
    let found = store_on(&disk).recover(usize::MAX).expect("the disk works");
    assert_eq!(
        (found.queue.len(), found.flows.len()),
        (0, 0),
        "they would be sent, and once more by the application"
    );
}

/// The key decides whether the message of the application's next try is stored.
#[test]
fn the_key_of_what_was_handed_back_is_unknown_to_the_next_who_asks() {
    let disk = PowerDisk::new();
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    let keyed = |entry: &Entry| match entry {
        Entry::Accepted(accepted) => accepted.key.clone(),
        _ => None,
    };
    let batch = Script::new(14).batch(200);
    let (entry, key) = batch.iter().find_map(|entry| Some((entry, keyed(entry)?))).expect("some have keys");
    // It is written, and it is not known whether it is durable.
    disk.fail_next_sync();
    store.commit(std::slice::from_ref(entry)).expect_err("the sync failed");
    let outcome = store.outcome(key.as_str()).expect("the disk works again");
    assert_eq!(outcome, KeyState::Unknown);
    drop(store);
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    assert_eq!(store.outcome(key.as_str()).expect("the disk works"), KeyState::Unknown);
}

#[test]
fn a_full_disk_is_reported_and_the_store_goes_on_when_there_is_room() {
    let disk = PowerDisk::new();
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    disk.set_room(Some(disk.len().expect("the disk works") + 10_000));
    let (mut script, mut model) = (Script::new(12), StoredSession::default());
    let refused = loop {
        let batch = script.batch(10);
        match store.commit(&batch) {
            Ok(()) => batch.iter().for_each(|entry| model.apply(entry)),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), &StoreErrorKind::Full, "{refused}");
    assert!(refused.to_string().contains("make room"), "{refused}");
    let missing = Entry::Released { packet_id: bowline::PacketId::new(9_999).expect("the disk works") };
    // A commit copies a few pages: it depends on what was freed before whether a small one is stored.
    if let Err(error) = store.commit(std::slice::from_ref(&missing)) {
        assert_eq!(error.kind(), &StoreErrorKind::Full, "{error}");
    }
    disk.set_room(None);
    store.commit(&[missing]).expect("there is room again");
    let mut found = answers_of(&mut store);
    let mut expected = answers_of_model(&model);
    for answers in [&mut found, &mut expected] {
        answers.forget_last_publication();
    }
    assert_eq!(found, expected);
}
