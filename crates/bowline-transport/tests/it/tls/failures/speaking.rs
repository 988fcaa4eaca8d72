//! Peers that do not speak TLS, not enough of it, or nothing at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowline_transport::{
    AcceptError, Connector, Endpoint, Listener, TcpConnector, Tls, TlsConnector, TlsError, TlsServer,
    TlsVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::authority::Authority;
use super::super::{HOST, connect, trusting};
use super::{Meeting, Row, listen};

pub(super) async fn rows() -> Vec<Row> {
    let authority = Authority::new("ours");
    let tls = trusting(&authority);
    let server = TlsServer::new(authority.issue(HOST).identity());
    let old = super::super::handshakes::only_tls_1_2(&authority);
    let new_only = tls.clone().min_version(TlsVersion::V1_3);
    vec![
        plain(&tls, "a broker without TLS that answers", Some(b"\x20\x02\x00\x05")).await,
        plain(&tls, "a broker without TLS that closes", None).await,
        silent(&tls).await,
        Meeting::of(&new_only, &old).await.client_row("too old a broker").await,
        Meeting::of(&tls.clone().alpn("a"), &server.clone().alpn("b"))
            .await
            .client_row("no application protocol in common")
            .await,
        unresolved(&tls).await,
    ]
}

/// A server that reads once, says something or nothing, and closes.
async fn plain(tls: &Tls, what: &'static str, says: Option<&'static [u8]>) -> Row {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a client comes");
        // All of it, because a socket that is closed with something unread is reset.
        let mut hello = vec![0; 16 * 1024];
        let _count = stream.read(&mut hello).await.expect("a client hello");
        stream.write_all(says.unwrap_or_default()).await.expect("the client listens");
    };
    let endpoint = endpoint(addr);
    let (client, ()) = tokio::join!(connect(tls, &endpoint), serving);
    Row::of_connect(what, &client.expect_err("that is no TLS"), addr)
}

async fn silent(tls: &Tls) -> Row {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let connector = TlsConnector::new(TcpConnector::new(), tls.clone());
    let connector = connector.connect_timeout(Duration::from_millis(300));
    let started = Instant::now();
    let error = connector.connect(&endpoint(addr)).await.expect_err("nobody answers");
    assert!(started.elapsed() < Duration::from_secs(5), "it is given up in time");
    Row::of_connect("a broker that says nothing", &error, addr)
}

/// The resolver's own words differ from system to system.
async fn unresolved(tls: &Tls) -> Row {
    let endpoint: Endpoint = "mqtts://nowhere.invalid".parse().expect("a legal URL");
    let error = connect(tls, &endpoint).await.expect_err("the name cannot exist");
    let text = error.to_string();
    let (before, rest) = text.split_once('(').expect("what the resolver said");
    let (_, after) = rest.rsplit_once(')').expect("what to do");
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    Row::new("a name that does not exist", error.kind(), &format!("{before}(…){after}"), addr)
}

pub(super) async fn plain_client(server: &TlsServer) -> Row {
    let (acceptor, addr) = listen(server);
    let mut client = TcpStream::connect(addr).await.expect("it listens");
    client.write_all(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c").await.expect("it listens");
    handshake_row("a client without TLS", &acceptor, addr).await
}

pub(super) async fn silent_client(server: &TlsServer) -> Row {
    let (acceptor, addr) = listen(&server.clone().handshake_timeout(Duration::from_millis(200)));
    let _client = TcpStream::connect(addr).await.expect("it listens");
    handshake_row("a client that says nothing", &acceptor, addr).await
}

async fn handshake_row(what: &'static str, acceptor: &impl Listener, addr: SocketAddr) -> Row {
    match acceptor.accept().await {
        Err(AcceptError::Handshake { source, .. }) => {
            let known: &TlsError = source.downcast_ref().expect("an error of TLS");
            Row::new(what, known.kind(), &known.to_string(), addr)
        }
        other => panic!("{other:?}"),
    }
}

fn endpoint(addr: SocketAddr) -> Endpoint {
    format!("mqtts://{HOST}:{}", addr.port()).parse().expect("a legal URL")
}
