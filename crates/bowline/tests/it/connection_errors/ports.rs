//! Each scheme at each kind of port: of a broker, for MQTT and WebSocket, with and without TLS, and of web servers.

use std::net::SocketAddr;

use bowline::transport::{TcpAcceptor, TlsAcceptor, TlsServer, WebSocket, WebSocketAcceptor};
use bowline::{Builder, Client, Tls};
use bowline_broker::Broker;

use super::scripts::{Script, encrypted, plain};
use super::{Row, SECRET, builder, row};
use crate::tls::authority::Authority;

pub(super) const SCHEMES: [&str; 4] = ["mqtt", "mqtts", "ws", "wss"];

/// What is behind a port, and where it is.
pub(super) type Port = (&'static str, SocketAddr);

/// A client that trusts this CA.
pub(super) fn to(scheme: &str, address: SocketAddr, roots: Tls) -> Builder<Client> {
    let url = format!("{scheme}://localhost:{}/mqtt?token={SECRET}", address.port());
    let builder = builder(&url).tls(roots);
    builder.websocket(WebSocket::new().header("Authorization", &format!("Bearer {SECRET}")))
}

pub(super) async fn rows() -> Vec<Row> {
    let authority = Authority::new();
    let (_broker, mut ports) = ours(&authority).await;
    ports.push(("http", plain(Script::Web).await));
    ports.push(("https", encrypted(Script::Web, &authority).await));
    let tls = Tls::new().without_platform_roots().roots(authority.roots());
    let mut rows = Vec::new();
    for scheme in SCHEMES {
        for &(port, address) in &ports {
            if scheme == port {
                let client =
                    to(scheme, address, tls.clone()).connect().await.expect("this is the right port");
                client.disconnect().await;
                continue;
            }
            let what = format!("{scheme}:// to {}", named(port));
            rows.push(row(what, Some(address), to(scheme, address, tls.clone())).await);
        }
    }
    rows
}

fn named(port: &str) -> String {
    match port {
        "http" => "a web server".to_owned(),
        "https" => "a web server with TLS".to_owned(),
        other => format!("the port for {other}://"),
    }
}

/// Our broker, at four ports.
async fn ours(authority: &Authority) -> (Broker, Vec<Port>) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = TlsServer::new(authority.issue("localhost").identity());
    let acceptor = TcpAcceptor::bind(any).expect("a free port");
    let secure_web = acceptor.local_addr();
    let acceptor = WebSocketAcceptor::new(TlsAcceptor::new(acceptor, &server).expect("good settings"));
    let builder = Broker::builder().listen(any).listen_tls(any, server).listen_websocket(any);
    let broker = builder.listener(acceptor).start().await.expect("free ports");
    let ports = vec![
        ("mqtt", broker.address().expect("it listens on TCP")),
        ("mqtts", broker.tls_addresses()[0]),
        ("ws", broker.websocket_addresses()[0]),
        ("wss", secure_web),
    ];
    (broker, ports)
}
