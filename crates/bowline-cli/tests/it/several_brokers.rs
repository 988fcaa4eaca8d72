//! `--also`: going on at another broker.

use bowline_broker::Broker;

use crate::process::{Process, bowline, until};

fn url(broker: &Broker) -> String {
    format!("mqtt://{}", broker.address().expect("the broker listens on TCP"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_goes_on_at_the_next_broker_when_the_first_is_lost() {
    let first = Broker::builder().start().await.unwrap();
    let second = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &second, &["-t", "t", "-q", "2", "-C", "1", "-W", "50"]);
    until("subscribing", || second.stats().subscriptions == 1);
    let also = url(&second);
    let arguments = ["-t", "t", "-q", "2", "-l", "-d", "--independent", "--also", &also];
    let mut publisher = Process::client("pub", &first, &arguments);
    publisher.input(b"of the first\n");
    publisher.until_stderr("<== PUBCOMP");
    first.shut_down().await;
    publisher.input(b"of the second\n");
    assert_eq!(subscriber.finish().successful(), b"of the second\n");
    publisher.finish().successful();
    second.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_that_runs_is_found_in_any_order() {
    let gone = Broker::builder().start().await.unwrap();
    let running = Broker::builder().start().await.unwrap();
    gone.shut_down().await;
    for round in 1..=4 {
        let also = url(&running);
        let arguments = ["-t", "t", "-q", "1", "-m", "x", "--any-order", "--also", &also];
        Process::client("pub", &gone, &arguments).finish().successful();
        assert_eq!(running.stats().messages_in, round);
    }
    running.assert_no_violations();
}

#[test]
fn another_broker_with_credentials_or_a_wrong_url_is_a_usage_error_that_shows_neither() {
    for url in ["mqtt://user:secret@host", "gopher://secret", "mqtt://user:sec/ret@host"] {
        let ended = Process::start(&mut bowline(["pub", "-t", "t", "-m", "x", "--also", url])).finish();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("--also") && !ended.stderr.contains("sec"), "{}", ended.stderr);
    }
    for alone in ["--any-order", "--independent"] {
        let ended = Process::start(&mut bowline(["pub", "-t", "t", "-m", "x", alone])).finish();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }
}
