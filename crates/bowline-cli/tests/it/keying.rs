//! `--key-by-line`: that an input which is given again and again, with kills in between, arrives once, line by line.

use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::{Process, until};
use crate::storing::{Delays, Folder, closed_port, counts};

fn input(lines: usize) -> String {
    (0..lines).map(|number| format!("line {number}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_given_again_after_each_kill_arrives_once_and_in_order() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("keyed");
    let store = folder.file("session");
    let lines = input(3_000);
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2", "-C", "3001", "-W", "58"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let options = ["-t", "t", "-q", "2", "-l", "--key-by-line", "--store", &store];
    let mut delays = Delays::new(3);
    let mut interrupted = 0;
    for round in 0..8 {
        let mut publisher = Process::client("pub", &broker, &options);
        publisher.input(lines.as_bytes());
        if round == 4 {
            // However slow the machine is, something is accepted now.
            until("a line", || broker.stats().messages_in > 0);
        }
        std::thread::sleep(delays.next(250));
        interrupted += usize::from(!publisher.has_ended());
        publisher.signal(Signal::KILL);
        publisher.wait_and_finish();
    }
    assert!(interrupted > 0, "the kills came too late to test anything");
    let last = Process::client("pub", &broker, &options).finish_with(lines.clone() + "end\n");
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert!(last.stderr.contains("lines that were accepted by an earlier run"), "{}", last.stderr);
    let got = subscriber.finish().successful();
    let expected = lines.clone() + "end\n";
    let expected: Vec<&str> = expected.lines().collect();
    let got = String::from_utf8(got).unwrap();
    assert!(got.lines().eq(expected), "{:?}", counts(got.as_bytes()).iter().find(|(_, count)| **count > 1));
    let before = broker.stats().messages_in;
    Process::client("pub", &broker, &options).finish_with(lines + "end\n").successful();
    assert_eq!(broker.stats().messages_in, before, "all was accepted before");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_has_changed_is_refused_and_nothing_of_it_is_sent() {
    let folder = Folder::new("keyed-changed");
    let store = folder.file("session");
    let port = closed_port();
    let run = |input: &str, name: &str| {
        let options = ["pub", "-h", "127.0.0.1", "-p", &port, "--wait", "0", "-t", "t", "-q", "2", "-l"];
        Process::bowline([&options[..], &["--store", &store, name]].concat()).finish_with(input)
    };
    assert_eq!(run("one\ntwo\nthree\n", "--key-by-line").code, Some(75));
    for changed in ["one\nTWO\nthree\nfour\n", "one\ntwo\n", "zero\none\ntwo\nthree\n"] {
        let ended = run(changed, "--key-by-line");
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("the input is not what was accepted by an earlier run"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("\nbowline pub: 3 messages wait in "), "{}", ended.stderr);
    }
    let elsewhere =
        ["pub", "-h", "127.0.0.1", "-p", &port, "--wait", "0", "-t", "elsewhere", "-q", "2", "-l"];
    let elsewhere = Process::bowline([&elsewhere[..], &["--store", &store, "--key-by-line"]].concat());
    let elsewhere = elsewhere.finish_with("one\ntwo\nthree\n");
    assert_eq!(elsewhere.code, Some(1), "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("or its topic, are others"), "{}", elsewhere.stderr);
    let other = run("other\n", "--key-by-line=other");
    assert!(other.stderr.contains("4 messages wait in "), "{}", other.stderr);
    let grown = run("one\ntwo\nthree\nfour\nfive\n", "--key-by-line");
    assert!(grown.stderr.contains("skipping 3 lines"), "{}", grown.stderr);
    assert!(grown.stderr.contains("6 messages wait in "), "{}", grown.stderr);

    let broker = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2", "-C", "6", "-W", "30"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    Process::client("pub", &broker, &["--store", &store]).finish().successful();
    assert_eq!(subscriber.finish().successful(), b"one\ntwo\nthree\nother\nfour\nfive\n");
    broker.assert_no_violations();
}

/// A producer that is killed leaves a piece of a line, which cannot be told from a last line without a newline.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_line_without_a_newline_is_sent_and_with_keys_said_to_be() {
    let broker = Broker::builder().start().await.unwrap();
    let folder = Folder::new("keyed-cut");
    let store = folder.file("session");
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2", "-C", "4", "-W", "50"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    Process::client("pub", &broker, &["-t", "t", "-q", "2", "-l"]).finish_with("one\ncut").successful();
    let keyed = ["-t", "t", "-q", "2", "-l", "--key-by-line", "--store", &store];
    let ended = Process::client("pub", &broker, &keyed).finish_with("one\ncut");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = "the input ends within line 2, without a newline: what is there of it was sent";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(subscriber.finish().successful(), b"one\ncut\none\ncut\n");
    // The same input again, whole now: that the line is another one is said with what may have happened.
    let again = Process::client("pub", &broker, &keyed).finish_with("one\ncut off\n");
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("or line 2 had no newline then and has gone on since"), "{}", again.stderr);
    let whole = Process::client("pub", &broker, &keyed).finish_with("one\ncut\n");
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    broker.assert_no_violations();
}

/// The disk is full in the midst of the input: the files of the program must not grow beyond a limit.
#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_fails_no_line_is_accepted_behind_one_that_was_not_and_the_next_run_has_all_arrive_once()
 {
    let folder = Folder::new("keyed-full");
    let store = folder.file("session");
    let lines: String = (0..5_000).map(|number| format!("{number:01000}\n")).collect();
    let port = closed_port();
    let shell = "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\"";
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", shell, env!("CARGO_BIN_EXE_bowline"), "pub", "-h", "127.0.0.1", "-p", &port]);
    limited.args(["--wait", "0", "-t", "t", "-q", "2", "-l", "--key-by-line", "--store", &store]);
    let ended = Process::start(&mut limited).finish_with(lines.clone());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("was not accepted, and none behind it: run it again"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no room is left"), "it says what to do: {}", ended.stderr);
    let number = |text: &str| text.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
    let (before, _) = ended.stderr.split_once(" was not accepted").unwrap();
    let refused = number(before).unwrap();
    assert!((2..5_000).contains(&refused), "the limit is too small or too large: {refused}");

    let broker = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &broker, &["-t", "t", "-q", "2", "-C", "5000", "-W", "50"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    let again = ["-t", "t", "-q", "2", "-l", "--key-by-line", "--store", &store];
    let again = Process::client("pub", &broker, &again).finish_with(lines.clone());
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains(&format!("skipping {} lines", refused - 1)), "{}", again.stderr);
    assert!(subscriber.finish().successful() == lines.as_bytes(), "each once, in order");
    broker.assert_no_violations();
}
