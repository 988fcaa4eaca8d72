//! Web servers that do not open a WebSocket, or not the right one, and brokers that speak something else there.

use std::net::SocketAddr;

use bowline::transport::{TlsServer, WebSocket};
use bowline::{Builder, Client, Tls};
use bowline_broker::Broker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Row, SECRET, builder, row};
use crate::tls::authority::Authority;

const ANSWERS: [(&str, &str); 6] = [
    ("a web server, which answers with a page", "200 OK"),
    ("one that sends elsewhere", "302 Found"),
    ("one that wants a login", "401 Unauthorized"),
    ("one that forbids it", "403 Forbidden"),
    ("a wrong path", "404 Not Found"),
    ("a proxy whose broker is down", "502 Bad Gateway"),
];

fn to(scheme: &str, address: SocketAddr) -> Builder<Client> {
    let url = format!("{scheme}://localhost:{}/mqtt?token={SECRET}", address.port());
    builder(&url).websocket(WebSocket::new().header("Authorization", &format!("Bearer {SECRET}")))
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, status) in ANSWERS {
        let address = answering(format!(
            "HTTP/1.1 {status}\r\nLocation: https://elsewhere.invalid/?{SECRET}\r\nContent-Length: 0\r\n\r\n"
        ));
        let address = address.await;
        rows.push(row(what, Some(address), to("ws", address)).await);
    }
    let any = "127.0.0.1:0".parse().expect("an address");
    let web = Broker::builder().listen_websocket(any).start().await.expect("free ports");
    let (web_at, plain_at) = (web.websocket_addresses()[0], web.address().expect("it listens on TCP"));
    for (what, header) in [
        ("a WebSocket with another sub-protocol", "sec-websocket-protocol: chat\r\n"),
        ("a WebSocket without a sub-protocol", ""),
    ] {
        let address = rewriting(web_at, header).await;
        rows.push(row(what, Some(address), to("ws", address)).await);
    }
    rows.push(row("WebSocket to a port with plain MQTT", Some(plain_at), to("ws", plain_at)).await);

    let authority = Authority::new();
    let server = TlsServer::new(authority.issue("localhost").identity());
    let secure = Broker::builder().without_tcp().listen_tls(any, server).start().await.expect("a free port");
    let secure_at = secure.tls_addresses()[0];
    let tls = Tls::new().without_platform_roots().roots(authority.roots());
    rows.push(row("ws:// to a port with TLS", Some(secure_at), to("ws", secure_at)).await);
    let blunt = blunt().await;
    rows.push(row("wss:// to a web server without TLS", Some(blunt), to("wss", blunt).tls(tls)).await);
    let silent = TcpListener::bind(any).await.expect("a free port");
    let silent_at = silent.local_addr().expect("it is bound");
    rows.push(row("WebSocket to one who never answers", Some(silent_at), to("ws", silent_at)).await);
    rows
}

/// Says this to everybody who has asked for something.
async fn answering(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head(&mut stream).await;
            // The client may be gone.
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// What web servers say to somebody who does not speak HTTP.
async fn blunt() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The client may be gone. What it says is read, so that nothing is reset.
            _ = stream.read(&mut [0; 4_096]).await;
            _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            _ = stream.read(&mut [0; 4_096]).await;
        }
    });
    address
}

/// A WebSocket of the broker's, in whose answer another header stands for the sub-protocol.
async fn rewriting(broker: SocketAddr, header: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let asked = head(&mut near).await;
            let mut far = TcpStream::connect(broker).await.expect("the broker runs");
            far.write_all(asked.as_bytes()).await.expect("the broker reads");
            let answered = head(&mut far).await;
            let lines = answered.split_inclusive("\r\n");
            let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("sec-websocket-protocol"));
            let kept: String = kept.collect();
            let changed =
                kept.strip_suffix("\r\n").expect("an empty line ends it").to_owned() + header + "\r\n";
            _ = near.write_all(changed.as_bytes()).await;
        }
    });
    address
}

/// Lines up to the first empty one.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") && text.len() < 4_096 {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(text).expect("a head is text")
}
