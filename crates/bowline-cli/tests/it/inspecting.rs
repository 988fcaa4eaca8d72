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
    assert!(text.contains("\n2 messages wait to be sent (13 bytes with their topics)\n"), "{text}");
    let what = format!("\n`bowline pub --store {store}` delivers them, with the options for the connection");
    assert!(text.contains(&what), "{text}");
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
    let what = "does not exist: name the file that `pub --store` or `sub --store` was given";
    assert!(missing.stderr.contains(what), "{}", missing.stderr);
    let subscriber =
        Process::client("sub", &broker, &["-t", "a/#", "-q", "2", "-i", "reader", "--store", &store]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let used = Process::bowline(["store", "inspect", &store]).finish();
    assert_eq!(used.code, Some(1));
    let what = "is in use by a program that runs: look again when it has ended";
    assert!(used.stderr.contains(what), "{}", used.stderr);
    subscriber.signal(Signal::KILL);
    subscriber.wait_and_finish();
    let before = std::fs::read(&store).unwrap();
    let json = inspect(&store);
    assert!(json.contains(r#""identity":{"client_id":"reader","version":"5.0","session_expiry_secs":4294967295,"holder":null}"#), "{json}");
    assert!(json.contains(r#""subscriptions":[{"filter":"a/#","qos":2,"#), "{json}");
    assert!(std::fs::read(&store).unwrap() == before);
}

#[test]
fn what_cannot_be_looked_into_is_told_with_what_to_do_and_left_alone() {
    let folder = Folder::new("inspect-wrong");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.file(name), bytes).unwrap();
        folder.file(name)
    };
    let store = folder.file("session");
    let options = ["pub", "-h", "127.0.0.1", "-p", &closed_port(), "--wait", "0", "--store", &store];
    Process::bowline([&options[..], &["-t", "a", "-q", "1", "-m", "x"]].concat()).finish();
    let half = std::fs::read(&store).unwrap();
    let cases = [
        (
            write("text", b"a text that is no store"),
            "is not a session's file: name the one that `pub --store`",
        ),
        (
            write("half", &half[..half.len() / 2]),
            "is damaged, and was left as it is: if there is a copy, put it",
        ),
        (write("empty", b""), "the next run with --store sets this one aside and says so"),
        (folder.file("."), "is a directory: name the file in it"),
        (folder.file("missing/session"), "does not exist: name the file that"),
    ];
    for (path, what) in cases {
        let before = std::fs::read(&path).ok();
        let ended = Process::bowline(["store", "inspect", &path]).finish();
        assert_eq!(ended.code, Some(1), "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains(what), "{path}: {}", ended.stderr);
        assert!(std::fs::read(&path).ok() == before, "{path}");
    }
}
