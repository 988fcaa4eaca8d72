//! Names that are not found, addresses where nobody is or nobody answers, and Unix sockets.

use std::net::SocketAddr;

use bowline::Client;
use bowline::transport::Endpoint;
use bowline_testkit::ports::free_address;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};

use super::scripts::{Script, plain};
use super::{Row, builder, row};
use crate::transports::directory::Directory;

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.push(row("a name that does not exist", None, builder("mqtt://nowhere.invalid")).await);
    let address = free_address();
    rows.push(row("nobody listens there", Some(address), builder(&format!("mqtt://{address}"))).await);
    rows.push(blackhole().await);
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("it is bound");
    let waits =
        row("a listener that never says anything", Some(address), builder(&format!("mqtt://{address}")));
    rows.push(waits.await);
    for (what, script) in [
        ("one who closes without a word", Script::Closes),
        ("one who resets the connection without a word", Script::Resets),
        ("an SSH server", Script::Says(b"SSH-2.0-OpenSSH_9.2p1\r\n")),
        ("a mail server", Script::Says(b"220 mail.example ESMTP\r\n")),
        ("a Redis server", Script::Answers(b"-ERR unknown command\r\n")),
        ("something else that is not MQTT", Script::Says(b"\xff\xfd\x18")),
    ] {
        let address = plain(script).await;
        rows.push(row(what, Some(address), builder(&format!("mqtt://{address}"))).await);
    }
    rows.extend(unix().await);
    rows
}

/// A listener whose queue is full of connections that nobody accepts, so that the next gets no answer.
async fn blackhole() -> Row {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it can listen");
    let address: SocketAddr = listener.local_addr().expect("it is bound");
    let mut queued = Vec::new();
    loop {
        let connecting = TcpStream::connect(address);
        let Ok(stream) = tokio::time::timeout(std::time::Duration::from_millis(200), connecting).await else {
            break;
        };
        queued.push(stream.expect("there is room"));
        assert!(queued.len() < 16, "a backlog of 1 takes ever more connections");
    }
    row("an address that swallows everything", Some(address), builder(&format!("mqtt://{address}"))).await
}

/// The path is that of the test's directory, so the page has another.
async fn unix() -> Vec<Row> {
    let directory = Directory::new();
    let path = directory.path().join("mqtt.sock");
    let connect = |what: &'static str| {
        let path = path.clone();
        async move {
            let url = Endpoint::unix(&path).expect("an absolute path").to_string();
            let mut row = row(what, None, Client::builder(&url).expect("a legal URL")).await;
            row.text = row.text.replace(&path.display().to_string(), "/run/mqtt.sock");
            row
        }
    };
    let mut rows = vec![connect("no file at the socket's path").await];
    drop(UnixListener::bind(&path).expect("the directory is ours"));
    rows.push(connect("a socket that a broker has left behind").await);
    rows
}
