//! `bowline pub`: where payloads come from, and that all of them arrive.

use bowline::ReasonCode;
use bowline_broker::Broker;

use crate::process::{Ended, Process, until};

pub(crate) const VERSIONS: [&str; 3] = ["31", "311", "5"];
/// Bytes of every value, newlines among them.
pub(crate) fn binary(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 256) as u8).collect()
}

/// What a subscriber of the program gets that waits for `count` messages.
fn published(broker: &Broker, count: usize, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let count = count.to_string();
    let subscriber =
        Process::client("sub", broker, &["-t", "t/#", "-q", "2", "-C", &count, "-W", "50", "-N"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    Process::client("pub", broker, arguments).finish_with(input).successful();
    let got = subscriber.finish().successful();
    until("leaving", || broker.stats().sessions == 0);
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_comes_from_the_command_line_a_file_or_stdin_in_every_version() {
    let broker = Broker::builder().start().await.unwrap();
    let payload = binary(100_000);
    let file = std::env::temp_dir().join(format!("bowline-cli-payload-{}", std::process::id()));
    std::fs::write(&file, &payload).unwrap();
    let path = file.to_str().unwrap();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let with = |source: &[&'static str]| [&["-V", version, "-q", qos, "-t", "t/a"], source].concat();
            assert_eq!(published(&broker, 1, &with(&["-m", "-1 is text"]), vec![]), b"-1 is text");
            assert_eq!(published(&broker, 1, &with(&["-n"]), vec![]), b"");
            assert_eq!(published(&broker, 1, &with(&["-s"]), payload.clone()), payload);
            let of_file = ["-V", version, "-q", qos, "-t", "t/a", "-f", path];
            assert_eq!(published(&broker, 1, &of_file, vec![]), payload);
            let lines = b"one\n\n\xff\x00\r\nlast".to_vec();
            assert_eq!(published(&broker, 4, &with(&["-l"]), lines), b"one\xff\x00\rlast");
        }
    }
    std::fs::remove_file(file).unwrap();
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_lines_of_qos_2_come_out_as_they_went_in() {
    let broker = Broker::builder().start().await.unwrap();
    let sent: String = (0..20_000).map(|number| format!("{number},{}\n", "x".repeat(number % 90))).collect();
    for version in VERSIONS {
        let to = ["-V", version, "-t", "lines", "-q", "2", "-C", "20000", "-W", "55"];
        let subscriber = Process::client("sub", &broker, &to);
        until("subscribing", || broker.stats().subscriptions == 1);
        let from = ["-V", version, "-t", "lines", "-q", "2", "-l"];
        Process::client("pub", &broker, &from).finish_with(sent.clone()).successful();
        assert!(subscriber.finish().successful() == sent.as_bytes(), "{version}");
        until("leaving", || broker.stats().sessions == 0);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_messages_pass_through_queue_and_stream() {
    let broker = Broker::builder()
        .configure(|config| {
            config.queue.bytes_max = 128 << 20;
            config.connection.packet_bytes_max = 128 << 20;
        })
        .start()
        .await
        .unwrap();
    let payload = binary(80 << 20);
    let got = published(&broker, 1, &["-t", "t/a", "-q", "1", "-s"], payload.clone());
    assert!(got == payload);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_message_is_kept_and_a_null_message_clears_it() {
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.address().unwrap();
    let url = format!("mqtt://{address}/state/lamp");
    Process::bowline(["pub", &url, "-r", "-q", "1", "-m", "on"]).finish().successful();
    let got = Process::bowline(["sub", &url, "-C", "1", "-W", "20", "-v"]).finish().successful();
    assert_eq!(got, b"state/lamp on\n");
    Process::bowline(["pub", "-L", &url, "-r", "-q", "1", "-n"]).finish().successful();
    let Ended { code, stdout, .. } = Process::bowline(["sub", &url, "-C", "1", "-W", "1"]).finish();
    assert_eq!((code, stdout), (Some(27), vec![]));
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_not_acknowledged_are_counted_and_named() {
    let broker =
        Broker::builder().configure(|config| config.connection.packet_bytes_max = 300).start().await.unwrap();
    let input = format!("one\n{}\nthree\n{}\n", "x".repeat(400), "y".repeat(500));
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "1", "-C", "2", "-W", "20"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let ended = Process::client("pub", &broker, &["-t", "t", "-q", "1", "-l"]).finish_with(input);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("line 2 was not acknowledged: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("line 4 was not acknowledged: "), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 of 4 lines were not acknowledged, the first is line 2"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("xxx"), "{}", ended.stderr);
    assert_eq!(subscriber.finish().successful(), b"one\nthree\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_over_for_good_ends_a_publisher_that_waits_for_input() {
    let broker = Broker::builder().start().await.unwrap();
    let from = ["-t", "t", "-q", "1", "-l", "-i", "writer"];
    let mut publisher = Process::client("pub", &broker, &from);
    publisher.input(b"one\n");
    until("publishing", || broker.stats().messages_in == 1);
    assert!(broker.disconnect_client("writer", ReasonCode::SessionTakenOver).unwrap());
    publisher.until_stderr("session taken over");
    until("the end", || publisher.has_ended());
    assert_eq!(publisher.finish().code, Some(1));
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_is_sent_again_after_the_connection_was_lost() {
    let broker = Broker::builder().start().await.unwrap();
    let keeper = ["-t", "t", "-q", "2", "-C", "3", "-W", "50"];
    let subscriber = Process::client("sub", &broker, &keeper);
    until("subscribing", || broker.stats().subscriptions == 1);
    let from = ["-t", "t", "-q", "2", "-l", "-c", "-i", "writer"];
    let mut publisher = Process::client("pub", &broker, &from);
    publisher.input(b"one\n");
    subscriber.until_stdout(b"one\n");
    assert!(broker.kill_connection("writer"));
    publisher.until_stderr("connection lost: ");
    publisher.input(b"two\nthree");
    publisher.until_stderr("connected again");
    let ended = publisher.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(subscriber.finish().successful(), b"one\ntwo\nthree\n");
    broker.assert_no_violations();
}
