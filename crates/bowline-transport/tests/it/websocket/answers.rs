//! The server's side of the handshake: whom it lets in, and what it says to the others.

use std::time::Duration;

use bowline_transport::{
    AcceptError, Connector, Listener, Stream, TcpAcceptor, WebSocketAcceptor, in_process,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire;
use super::{endpoint, within};

const KEY: &str = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

fn request(line: &str, headers: &str) -> String {
    format!("{line}\r\nHost: x\r\n{headers}\r\n")
}

fn good(sub_protocols: &str) -> String {
    let headers = format!(
        "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n{KEY}{sub_protocols}"
    );
    request("GET /mqtt HTTP/1.1", &headers)
}

/// A client that is played by hand, and what the acceptor makes of it.
pub(super) async fn asked_by_hand() -> (Stream, Stream) {
    let (mut client, server) = asked(&good("Sec-WebSocket-Protocol: mqtt\r\n")).await;
    wire::read_head(&mut client).await;
    (client, server.expect("the request is right"))
}

async fn asked(request: &str) -> (Stream, Result<Stream, AcceptError>) {
    let (connector, listener) = in_process("web", 64 * 1024);
    let acceptor = WebSocketAcceptor::new(listener).path("/mqtt");
    let mut client = connector.connect(&endpoint("ws://x")).await.expect("it listens");
    wire::send(&mut client, request.as_bytes()).await;
    let server = within(acceptor.accept()).await;
    (client, server)
}

#[tokio::test]
async fn the_first_sub_protocol_of_mqtt_that_the_client_names_is_taken() {
    for (named, taken) in [
        ("mqtt", "mqtt"),
        ("mqttv3.1", "mqttv3.1"),
        ("chat, mqttv3.1 ,mqtt", "mqttv3.1"),
        ("chat\r\nSec-WebSocket-Protocol: mqtt", "mqtt"),
    ] {
        let (mut client, server) = asked(&good(&format!("Sec-WebSocket-Protocol: {named}\r\n"))).await;
        assert!(server.is_ok());
        let answer = wire::read_head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(wire::header(&answer, "Sec-WebSocket-Protocol"), Some(taken));
        // The digest of the key of sixteen zeros.
        assert_eq!(wire::header(&answer, "Sec-WebSocket-Accept"), Some("ICX+Yqv66kxgM0FcWaLWlFLwTAI="));
    }
}

#[tokio::test]
async fn a_request_that_is_not_right_is_answered_with_why() {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let line = "GET /mqtt HTTP/1.1";
    let long = format!("X: {}\r\n", "a".repeat(17_000));
    for (request, status, problem) in [
        (good(""), 400, "no sub-protocol of MQTT"),
        (good("Sec-WebSocket-Protocol: chat\r\n"), 400, "no sub-protocol of MQTT"),
        (request("GET / HTTP/1.1", ""), 404, "nothing listens at its path"),
        (request(line, ""), 426, "asks for no WebSocket"),
        (request(line, &format!("{upgrade}Sec-WebSocket-Version: 8\r\n")), 426, "another version"),
        (request(line, &format!("{upgrade}Sec-WebSocket-Version: 13\r\n")), 400, "its key"),
        (request("POST /mqtt HTTP/1.1", ""), 400, "no GET"),
        (request("GET /mqtt HTTP/1.0", ""), 400, "no GET"),
        ("\x10".to_owned(), 400, "MQTT without WebSocket; connect with ws://"),
        ("\x16\x03\x01".to_owned(), 400, "TLS, which is not spoken here"),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), 400, "not HTTP"),
        (" GET".to_owned(), 400, "not HTTP"),
        ("A".repeat(17), 400, "not HTTP"),
        ("\r\nget / HTTP/1.1".to_owned(), 400, "not HTTP"),
        (request(line, &long), 400, "longer than 16 KiB"),
        (good("Sec-WebSocket-Protocol: mqtt\r\n") + "early", 400, "without an answer"),
    ] {
        let (mut client, server) = asked(&request).await;
        let error = server.expect_err("the request is not right");
        assert!(error.is_transient() && error.is_of_one_client(), "the next client is not to blame");
        assert!(error.to_string().contains(problem), "{error}");
        let mut answer = String::new();
        within(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(problem), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody_and_is_given_up() {
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = tcp.local_addr();
    let acceptor = WebSocketAcceptor::new(tcp).handshake_timeout(Duration::from_millis(300));
    let mut silent = tokio::net::TcpStream::connect(addr).await.unwrap();
    let mut quick = tokio::net::TcpStream::connect(addr).await.unwrap();
    quick.write_all(good("Sec-WebSocket-Protocol: mqtt\r\n").as_bytes()).await.unwrap();
    let server = within(acceptor.accept()).await.unwrap();
    assert!(server.description().peer().ends_with(&quick.local_addr().unwrap().port().to_string()));
    let error = within(acceptor.accept()).await.unwrap_err();
    // Advice to the client would reach the one who runs the server.
    let peer = silent.local_addr().unwrap();
    let expected = format!("the client {peer} did not finish the WebSocket handshake within 300.0ms");
    assert_eq!(error.to_string(), format!("the handshake with {peer} failed: {expected}"));
    assert_eq!(within(silent.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn of_a_client_that_resets_its_connection_the_server_is_told_that_and_no_advice() {
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = tcp.local_addr();
    let acceptor = WebSocketAcceptor::new(tcp);
    let client = tokio::net::TcpStream::connect(addr).await.unwrap();
    let peer = client.local_addr().unwrap();
    // It is accepted, and its handshake begins.
    let none = tokio::time::timeout(Duration::from_millis(50), acceptor.accept()).await;
    assert!(none.is_err(), "it has asked for nothing yet");
    client.set_zero_linger().unwrap();
    drop(client);
    let text = within(acceptor.accept()).await.unwrap_err().to_string();
    let start = format!(
        "the handshake with {peer} failed: the connection to the client {peer} failed during the WebSocket handshake ("
    );
    assert!(text.starts_with(&start) && text.ends_with(')'), "{text}");
}
