//! Servers that say what they are told to, in the clear, inside TLS and inside WebSocket. Knows no protocol.

use std::net::SocketAddr;

use bowline::transport::{Listener, Stream, TcpAcceptor, TlsAcceptor, TlsServer, WebSocketAcceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tls::authority::Authority;

/// What is said to everybody.
#[derive(Clone, Copy)]
pub(super) enum Script {
    /// This, at once, and nothing more as long as the client stays.
    Says(&'static [u8]),
    /// This when the client has said something, and the end.
    Answers(&'static [u8]),
    /// As a web server does: one thing to what is no HTTP, another to what is.
    Web,
    /// The end of the stream when the client has said something.
    Closes,
    /// A reset when the client has said something.
    Resets,
}

impl Script {
    pub(super) const fn says(bytes: &'static [u8]) -> Self {
        Self::Says(bytes)
    }

    pub(super) const fn closes() -> Self {
        Self::Closes
    }

    /// What cannot be written or read any more was not wanted.
    async fn play(self, mut stream: Stream) {
        let mut said = vec![0; 4_096];
        if let Self::Says(bytes) = self {
            _ = stream.write_all(bytes).await;
            _ = stream.flush().await;
        }
        let count = stream.read(&mut said).await.unwrap_or(0);
        let answer: &[u8] = match self {
            Self::Resets => return stream.abort(),
            Self::Answers(answer) => answer,
            Self::Web if said[..count].starts_with(b"GET ") => {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            }
            Self::Web => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Self::Says(_) | Self::Closes => b"",
        };
        _ = stream.write_all(answer).await;
        if !matches!(self, Self::Says(_)) {
            _ = stream.shutdown().await;
        }
        while stream.read(&mut said).await.is_ok_and(|count| count > 0) {}
    }
}

/// In the clear.
pub(super) async fn plain(script: Script) -> SocketAddr {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = acceptor.local_addr();
    serve(acceptor, script);
    address
}

/// Inside TLS, with a certificate for `localhost`.
pub(super) async fn encrypted(script: Script, authority: &Authority) -> SocketAddr {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = acceptor.local_addr();
    let server = TlsServer::new(authority.issue("localhost").identity());
    serve(TlsAcceptor::new(acceptor, &server).expect("good settings"), script);
    address
}

/// Inside WebSocket.
pub(super) async fn in_websocket(script: Script) -> SocketAddr {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = acceptor.local_addr();
    serve(WebSocketAcceptor::new(acceptor), script);
    address
}

fn serve(listener: impl Listener, script: Script) {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok(stream) => drop(tokio::spawn(script.play(stream))),
                Err(error) if error.is_of_one_client() => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
}
