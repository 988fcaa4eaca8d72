//! `bowline store inspect`: that it says what is there, and changes nothing.

use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::{Process, until};
use crate::storing::{Folder, closed_port};

fn inspect(store: &str) -> String {
    let json = Process::bowline(["store", "inspect", "--json", store]).finish().successful();
    String::from_utf8(json).expect("JSON is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_who_the_client_is_are_told_and_the_file_stays_as_it_is() {
    let folder = Folder::new("inspect");
    let store = folder.file("session");
    let port = closed_port();
    let options = ["pub", "-h", "127.0.0.1", "-p", &port, "--wait", "0", "--store", &store];
    let ended =
        Process::bowline([&options[..], &["-t", "a/\"b", "-q", "1", "-l"]].concat()).finish_with("12345\n\n");
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    let before = std::fs::read(&store).unwrap();
    let json = inspect(&store);
    assert!(json.contains(r#""waiting":{"messages":2,"bytes":13,"oldest":{"publication":1,"topic":"a/\"b","qos":1,"retain":false,"payload_bytes":5,"#), "{json}");
    assert!(json.contains(r#""identity":null"#) && json.contains(r#""in_flight":[]"#), "{json}");
    let text =
        String::from_utf8(Process::bowline(["store", "inspect", &store]).finish().successful()).unwrap();
    assert!(text.contains("\n2 messages wait, 13 bytes\n"), "{text}");
    assert!(!text.contains("12345") && !json.contains("12345"));
    assert!(std::fs::read(&store).unwrap() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_in_use_or_not_there_is_said_to_be_and_after_a_kill_it_is_told_what_it_has() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("inspect-killed");
    let store = folder.file("session");
    let missing = Process::bowline(["store", "inspect", &store]).finish();
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("does not exist"), "{}", missing.stderr);
    let subscriber =
        Process::client("sub", &broker, &["-t", "a/#", "-q", "2", "-i", "reader", "--store", &store]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let used = Process::bowline(["store", "inspect", &store]).finish();
    assert_eq!(used.code, Some(1));
    assert!(used.stderr.contains("is in use"), "{}", used.stderr);
    subscriber.signal(Signal::KILL);
    subscriber.wait_and_finish();
    let before = std::fs::read(&store).unwrap();
    let json = inspect(&store);
    assert!(json.contains(r#""identity":{"client_id":"reader","version":"5.0","session_expiry_secs":4294967295,"holder":null}"#), "{json}");
    assert!(json.contains(r#""subscriptions":[{"filter":"a/#","qos":2,"#), "{json}");
    assert!(std::fs::read(&store).unwrap() == before);
}
