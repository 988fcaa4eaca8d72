//! `bowline broker`.

use rustix::process::Signal;

use crate::process::Process;
use crate::transports::{Authority, Folder};

const URL: &str = "mqtt://127.0.0.1:";

/// A broker that has said where it listens, and that place.
fn start(arguments: &[&str]) -> (Process, String) {
    let broker = Process::bowline([&["broker", "-p", "0"], arguments].concat());
    broker.until("URL", |stderr| stderr.contains(URL) && stderr.ends_with('\n'));
    let stderr = broker.stderr();
    let at = stderr.find(URL).expect("that was waited for");
    let url = stderr[at..].lines().next().expect("the URL is there").to_owned();
    (broker, url)
}

#[test]
fn the_broker_serves_both_commands_and_tells_who_comes_and_goes() {
    let (broker, url) = start(&["-v"]);
    let publisher = Process::bowline(["pub", &url, "-t", "a", "-r", "-q", "1", "-m", "x", "-i", "writer"]);
    publisher.finish().successful();
    let subscriber =
        Process::bowline(["sub", &url, "-t", "a", "-C", "1", "-W", "20", "-V", "311", "-i", "reader"]);
    assert_eq!(subscriber.finish().successful(), b"x\n");
    for text in
        ["client `writer` connected (MQTT 5", "client `writer` left", "client `reader` connected (MQTT 3.1.1"]
    {
        broker.until_stderr(text);
    }
    broker.until_stderr("client `reader` left");
    broker.signal(Signal::TERM);
    broker.finish().successful();
}

#[test]
fn what_a_client_does_wrong_is_told() {
    use std::io::Write;
    let (broker, url) = start(&["-v"]);
    let mut stream = std::net::TcpStream::connect(url.strip_prefix("mqtt://").unwrap()).unwrap();
    // A PINGREQ before CONNECT.
    stream.write_all(&[0xC0, 0]).unwrap();
    broker.until_stderr("violation: ");
    broker.signal(Signal::INT);
    broker.finish().successful();
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_address() {
    let (broker, url) = start(&[]);
    let address = url.strip_prefix("mqtt://").unwrap();
    let port = address.rsplit(':').next().unwrap();
    let ended = Process::bowline(["broker", "-p", port]).finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(address), "{}", ended.stderr);
    broker.signal(Signal::INT);
    let ended = broker.finish();
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended.successful();
}

#[test]
fn a_handshake_that_fails_is_told_with_who_and_why() {
    use std::io::{Read, Write};
    let folder = Folder::new("handshakes");
    let [certificate, key] = Authority::new(&folder, "ca.pem").issue(&folder, "localhost");
    let tls = ["--tls-port", "0", "--cert", &certificate, "--key", &key];
    let broker = Process::bowline(["broker", "-p", "0", "-v", "--ws-port", "0"].iter().chain(&tls));
    broker.until_stderr("listening on ws://");
    let said = broker.stderr();
    let address = |scheme: &str| {
        let url = said.lines().find_map(|line| line.split(&format!("listening on {scheme}://")).nth(1));
        url.expect("it listens there").to_owned()
    };
    for (scheme, text) in
        [("mqtts", "not accepted by tls over tcp"), ("ws", "not accepted by websocket over tcp")]
    {
        let mut stream = std::net::TcpStream::connect(address(scheme)).unwrap();
        let own = stream.local_addr().unwrap();
        // The beginning of a CONNECT, which is neither TLS nor HTTP.
        stream.write_all(b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x3C\x00\x00\r\n\r\n").unwrap();
        _ = stream.read_to_end(&mut Vec::new());
        broker.until(text, |stderr| {
            stderr.lines().any(|line| line.contains(text) && line.contains(&own.to_string()))
        });
    }
    broker.signal(Signal::TERM);
    broker.finish().successful();
}
