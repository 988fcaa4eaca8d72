//! Web servers that do not open a WebSocket, or not the right one.

use std::net::SocketAddr;

use bowline::transport::WebSocket;
use bowline::{Builder, Client};
use bowline_broker::Broker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scripts::{Script, in_websocket};
use super::{Row, SECRET, builder, row};

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
    let web = Broker::builder().without_tcp().listen_websocket(any).start().await.expect("free ports");
    let web_at = web.websocket_addresses()[0];
    for (what, header) in [
        ("a WebSocket with another sub-protocol", "sec-websocket-protocol: chat\r\n"),
        ("a WebSocket without a sub-protocol", ""),
    ] {
        let address = rewriting(web_at, header).await;
        rows.push(row(what, Some(address), to("ws", address)).await);
    }
    let silent = TcpListener::bind(any).await.expect("a free port");
    let silent_at = silent.local_addr().expect("it is bound");
    rows.push(row("WebSocket to one who never answers", Some(silent_at), to("ws", silent_at)).await);
    let other = in_websocket(Script::says(b"welcome to the chat")).await;
    rows.push(row("a WebSocket for something else than MQTT", Some(other), to("ws", other)).await);
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
