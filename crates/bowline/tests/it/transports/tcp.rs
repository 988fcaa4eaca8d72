//! The options of TCP connections, seen from the broker's side.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bowline::Client;
use bowline::transport::{Listener, TcpAcceptor, TcpOptions};
use bowline_broker::Broker;

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
