//! `bowline sub`: what is left out, and how the rest is written.

use bowline::proto::types::Message;
use bowline_broker::Broker;

use crate::process::{Ended, Process, until};

/// A broker that keeps `a one` and `b/c two`.
async fn keeping() -> Broker {
    let broker = Broker::builder().start().await.expect("it starts");
    for (topic, payload) in [("a", "one"), ("b/c", "two")] {
        broker.publish(&Message::new(topic.try_into().expect("a legal topic"), payload).with_retain(true));
    }
    broker
}

fn publish(broker: &Broker, arguments: &[&str]) {
    Process::client("pub", broker, &[&["-q", "1"], arguments].concat()).finish().successful();
}

/// A subscriber to everything that ends when it has this many messages.
fn subscriber(broker: &Broker, count: &str, arguments: &[&str]) -> Process {
    let own = ["-t", "#", "-q", "1", "-W", "50", "-C", count];
    let subscriber = Process::client("sub", broker, &[&own[..], arguments].concat());
    until("subscribing", || broker.stats().subscriptions == 1);
    subscriber
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_kept_messages_can_be_left_out_and_do_not_count() {
    let broker = keeping().await;
    let subscriber = subscriber(&broker, "1", &["-v", "-R", "-T", "a", "-T", "b/#"]);
    for topic in ["a", "b/c", "b", "d"] {
        publish(&broker, &["-t", topic, "-m", "new"]);
    }
    assert_eq!(subscriber.finish().successful(), b"d new\n");
    broker.assert_no_violations();
}

/// What is left out would come again if it were not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_acknowledged() {
    let broker = Broker::builder().start().await.expect("it starts");
    let kept = ["-c", "-i", "reader", "-T", "out"];
    let first = subscriber(&broker, "1", &kept);
    publish(&broker, &["-t", "out", "-m", "x"]);
    publish(&broker, &["-t", "in", "-m", "one"]);
    assert_eq!(first.finish().successful(), b"one\n");
    until("leaving", || broker.stats().connections == 0);
    publish(&broker, &["-t", "in", "-m", "two"]);
    let second =
        Process::client("sub", &broker, &["-t", "#", "-q", "1", "-c", "-i", "reader", "-C", "1", "-v"]);
    assert_eq!(second.finish().successful(), b"in two\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_messages_alone_are_written_until_another_comes() {
    let broker = keeping().await;
    let subscriber = Process::client("sub", &broker, &["-t", "#", "-v", "--retained-only", "-W", "50"]);
    subscriber.until_stdout(b"a one\nb/c two\n");
    publish(&broker, &["-t", "a", "-m", "new"]);
    assert_eq!(subscriber.finish().successful(), b"a one\nb/c two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_can_be_left_at_the_broker_at_once() {
    let broker = keeping().await;
    let ended = Process::client("sub", &broker, &["-t", "#", "-q", "1", "-c", "-i", "reader", "-E"]).finish();
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b""[..]), "{}", ended.stderr);
    publish(&broker, &["-t", "x", "-m", "later"]);
    let wanted = ["-t", "#", "-q", "1", "-c", "-i", "reader", "-C", "1", "-W", "50", "-R"];
    assert_eq!(Process::client("sub", &broker, &wanted).finish().successful(), b"later\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_written_in_the_format_that_was_given() {
    let broker = keeping().await;
    let formatted = |format: &str, more: &[&str]| -> Ended {
        let own = ["-t", "b/+", "-C", "1", "-W", "50", "-F", format];
        Process::client("sub", &broker, &[&own[..], more].concat()).finish()
    };
    let all = formatted("%t|%p|%x|%X|%q|%r|%m|%l|%%|\\t|%C%D%E%F%P%R", &[]);
    assert_eq!(all.successful(), b"b/c|two|74776f|74776F|0|1|0|3|%|\t|\n");
    assert_eq!(formatted("%p.", &["-N"]).successful(), b"two.");
    let json = String::from_utf8(formatted("%j", &[]).successful()).unwrap();
    let rest = r#"Z+0000","topic":"b/c","qos":0,"retain":1,"payloadlen":3,"payload":"two"}"#;
    assert!(json.starts_with(r#"{"tst":"20"#) && json.trim_end().ends_with(rest), "{json}");
    let wrong = formatted("%J", &[]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("there is no %J"), "{}", wrong.stderr);
    broker.assert_no_violations();
}
