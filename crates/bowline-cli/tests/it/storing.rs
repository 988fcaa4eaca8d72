//! `--store`: that what was accepted survives SIGKILL, comes out once, and does not need a connection to be accepted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::{Process, until};
use crate::publishing::VERSIONS;

/// A folder of one test, removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bowline-cli-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("it is a text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port at which nobody listens.
pub(crate) fn closed_port() -> String {
    bowline_testkit::ports::free_address().port().to_string()
}

/// How often each line is there.
pub(crate) fn counts(lines: &[u8]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(lines).lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// Delays that differ from round to round in a way that is always the same.
pub(crate) struct Delays(u64);

impl Delays {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self, most_ms: u64) -> Duration {
        // A linear congruential generator: nothing here needs more.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % most_ms)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_accepted_without_a_broker_and_delivered_once_by_a_run_without_input() {
    for version in VERSIONS {
        let folder = Folder::new("offline");
        let store = folder.file("session");
        let port = closed_port();
        let options =
            ["pub", "-h", "127.0.0.1", "-p", &port, "-V", version, "--store", &store, "--wait", "0"];
        let lines: String = (0..5_000).map(|number| format!("{number}\n")).collect();
        let ended = Process::bowline([&options[..], &["-t", "t", "-q", "2", "-l"]].concat())
            .finish_with(lines.clone());
        assert_eq!(ended.code, Some(75), "{}", ended.stderr);
        assert!(ended.stderr.contains("5000 messages wait in "), "{}", ended.stderr);
        let one = Process::bowline([&options[..], &["-t", "t", "-q", "1", "-m", "last"]].concat()).finish();
        assert_eq!(one.code, Some(75), "{}", one.stderr);
        assert!(one.stderr.contains("5001 messages wait in "), "{}", one.stderr);

        let broker = Broker::builder().start().await.unwrap();
        let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2", "-C", "5001", "-W", "50"]);
        until("subscribing", || broker.stats().subscriptions == 1);
        let drained = Process::client("pub", &broker, &["-V", version, "--store", &store]).finish();
        assert_eq!(drained.code, Some(0), "{}", drained.stderr);
        assert!(drained.stderr.contains("5001 messages of an earlier run delivered"), "{}", drained.stderr);
        assert!(subscriber.finish().successful() == (lines + "last\n").into_bytes());
        let again = Process::client("pub", &broker, &["-V", version, "--store", &store]).finish();
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
        broker.assert_no_violations();
    }
}

/// Each round gives the program lines and kills it; a line that the subscriber has was accepted, and at the end a line has to be
/// there once, or, if it was not accepted before the kill, not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_killed_loses_nothing_that_was_accepted_and_doubles_nothing() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("killed-pub");
    let store = folder.file("session");
    let mut delays = Delays::new(7);
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let (rounds, lines) = (12, 3_000);
    for round in 0..rounds {
        let options = ["-t", "t", "-q", "2", "-l", "--store", &store];
        let mut publisher = Process::client("pub", &broker, &options);
        let input: String = (0..lines).map(|number| format!("{round}-{number:04}\n")).collect();
        publisher.input(input.as_bytes());
        std::thread::sleep(delays.next(60));
        publisher.signal(Signal::KILL);
        publisher.wait_and_finish();
    }
    let drained = Process::client("pub", &broker, &["--store", &store]).finish();
    assert_eq!(drained.code, Some(0), "{}", drained.stderr);
    let last = Process::client("pub", &broker, &["--store", &store, "-t", "t", "-q", "2", "-m", "end"]);
    last.finish().successful();
    until("the end", || counts(&subscriber.stdout()).contains_key("end"));
    subscriber.signal(Signal::TERM);
    let got = counts(&subscriber.finish().successful());
    assert!(got.values().all(|count| *count == 1), "{:?}", got.iter().find(|(_, count)| **count > 1));
    let mut killed_early = 0;
    for round in 0..rounds {
        // Lines are accepted in order, so that those of a round are the first ones of its input.
        let prefix = format!("{round}-");
        let there: Vec<&String> = got.keys().filter(|line| line.starts_with(&prefix)).collect();
        for (number, line) in there.iter().enumerate() {
            assert_eq!(**line, format!("{round}-{number:04}"));
        }
        killed_early += usize::from(there.len() < lines);
    }
    assert!(killed_early > 0, "the kills came too late to test anything");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_its_client_identifier_and_belongs_to_one_process() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("identity");
    let store = folder.file("session");
    let with = |more: &[&'static str]| {
        [
            &["-t", "t", "-q", "1", "-m", "x", "--store"][..],
            &[Box::leak(store.clone().into_boxed_str())],
            more,
        ]
        .concat()
    };
    Process::client("pub", &broker, &with(&[])).finish().successful();
    let sessions = broker.stats().sessions;
    Process::client("pub", &broker, &with(&[])).finish().successful();
    assert_eq!((sessions, broker.stats().sessions), (1, 1), "it is the same client");
    let other = Process::client("pub", &broker, &with(&["-i", "other"])).finish();
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("has the session of client identifier bowline"), "{}", other.stderr);
    let mut holder = Process::client("pub", &broker, &["-t", "t", "-q", "1", "-l", "--store", &store]);
    holder.input(b"one\n");
    until("the first line", || broker.stats().messages_in == 3);
    let second = Process::client("pub", &broker, &with(&[])).finish();
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("is in use"), "{}", second.stderr);
    holder.finish().successful();
    broker.assert_no_violations();
}

#[test]
fn what_cannot_be_stored_or_sent_is_refused_before_anything_happens() {
    let folder = Folder::new("refused");
    let store = folder.file("session");
    let refused = |arguments: &[&str], text: &str| {
        let ended = Process::bowline([&["pub", "--store", &store][..], arguments].concat()).finish();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(text), "{}", ended.stderr);
    };
    refused(&["-t", "t", "-m", "x"], "messages of QoS 0 are not stored: --store needs -q 1 or -q 2");
    refused(&["-t", "t"], "the message is missing");
    refused(&["-m", "x", "-q", "1"], "the topic is missing");
    refused(&["-c", "-i", "a"], "--disable-clean-session");
    refused(&["-x", "0"], "would not outlive the connection");
    let without = Process::bowline(["pub", "-t", "t"]).finish();
    assert_eq!(without.code, Some(2));
    assert!(without.stderr.contains("the message is missing"), "{}", without.stderr);
    assert!(!Path::new(&store).exists());
}

/// The subscriber is killed again and again while messages come. What it wrote is kept; what it wrote last before a kill may come
/// again, if the acknowledgement was not in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_is_killed_misses_nothing_and_doubles_only_what_was_not_acknowledged() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("killed-sub");
    let store = folder.file("session");
    let options = ["-t", "t", "-q", "2", "--store", &store];
    let first = Process::client("sub", &broker, &options);
    until("subscribing", || broker.stats().subscriptions == 1);
    let mut publisher = Process::client("pub", &broker, &["-t", "t", "-q", "2", "-l"]);
    let (rounds, lines) = (12, 400);
    let mut delays = Delays::new(11);
    let mut runs = Vec::new();
    let mut subscriber = first;
    for round in 0..rounds {
        let input: String = (0..lines).map(|number| format!("{round}-{number}\n")).collect();
        publisher.input(input.as_bytes());
        std::thread::sleep(delays.next(80));
        subscriber.signal(Signal::KILL);
        runs.push(subscriber.wait_and_finish().stdout);
        subscriber = Process::client("sub", &broker, &options);
    }
    publisher.input(b"end\n");
    until("the end", || counts(&subscriber.stdout()).contains_key("end"));
    subscriber.signal(Signal::TERM);
    runs.push(subscriber.finish().successful());
    publisher.finish().successful();

    // A kill in the middle of a line leaves a piece of it, which was not acknowledged.
    for run in &mut runs {
        let whole = run.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        run.truncate(whole);
        assert!(counts(run).values().all(|count| *count == 1), "one run has a message twice");
    }
    let got = counts(&runs.concat());
    let missing = (0..rounds).flat_map(|round| (0..lines).map(move |number| format!("{round}-{number}")));
    assert_eq!(missing.filter(|line| !got.contains_key(line)).collect::<Vec<_>>(), Vec::<String>::new());
    for (before, after) in runs.iter().zip(&runs[1..]) {
        // What comes again is the batch that was being acknowledged.
        let (before, after) = (counts(before), counts(after));
        let again = after.keys().filter(|line| before.contains_key(*line)).count();
        assert!(again <= 1_024, "{again} messages came again");
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_does_not_come_again_and_other_subscriptions_of_the_store_end() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("resubscribing");
    let store = folder.file("session");
    let subscriber =
        Process::client("sub", &broker, &["-t", "a", "-t", "b", "-q", "2", "--store", &store, "-d"]);
    until("subscribing", || broker.stats().subscriptions == 2);
    Process::client("pub", &broker, &["-t", "a", "-q", "2", "-m", "one"]).finish().successful();
    subscriber.until_stdout(b"one\n");
    // The acknowledgement is stored before it is sent.
    subscriber.until_stderr("==> PUBCOMP");
    subscriber.signal(Signal::KILL);
    subscriber.wait_and_finish();
    until("leaving", || broker.stats().connections == 0);
    for (topic, text) in [("a", "two"), ("b", "three")] {
        Process::client("pub", &broker, &["-t", topic, "-q", "2", "-m", text]).finish().successful();
    }
    let again =
        Process::client("sub", &broker, &["-t", "a", "-q", "2", "-C", "1", "-W", "30", "--store", &store]);
    again.until_stderr("no longer subscribed to b, which the command line does not name");
    let ended = again.finish();
    assert_eq!(ended.stdout, b"two\n", "{}", ended.stderr);
    assert_eq!(broker.stats().subscriptions, 1);
    broker.assert_no_violations();
}
