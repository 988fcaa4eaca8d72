//! `bowline sub`: what is written to stdout, and what is acknowledged.

use bowline::proto::types::Message;
use bowline::{QoS, TopicName};
use bowline_broker::Broker;
use bowline_testkit::ports::free_address;

use crate::process::{Process, until};
use crate::publishing::{VERSIONS, binary};

fn message(topic: &str, payload: impl Into<Vec<u8>>) -> Message {
    let topic = TopicName::try_from(topic).expect("it is a topic");
    Message::new(topic, payload.into()).with_qos(QoS::ExactlyOnce)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_filters_are_one_stream_and_verbose_names_topics() {
    let broker = Broker::builder().start().await.unwrap();
    for version in VERSIONS {
        let arguments = ["-V", version, "-t", "a/#", "-t", "b", "-q", "2", "-C", "3", "-W", "30", "-v"];
        let subscriber = Process::client("sub", &broker, &arguments);
        until("subscribing", || broker.stats().subscriptions == 2);
        for (topic, payload) in [("a/1", &b"one"[..]), ("c", b"not for us"), ("b", b""), ("a", b"\xff\n\0")] {
            broker.publish(&message(topic, payload));
        }
        assert_eq!(subscriber.finish().successful(), b"a/1 one\nb \na \xff\n\0\n", "{version}");
        until("leaving", || broker.stats().sessions == 0);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_written_when_it_arrives_and_every_byte_of_it() {
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.address().unwrap();
    let subscriber = Process::bowline(["sub", &format!("mqtt://{address}/a/#"), "-N"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let mut all = Vec::new();
    for length in [1, 0, 300, 70_000, 1_000_000] {
        broker.publish(&message("a", binary(length)));
        all.extend(binary(length));
        subscriber.until_stdout(&all);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_goes_on_with_the_first_message_that_was_not_written() {
    let broker = Broker::builder().start().await.unwrap();
    for version in VERSIONS {
        let with = |count: &'static str| {
            ["-V", version, "-t", "a", "-q", "2", "-c", "-i", version, "-C", count, "-W", "30"]
        };
        let first = Process::client("sub", &broker, &with("1"));
        until("subscribing", || broker.stats().subscriptions == 1);
        for payload in ["one", "two", "three", "four"] {
            broker.publish(&message("a", payload));
        }
        assert_eq!(first.finish().successful(), b"one\n", "{version}");
        let second = Process::client("sub", &broker, &with("2")).finish();
        assert_eq!(second.successful(), b"two\nthree\n", "{version}");
        broker.publish(&message("a", "five"));
        let third = Process::client("sub", &broker, &with("2")).finish();
        assert_eq!(third.successful(), b"four\nfive\n", "{version}");
        // Without -c the session ends.
        let clean = ["-V", version, "-t", "b", "-i", version, "-C", "1", "-W", "30"];
        let last = Process::client("sub", &broker, &clean);
        until("subscribing", || broker.stats().clients == 1 && broker.stats().subscriptions == 1);
        broker.publish(&message("b", "end"));
        assert_eq!(last.finish().successful(), b"end\n");
        until("leaving", || broker.stats().sessions == 0);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_told() {
    let broker = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &broker, &["-t", "a", "-q", "1", "-i", "reader", "-C", "2"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    broker.publish(&message("a", "before"));
    subscriber.until_stdout(b"before\n");
    assert!(broker.kill_connection("reader"));
    subscriber.until_stderr("bowline sub: connection lost: ");
    subscriber.until_stderr("bowline sub: connected again");
    until("subscribing", || broker.stats().subscriptions == 1);
    broker.publish(&message("a", "after"));
    assert_eq!(subscriber.finish().successful(), b"before\nafter\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_published_when_the_program_is_killed_and_not_when_it_ends() {
    let broker = Broker::builder().start().await.unwrap();
    let watcher = Process::client("sub", &broker, &["-t", "will", "-q", "2", "-C", "1", "-W", "30"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let will =
        ["-t", "x", "--will-topic", "will", "--will-payload", "gone", "--will-qos", "2", "--will-retain"];
    let ends = Process::client("sub", &broker, &[&will[..], &["-W", "1"]].concat());
    assert_eq!(ends.finish().code, Some(27));
    assert_eq!(broker.stats().retained, 0);
    let dies = Process::client("sub", &broker, &will);
    until("subscribing", || broker.stats().subscriptions == 2);
    drop(dies);
    assert_eq!(watcher.finish().successful(), b"gone\n");
    assert_eq!(broker.stats().retained, 1);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_that_the_broker_has_lost_is_told() {
    let address = free_address();
    let broker = Broker::builder().listen(address).start().await.expect("the port is free");
    let subscriber = Process::client("sub", &broker, &["-t", "a", "-q", "1", "-c", "-i", "reader", "-d"]);
    subscriber.until_stderr("<== SUBACK");
    broker.shut_down().await;
    drop(broker);
    let _another = Broker::builder().listen(address).start().await.expect("the port is free again");
    subscriber.until_stderr("bowline sub: the broker has lost the session");
}
