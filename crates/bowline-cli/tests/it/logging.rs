//! The log on stderr and the signals that change its level.

use bowline::proto::types::Message;
use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::{Process, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_packet_log_is_on_stderr_and_only_on_request() {
    let broker = Broker::builder().start().await.unwrap();
    let arguments = ["-t", "a", "-q", "2", "-m", "payload"];
    let ended = Process::client("pub", &broker, &[&arguments[..], &["-d"]].concat()).finish();
    let expected = [
        "==> CONNECT",
        "<== CONNACK",
        "==> PUBLISH (id=1 qos=2 dup=0",
        "<== PUBREC (id=1",
        "==> PUBREL (id=1",
        "<== PUBCOMP (id=1",
        "==> DISCONNECT",
    ];
    let mut rest = &ended.stderr[..];
    for line in expected {
        let at = rest.find(line).unwrap_or_else(|| panic!("no {line} in order in:\n{}", ended.stderr));
        rest = &rest[at + line.len()..];
    }
    assert!(!ended.stderr.contains("payload"), "{}", ended.stderr);
    assert_eq!(ended.successful(), b"");
    let quiet = Process::client("pub", &broker, &arguments).finish();
    assert_eq!(quiet.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_change_the_level_while_it_runs() {
    let broker = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &broker, &["-t", "a"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let mut written = Vec::new();
    let mut publish = |payload: &str| {
        broker.publish(&Message::new("a".try_into().unwrap(), payload.to_owned()));
        written.extend_from_slice(payload.as_bytes());
        written.push(b'\n');
        subscriber.until_stdout(&written);
    };
    publish("one");
    assert_eq!(subscriber.stderr(), "");
    for level in ["warn", "info", "debug"] {
        subscriber.signal(Signal::USR1);
        subscriber.until_stderr(&format!("bowline log: the level is now {level}"));
    }
    publish("two");
    subscriber.until_stderr("<== PUBLISH");
    subscriber.signal(Signal::USR2);
    subscriber.until("info again", |stderr| stderr.matches("now info").count() == 2);
    let before = subscriber.stderr();
    publish("three");
    assert_eq!(subscriber.stderr(), before);
}
