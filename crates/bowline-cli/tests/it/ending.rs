//! How the program ends: exit codes, signals, and a reader that goes away.

use std::process::Stdio;

use bowline::ReasonCode;
use bowline::proto::types::Message;
use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::{Process, bowline, client_arguments, until};
use crate::storing::closed_port;

async fn with_login() -> Broker {
    let decide = |login: bowline_broker::Login<'_>| match login.password {
        Some(b"right") => Ok(()),
        _ => Err(ReasonCode::BadUserNameOrPassword),
    };
    Broker::builder().authenticate(decide).start().await.expect("a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_ends_with_the_code_of_connack() {
    let broker = with_login().await;
    for (version, code) in [("31", 4), ("311", 4), ("5", 134)] {
        for command in [&["pub", "-m", "x"][..], &["sub"]] {
            let arguments = [&command[1..], &["-V", version, "-t", "a", "-u", "u", "-P", "wrong"]].concat();
            let ended = Process::client(command[0], &broker, &arguments).finish();
            assert_eq!(ended.code, Some(code), "{command:?} {version}: {}", ended.stderr);
            assert!(ended.stderr.contains("refused the connection"), "{}", ended.stderr);
        }
    }
    broker.assert_no_violations();
}

#[test]
fn no_broker_is_an_error_and_no_reason_to_try_again() {
    let port = closed_port();
    for command in [&["pub", "-m", "x"][..], &["pub", "-l"], &["sub"]] {
        let arguments = [command, &["-h", "127.0.0.1", "-p", &port, "-t", "a"]].concat();
        let ended = Process::bowline(arguments).finish();
        assert_eq!(ended.code, Some(1), "{command:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(&port), "{}", ended.stderr);
    }
}

#[test]
fn wrong_usage_ends_with_2_before_anything_is_connected() {
    let wrong: [&[&str]; 14] = [
        &["pub", "-t", "a"],
        &["pub", "-t", "a", "-m", "x", "-n"],
        &["pub", "-m", "x"],
        &["pub", "-t", "a", "-m", "x", "mqtt://host/b"],
        &["pub", "-t", "a", "-m", "x", "mqtt://host", "-h", "host"],
        &["sub"],
        &["pub", "-t", "a/#", "-m", "x"],
        &["sub", "-t", "a#"],
        &["sub", "-t", ""],
        &["sub", "-t", "a", "-q", "3"],
        &["sub", "-t", "a", "-V", "4"],
        &["sub", "-t", "a", "-c"],
        &["sub", "-t", "a", "-V", "311", "-x", "7"],
        &["sub", "-t", "a", "-V", "auto", "-x", "7"],
    ];
    for arguments in wrong {
        let ended = Process::bowline(arguments).finish();
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_subscription_is_an_error_and_one_of_several_is_told() {
    let broker =
        Broker::builder().configure(|config| config.wildcard_subscriptions = false).start().await.unwrap();
    let ended = Process::client("sub", &broker, &["-V", "311", "-t", "a/#", "-W", "20"]).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the broker refused a/#"), "{}", ended.stderr);
    let subscriber =
        Process::client("sub", &broker, &["-V", "311", "-t", "a/#", "-t", "b", "-C", "1", "-W", "20"]);
    subscriber.until_stderr("the broker refused a/#");
    broker.publish(&Message::new("b".try_into().unwrap(), "one"));
    assert_eq!(subscriber.finish().successful(), b"one\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_stderr_is_closed_goes_on() {
    let broker = Broker::builder().start().await.unwrap();
    let mut command =
        bowline(client_arguments("sub", &broker, &["-t", "a", "-C", "1", "-d", "-i", "reader"]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    until("subscribing", || broker.stats().subscriptions == 1);
    broker.kill_connection("reader");
    until("leaving", || broker.stats().subscriptions == 0);
    until("subscribing again", || broker.stats().subscriptions == 1);
    broker.publish(&Message::new("a".try_into().unwrap(), "one"));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"one\n"[..]));
    // The last words are no reason for another exit code.
    let mut command = bowline(client_arguments("sub", &broker, &["-t", "a", "-W", "1"]));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(27));
    broker.assert_no_violations();
}

#[test]
fn help_is_on_stdout_and_names_exit_codes_and_signals() {
    for command in ["pub", "sub"] {
        let help = String::from_utf8(Process::bowline([command, "--help"]).finish().successful()).unwrap();
        // Where lines are broken depends on the terminal.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in ["Exit codes", "Examples", "SIGUSR1", "--protocol-version", "list of processes"] {
            assert!(help.contains(word), "{command}: {word}:\n{help}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_with_27_whatever_arrived() {
    let broker = Broker::builder().start().await.unwrap();
    let subscriber = Process::client("sub", &broker, &["-t", "a", "-C", "2", "-W", "2"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    broker.publish(&Message::new("a".try_into().unwrap(), "one"));
    let ended = subscriber.finish();
    assert_eq!((ended.code, &ended.stdout[..]), (Some(27), &b"one\n"[..]));
    assert!(ended.stderr.contains("timed out after 2 s"), "{}", ended.stderr);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_a_subscriber_with_a_disconnect() {
    let broker = Broker::builder().start().await.unwrap();
    let cases: [(Signal, &[&str], i32); 4] = [
        (Signal::INT, &[], 0),
        (Signal::TERM, &[], 0),
        (Signal::INT, &["-C", "1"], 130),
        (Signal::TERM, &["-C", "1"], 143),
    ];
    for (signal, extra, code) in cases {
        let will = ["-t", "a", "--will-topic", "will", "--will-retain", "--will-payload", "lost"];
        let subscriber = Process::client("sub", &broker, &[&will[..], extra].concat());
        until("subscribing", || broker.stats().subscriptions == 1);
        subscriber.signal(signal);
        let ended = subscriber.finish();
        assert_eq!(ended.code, Some(code), "{signal:?} {extra:?}: {}", ended.stderr);
        until("leaving", || broker.stats().sessions == 0);
    }
    // The will is not published after a DISCONNECT.
    assert_eq!(broker.stats().retained, 0);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_interrupted_says_how_many_are_not_acknowledged() {
    // It accepts nobody's second message: the network is a listener that answers CONNECT and nothing else.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
        stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        received
    });
    let arguments = ["pub", "-V", "311", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-q", "1", "-l", "-d"];
    let mut publisher = Process::bowline(arguments);
    publisher.input(b"one\ntwo\nthree\n");
    publisher.until("three PUBLISH", |stderr| stderr.matches("==> PUBLISH").count() == 3);
    publisher.signal(Signal::INT);
    publisher.until_stderr("interrupted: 3 of 3 messages are not acknowledged");
    let received = answering.await.unwrap();
    assert!(received.ends_with(&[0xE0, 0]), "it ends with DISCONNECT: {received:?}");
    assert_eq!(publisher.finish().code, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    // The peer accepts and says nothing; stdin stays open.
    let broker = Broker::builder().start().await.unwrap();
    let mut arguments = client_arguments("sub", &broker, &["-t", "a", "-q", "1"]);
    arguments.push("-d".to_owned());
    let mut command = bowline(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until("subscribing", || broker.stats().subscriptions == 1);
    // More than a pipe holds: the program waits for its reader.
    broker.publish(&Message::new("a".try_into().unwrap(), vec![b'x'; 1 << 20]));
    // It is at it when the first byte is there.
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    // Two signals of one kind could become one. Which of these it sees first is not said.
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    // After one it would wait for its reader a while, and end with 0.
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_a_subscriber_quietly_and_nothing_is_acknowledged() {
    let broker = Broker::builder().start().await.unwrap();
    let session = ["-t", "a", "-q", "1", "-c", "-i", "reader"];
    let mut command = bowline(client_arguments("sub", &broker, &session));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("subscribing", || broker.stats().subscriptions == 1);
    drop(child.stdout.take());
    let qos = bowline::QoS::AtLeastOnce;
    broker.publish(&Message::new("a".try_into().unwrap(), "lost?").with_qos(qos));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let again = [&session[..], &["-C", "1", "-W", "20"]].concat();
    assert_eq!(Process::client("sub", &broker, &again).finish().successful(), b"lost?\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_the_code_that_the_broker_has_sent() {
    let broker = Broker::builder().authenticate(|_| Err(ReasonCode::NotAuthorized)).start().await.unwrap();
    let cases = [
        ("31", "not authorized (return code 5)"),
        ("311", "not authorized (return code 5)"),
        ("5", "not authorized (0x87)"),
        ("auto", "not authorized (0x87; before 5.0: return code 5)"),
    ];
    for (version, text) in cases {
        for command in [&["pub", "-m", "x"][..], &["sub"]] {
            let arguments = [&command[1..], &["-V", version, "-t", "a"]].concat();
            let ended = Process::client(command[0], &broker, &arguments).finish();
            assert!(ended.stderr.contains(text), "{command:?} {version}: {}", ended.stderr);
        }
    }
    // 5.0 has reasons that no return code says.
    let busy = Broker::builder().authenticate(|_| Err(ReasonCode::QuotaExceeded)).start().await.unwrap();
    let ended = Process::client("pub", &busy, &["-V", "auto", "-t", "a", "-m", "x"]).finish();
    assert!(ended.stderr.contains("quota exceeded (0x97)"), "{}", ended.stderr);
}
