//! The client's side of the handshake: what it asks for, and what it says of answers that are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bowline_transport::{
    ConnectError, ConnectErrorKind, Connector, Handshake, Listener, SubProtocol, WebSocket,
    WebSocketConnector, WebSocketError,
};
use tokio::io::AsyncReadExt;

use super::wire::{self, BINARY, FIN};
use super::{Place, endpoint, refused, within};

/// The request that a client with these options sends.
async fn request(options: WebSocket, url: &str, sub_protocol: SubProtocol) -> String {
    let place = Place::new(64 * 1024);
    let connector = WebSocketConnector::new(place.connector.clone(), options);
    let endpoint = endpoint(url);
    let reading = async {
        let mut server = place.listener.accept().await.expect("a client connects");
        wire::read_head(&mut server).await
    };
    let (_, request) =
        within(async { tokio::join!(connector.connect_as(&endpoint, sub_protocol), reading) }).await;
    request
}

fn text_of(error: &ConnectError) -> String {
    let text = error.to_string();
    // None of the texts has a `z` of its own.
    assert!(!format!("{error:?} {text}").contains('z'), "a secret is shown: {text}");
    text
}

// [MQTT-6.0.0-3] [MQTT-6.0.0-3 of 3.1.1]
#[tokio::test]
async fn the_request_has_path_query_headers_and_the_sub_protocol_of_the_version() {
    let options = WebSocket::new().header("X-Token", "first").header("x-token", "second one");
    let request = request(options, "ws://Broker.Example/mqtt?a=b", SubProtocol::Mqtt).await;
    assert!(request.starts_with("GET /mqtt?a=b HTTP/1.1\r\nHost: Broker.Example\r\n"), "{request}");
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "mqtt"),
        ("x-token", "second one"),
    ] {
        assert_eq!(wire::header(&request, name), Some(value), "{request}");
    }
    assert!(!request.contains("first"), "{request}");
}

#[tokio::test]
async fn a_url_without_a_path_asks_for_the_root_and_another_port_stands_in_the_host() {
    for (url, line, host) in [
        ("ws://host:8080", "GET / HTTP/1.1", "host:8080"),
        ("ws://host?a", "GET /?a HTTP/1.1", "host"),
        ("ws://[fe80::1%25eth0]:81/x", "GET /x HTTP/1.1", "[fe80::1]:81"),
    ] {
        let request = request(WebSocket::new(), url, SubProtocol::MqttV31).await;
        assert_eq!(request.lines().next(), Some(line));
        assert_eq!(wire::header(&request, "Host"), Some(host));
        assert_eq!(wire::header(&request, "Sec-WebSocket-Protocol"), Some("mqttv3.1"));
    }
}

#[tokio::test]
async fn the_hook_changes_every_attempt_anew() {
    let attempts = Arc::new(AtomicU32::new(0));
    let options =
        WebSocket::new().header("Authorization", "old").handshake(move |mut handshake: Handshake| {
            let number = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                assert_eq!((handshake.path_and_query(), handshake.host().as_str()), ("/mqtt", "host"));
                assert_eq!(handshake.header("authorization"), Some("old"));
                handshake.set_path_and_query(format!("/signed?{}={number}", handshake.sub_protocol()))?;
                handshake.set_header("Authorization", &format!("Bearer {number}"))?;
                Ok(handshake)
            }
        });
    let first = request(options.clone(), "ws://host/mqtt", SubProtocol::Mqtt).await;
    assert!(first.starts_with("GET /signed?mqtt=1 HTTP/1.1\r\n"), "{first}");
    let second = request(options, "ws://host/mqtt", SubProtocol::MqttV31).await;
    assert!(second.starts_with("GET /signed?mqttv3.1=2 HTTP/1.1\r\n"), "{second}");
    assert_eq!(wire::header(&second, "Authorization"), Some("Bearer 2"));
}

#[tokio::test]
async fn what_the_hook_says_is_the_error_and_nothing_is_connected() {
    let options = WebSocket::new().handshake(|_| async { Err("no token to be had".into()) });
    let place = Place::new(64);
    let connector = WebSocketConnector::new(place.connector.clone(), options);
    let error = connector.connect(&endpoint("ws://host")).await.unwrap_err();
    assert_eq!(error.to_string(), "no token to be had");
    assert_eq!(error.kind(), ConnectErrorKind::WebSocket);
    let silence = tokio::time::timeout(Duration::from_millis(20), place.listener.accept()).await;
    assert!(silence.is_err(), "nobody connected");
}

#[tokio::test]
async fn headers_and_paths_that_would_break_the_request_are_refused() {
    let connect = async |options: WebSocket, url: &str| {
        let place = Place::new(64);
        let connector = WebSocketConnector::new(place.connector.clone(), options);
        connector.connect(&endpoint(url)).await.unwrap_err().to_string()
    };
    for (name, value) in
        [("X\r\nY", "a"), ("", "a"), ("X", "a\r\nY: b"), ("Host", "a"), ("sec-websocket-key", "a")]
    {
        let text = connect(WebSocket::new().header(name, value), "ws://host").await;
        assert!(text.starts_with("the WebSocket option header has a "), "{text}");
    }
    let text = connect(WebSocket::new(), "ws://host/a b").await;
    assert!(text.contains("percent-encoded"), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_is_told_with_its_status_and_what_to_do() {
    for (status, advice) in [
        (401, "set the header"),
        (404, "check the path"),
        (200, "a web server listens there"),
        (302, "is not followed"),
        (403, "credentials"),
        (503, "look at its log"),
    ] {
        let answer = format!("HTTP/1.1 {status} Whatever\r\nX: zserver\r\nContent-Length: 4\r\n\r\nzzzz");
        let error = refused(answer).await;
        assert!(
            matches!(&error, ConnectError::WebSocket { source: WebSocketError::Status { status: told, .. } } if *told == status)
        );
        let text = text_of(&error);
        assert!(text.starts_with(&format!("broker.example:80 answered HTTP {status} ")), "{text}");
        assert!(text.contains(advice), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_told_as_such() {
    let long = [b"HTTP/1.1 101 X\r\nX: ".to_vec(), vec![b'a'; 20_000]].concat();
    let other_key = wire::answer_to("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", Some("mqtt"));
    // Longer than any digest.
    let long_accept = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n\r\n";
    for (answer, problem) in [
        (&b"SSH-2.0-OpenSSH\r\n\r\n"[..], "not HTTP"),
        // Those who send no more of it are not waited for.
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"HTTPS", "not HTTP"),
        (b"\x15\x04", "not HTTP"),
        (&long, "longer than 16 KiB"),
        (&other_key, "another key"),
        (long_accept.as_bytes(), "another key"),
        (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", "another protocol"),
    ] {
        let error = refused(answer).await;
        let text = text_of(&error);
        assert!(text.contains(problem), "{text}");
        assert!(matches!(error, ConnectError::WebSocket { source: WebSocketError::Handshake { .. } }));
    }
}

#[tokio::test]
async fn a_server_that_closes_instead_of_answering_is_told_with_what_to_check() {
    for (answer, kind, advice) in [
        (&b""[..], ConnectErrorKind::WebSocket, "check the port, which may be one for mqtt:// or wss://"),
        (b"HTTP/1.1 101 X", ConnectErrorKind::WebSocket, "check the port"),
        // The alert of a server that expects TLS.
        (b"\x15\x03\x03\x00\x02\x02\x32", ConnectErrorKind::SpeaksTls, "connect with wss://"),
    ] {
        let place = Place::new(64 * 1024);
        let connector = WebSocketConnector::new(place.connector.clone(), WebSocket::new());
        let closing = async {
            let mut server = place.listener.accept().await.unwrap();
            wire::read_head(&mut server).await;
            wire::send(&mut server, answer).await;
        };
        let endpoint = endpoint("ws://broker.example/zpath");
        let (client, ()) = within(async { tokio::join!(connector.connect(&endpoint), closing) }).await;
        let error = client.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = text_of(&error);
        assert!(text.contains("broker.example:80") && text.contains(advice), "{text}");
    }
}

#[tokio::test]
async fn a_tls_alert_is_known_although_the_server_does_not_close() {
    let error = refused(&b"\x15\x03\x03\x00\x02\x02\x32"[..]).await;
    assert_eq!(error.kind(), ConnectErrorKind::SpeaksTls, "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let error = refused("").await;
    assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
    assert!(text_of(&error).contains("was not done within 200.0ms"), "{error}");
}

// [MQTT-6.0.0-4] [MQTT-6.0.0-4 of 3.1.1]
#[tokio::test]
async fn another_sub_protocol_or_none_is_refused() {
    let connect = async |sub_protocol: Option<&'static str>| {
        let place = Place::new(64 * 1024);
        let connector = WebSocketConnector::new(place.connector.clone(), WebSocket::new());
        let answering = async {
            let mut server = place.listener.accept().await.unwrap();
            let request = wire::read_head(&mut server).await;
            wire::send(&mut server, &wire::answer_to(&request, sub_protocol)).await;
            server
        };
        let endpoint = endpoint("ws://host");
        within(async { tokio::join!(connector.connect(&endpoint), answering) }).await.0
    };
    let error = connect(None).await.unwrap_err();
    assert!(matches!(error, ConnectError::WebSocket { source: WebSocketError::SubProtocolMissing { .. } }));
    assert!(error.to_string().contains("without the sub-protocol mqtt"), "{error}");
    let error = connect(Some("mqttv3.1")).await.unwrap_err();
    assert!(matches!(error, ConnectError::WebSocket { source: WebSocketError::SubProtocolWrong { .. } }));
    assert!(error.to_string().contains("`mqttv3.1` where mqtt was asked for"), "{error}");
    assert!(connect(Some("mqtt")).await.is_ok());
}

#[tokio::test]
async fn frames_that_come_with_the_answer_are_read() {
    let place = Place::new(64 * 1024);
    let frames = [wire::frame(BINARY, b"at "), wire::frame(FIN, b"once")].concat();
    let (mut client, _server) = place.opened(WebSocket::new(), &frames).await;
    let mut bytes = [0; 7];
    within(client.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"at once");
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_waited_for() {
    let place = Place::new(1);
    let (mut client, mut server) = place.opened(WebSocket::new(), b"").await;
    let sending = tokio::spawn(async move {
        wire::send(&mut server, &wire::frame(FIN | BINARY, b"slow")).await;
    });
    let mut bytes = [0; 4];
    within(client.read_exact(&mut bytes)).await.unwrap();
    within(sending).await.unwrap();
    assert_eq!(&bytes, b"slow");
}
