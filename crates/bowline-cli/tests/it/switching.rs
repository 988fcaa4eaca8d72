//! Options that people who come from Mosquitto's programs have in their scripts.

use bowline_broker::{Broker, BrokerEvent};

use crate::process::{Process, until};

fn subscriber(broker: &Broker, count: &str) -> Process {
    let subscriber = Process::client("sub", broker, &["-t", "t", "-q", "1", "-W", "50", "-C", count]);
    until("subscribing", || broker.stats().subscriptions == 1);
    subscriber
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_as_often_as_is_wanted_and_with_the_delay_that_is_wanted() {
    let broker = Broker::builder().start().await.unwrap();
    let wanted = subscriber(&broker, "5");
    Process::client("pub", &broker, &["-t", "t", "-q", "1", "-m", "x", "--repeat", "2"])
        .finish()
        .successful();
    let started = std::time::Instant::now();
    let slowly = ["-t", "t", "-s", "--repeat", "3", "--repeat-delay", "0.3"];
    Process::client("pub", &broker, &slowly).finish_with("y").successful();
    assert!(started.elapsed() >= std::time::Duration::from_millis(600), "{:?}", started.elapsed());
    assert_eq!(wanted.finish().successful(), b"x\nx\ny\ny\ny\n");
    for wrong in
        [&["-l", "--repeat", "2"][..], &["-m", "x", "--repeat", "0"], &["-m", "x", "--repeat-delay", "-1"]]
    {
        let ended = Process::client("pub", &broker, &[&["-t", "t"], wrong].concat()).finish();
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.stderr);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_refused_are_counted_as_messages() {
    let broker = Broker::builder().configure(|config| config.retain_available = false).start().await.unwrap();
    let options = ["-t", "t", "-q", "1", "-r", "-m", "x", "--repeat", "3"];
    let ended = Process::client("pub", &broker, &options).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let told = "3 of 3 messages were not acknowledged, the first is message 1";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_identifier_begins_as_is_wanted_and_the_local_address_is_the_one_that_was_given() {
    let broker = Broker::builder().start().await.unwrap();
    let mut events = broker.events();
    let options = ["-t", "t", "-m", "x", "-I", "meter-", "-A", "127.0.0.1", "--nodelay"];
    let publisher = Process::client("pub", &broker, &options);
    let id = publisher.id();
    publisher.finish().successful();
    let Some(BrokerEvent::Connected { client_id, .. }) = events.next().await else { panic!("it connects") };
    assert_eq!(client_id.as_str(), format!("meter-{id}"));
    // An address that this machine does not have.
    let elsewhere = Process::client("pub", &broker, &["-t", "t", "-m", "x", "-A", "192.0.2.1"]).finish();
    assert_eq!(elsewhere.code, Some(1), "{}", elsewhere.stderr);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn minus_one_keeps_a_session_for_ever() {
    let broker = Broker::builder().start().await.unwrap();
    for (id, never) in [("a", "-1"), ("b", "4294967295")] {
        let options = ["-t", "t", "-E", "-i", id, "-x", never];
        Process::client("sub", &broker, &options).finish().successful();
    }
    until("leaving", || broker.stats().connections == 0);
    assert_eq!(broker.stats().sessions, 2);
    let wrong = Process::client("sub", &broker, &["-t", "t", "-i", "c", "-x", "-2"]).finish();
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

#[test]
fn a_quiet_program_tells_its_end_by_the_exit_code_alone() {
    let port = crate::storing::closed_port();
    let options = ["pub", "-h", "127.0.0.1", "-p", &port, "-t", "t", "-m", "x"];
    for (quiet, is_silent) in [(&["--quiet"][..], true), (&[], false)] {
        let ended = Process::bowline(options.iter().chain(quiet)).finish();
        assert_eq!((ended.code, ended.stderr.is_empty()), (Some(1), is_silent), "{}", ended.stderr);
    }
}
