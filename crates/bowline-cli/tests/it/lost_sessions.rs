//! What `pub --store` says of messages that were on their way when the broker lost the session.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;

use bowline_broker::Broker;
use rustix::process::Signal;

use crate::process::Process;
use crate::storing::Folder;

/// More PUBLISH packets than a test waits for; another would hold up the thread that read it.
const PUBLISHES_MAX: usize = 64;

/// A broker of 3.1.1 that lets everybody in and answers nothing else; and what tells that a PUBLISH came.
fn silent() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it listens").port().to_string();
    let (came, publish) = mpsc::sync_channel(PUBLISHES_MAX);
    // It ends with the process of the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody connects");
            let mut bytes = [0; 4096];
            // CONNECT is one segment on this machine.
            assert!(stream.read(&mut bytes).expect("it sends CONNECT") > 0);
            stream.write_all(&[0x20, 2, 0, 0]).expect("it reads CONNACK");
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                if bytes[..count].iter().any(|byte| byte >> 4 == 3) {
                    _ = came.send(());
                }
            }
        }
    });
    (port, publish)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_whose_end_nobody_knows_are_told_by_exit_code_and_in_words() {
    let folder = Folder::new("session-lost");
    let store = folder.file("session");
    let (port, publish) = silent();
    let own = ["pub", "-h", "127.0.0.1", "-p", &port, "-V", "311", "--store", &store];
    let publisher = Process::bowline(own.iter().chain(&["-t", "t", "-q", "2", "-m", "x"]));
    publish.recv().expect("it publishes");
    publisher.signal(Signal::KILL);
    publisher.wait_and_finish();

    // Another broker, which has never heard of the session.
    let broker = Broker::builder().start().await.unwrap();
    let drain = ["-V", "311", "--store", &store];
    let ended = Process::client("pub", &broker, &drain).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let told = "of 1 message it is unknown whether it was delivered; it is not sent again, as with QoS 2 none \
                may arrive twice";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("Indeterminate") && !ended.stderr.contains("could not"),
        "{}",
        ended.stderr
    );
    assert_eq!(broker.stats().messages_in, 0);
    // It is told once.
    let again = Process::client("pub", &broker, &drain).finish();
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    broker.assert_no_violations();
}
