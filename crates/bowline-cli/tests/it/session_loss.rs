//! `bowline pub` with brokers that lose sessions and with one that closes over a message, from run to run.

use bowline::proto::packet::{Ack, Packet};
use bowline::proto::types::QoS;
use rustix::process::Signal;

use crate::process::{Ended, Process};
use crate::scripted::{Connection, Scripted};
use crate::storing::Folder;

fn publisher(broker: &Scripted, store: &str, more: &[&str]) -> Process {
    let port = broker.port();
    let own = ["pub", "-h", "127.0.0.1", "-p", &port, "-V", "5", "--store", store];
    Process::bowline(own.iter().chain(more))
}

/// The broker closes; the program notices, and is ended in good order, as by a supervisor.
fn close_and_end(broker: &Scripted, connection: Connection, publisher: Process) -> Ended {
    drop(connection);
    publisher.until_stderr("connection lost");
    publisher.signal(Signal::TERM);
    let ended = publisher.wait_and_finish();
    // It may have come back already.
    broker.forget_waiting();
    ended
}

/// A store with one message of QoS 2 that a broker has as far as PUBREL.
fn released(broker: &Scripted, store: &str, choice: &[&str]) {
    let publisher = publisher(broker, store, &[&["-t", "t", "-q", "2", "-m", "x"], choice].concat());
    let mut connection = broker.accept(false);
    let id = connection.publish().packet_id.expect("it is of QoS 2");
    connection.send(Packet::PubRec(Ack::success(id)));
    assert!(matches!(connection.next(), Some(Packet::PubRel(_))));
    let ended = close_and_end(broker, connection, publisher);
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
}

#[test]
fn a_message_whose_session_is_lost_is_published_again_by_the_next_run_if_the_first_one_chose_that() {
    let (broker, folder) = (Scripted::new(), Folder::new("loss-again"));
    let store = folder.file("session");
    released(&broker, &store, &["--on-session-loss", "again"]);
    // The choice is in the store; this run has none.
    let next = publisher(&broker, &store, &[]);
    let mut connection = broker.accept(true);
    let publish = connection.publish();
    assert_eq!((&publish.payload[..], publish.dup), (&b"x"[..], false));
    connection.answer(&Packet::Publish(publish));
    assert_eq!(connection.serve(), [""; 0]);
    let ended = next.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 message of an earlier run delivered"), "{}", ended.stderr);
}

#[test]
fn without_a_choice_its_end_is_unknown_and_the_run_says_so() {
    for choice in [&[][..], &["--on-session-loss", "unknown"]] {
        let (broker, folder) = (Scripted::new(), Folder::new("loss-unknown"));
        let store = folder.file("session");
        released(&broker, &store, choice);
        // What this run would choose for its own messages is without effect on it.
        let next = publisher(&broker, &store, &["--on-session-loss", "again"]);
        assert_eq!(broker.accept(true).serve(), [""; 0], "it is not sent again");
        let ended = next.finish();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("what became of 1 message is unknown"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("of 1 message it is unknown whether it was delivered"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn what_is_no_choice_is_refused() {
    let ended = Process::bowline(["pub", "-t", "t", "-m", "x", "--on-session-loss", "maybe"]).finish();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("[possible values: unknown, again]"), "{}", ended.stderr);
}

/// As NATS does it: the connection is closed over each PUBLISH of QoS 2. `true` if that happened, before the client was gone.
fn closes_over_qos_2(connection: &mut Connection) -> bool {
    while let Some(packet) = connection.next() {
        match &packet {
            Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => return true,
            _ => connection.answer(&packet),
        }
    }
    false
}

#[test]
fn runs_that_each_live_through_one_close_give_the_message_up_at_the_third_and_the_others_get_through() {
    let (broker, folder) = (Scripted::new(), Folder::new("poison-runs"));
    let store = folder.file("session");
    let runs: [&[&str]; 2] =
        [&["-t", "t", "-q", "2", "-m", "poison"], &["-t", "t", "-q", "1", "-m", "innocent"]];
    for message in runs {
        let run = publisher(&broker, &store, message);
        let mut connection = broker.accept(false);
        assert!(closes_over_qos_2(&mut connection), "{message:?}");
        let ended = close_and_end(&broker, connection, run);
        assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    }
    // The third close, in a run of its own; after it this one goes on, and nothing closes any more.
    let run = publisher(&broker, &store, &[]);
    let mut connection = broker.accept(false);
    assert!(closes_over_qos_2(&mut connection));
    drop(connection);
    assert_eq!(broker.accept(false).serve(), ["innocent"]);
    let ended = run.finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the broker closed 3 connections on which it was sent"),
        "{}",
        ended.stderr
    );
    // With nothing left a run may end before it has a connection.
    let last = publisher(&broker, &store, &[]).finish();
    assert_eq!((last.code, last.stderr.as_str()), (Some(0), ""), "nothing is left");
}
