//! The options of TCP connections, seen from the broker's side.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bowline::Client;
use bowline::transport::{ConnectErrorKind, Listener, TcpAcceptor, TcpOptions};
use bowline_broker::Broker;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peer::within;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_connection_comes_from_the_address_that_was_asked_for() {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7)), 0);
    let builder = Client::builder(&format!("mqtt://{}", acceptor.local_addr())).unwrap();
    let client = builder.bind_address(local).bind_interface("lo").connect_lazy().unwrap();
    let stream = within(acceptor.accept()).await.unwrap();
    assert!(stream.description().peer().starts_with("127.0.0.7:"), "{stream:?}");
    drop(client);
}

#[tokio::test]
async fn an_interface_that_is_none_fails_with_its_name() {
    let broker = Broker::builder().start().await.unwrap();
    let url = format!("mqtt://{}", broker.address().unwrap());
    let builder = Client::builder(&url).unwrap().tcp(TcpOptions::new().no_delay(true));
    let error = within(builder.bind_interface("no such one").connect()).await.unwrap_err().to_string();
    assert!(error.contains("interface") && error.contains("no such one"), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_told_as_such_whatever_the_transport() {
    let options = TcpOptions::new();
    let silent = TcpAcceptor::bind_with("127.0.0.1:0".parse().unwrap(), options, 1).unwrap();
    let addr = silent.local_addr();
    // Nobody accepts, so that the queue is full before long.
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        queued.push(stream);
    }
    let mut schemes = vec!["mqtt"];
    schemes.extend(cfg!(feature = "tls").then_some("mqtts"));
    schemes.extend(cfg!(feature = "websocket").then_some("ws"));
    for scheme in schemes {
        for limit in [400, 500, 600] {
            let builder = Client::builder(&format!("{scheme}://{addr}")).unwrap();
            let connecting = builder.connect_timeout(Duration::from_millis(limit)).connect();
            let error = within(connecting).await.map(drop).unwrap_err();
            let kind = error.disconnection().and_then(bowline::Disconnection::transport_error_kind);
            assert_eq!(kind, Some(ConnectErrorKind::TimedOut), "{scheme} {limit} ms: {error}");
        }
    }
}
