//! TLS, client and server side, over TCP and over memory, with certificates made at run time.

mod authority;
mod failures;
mod handshakes;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use bowline_transport::{
    ConnectError, Connector, Endpoint, Listener, Stream, TcpAcceptor, TcpConnector, Tls, TlsAcceptor,
    TlsConnector, TlsServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use authority::{Authority, Issued};

/// The host that everything is for, unless it is said otherwise.
const HOST: &str = "localhost";

/// A server that sends back what it gets, on a free port of loopback.
struct EchoServer {
    addr: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl EchoServer {
    fn start(server: &TlsServer) -> Self {
        let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let addr = tcp.local_addr();
        let acceptor = TlsAcceptor::new(tcp, server).expect("legal settings");
        let serving = tokio::spawn(async move {
            loop {
                if let Ok(stream) = acceptor.accept().await {
                    tokio::spawn(echo(stream));
                }
            }
        });
        Self { addr, serving }
    }

    fn of(issued: &Issued) -> Self {
        Self::start(&TlsServer::new(issued.identity()))
    }

    /// Its address under the name that its certificate is for.
    fn endpoint(&self) -> Endpoint {
        format!("mqtts://{HOST}:{}", self.addr.port()).parse().expect("a legal URL")
    }

    async fn connect(&self, tls: &Tls) -> Result<Stream, ConnectError> {
        connect(tls, &self.endpoint()).await
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connect(tls: &Tls, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    let tcp = TcpConnector::new().connect_timeout(Duration::from_secs(5));
    let connector = TlsConnector::new(tcp, tls.clone()).connect_timeout(Duration::from_secs(5));
    connector.connect(endpoint).await
}

async fn echo(mut stream: Stream) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                if stream.write_all(&bytes[..count]).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
        }
    }
    let _ended = stream.shutdown().await;
}

/// Trusts this CA and nobody else.
fn trusting(authority: &Authority) -> Tls {
    Tls::new().without_platform_roots().roots(authority.roots())
}

/// Says something and hears it again.
async fn assert_echo(stream: &mut Stream) {
    stream.write_all(b"there and back").await.expect("the server echoes");
    stream.flush().await.expect("the server echoes");
    let mut bytes = [0; 14];
    stream.read_exact(&mut bytes).await.expect("the server echoes");
    assert_eq!(&bytes, b"there and back");
}
