//! MQTT over Unix sockets.

use std::path::Path;

use bowline::transport::{Endpoint, UnixAcceptor, UnixConnector};
use bowline::{Client, Version};
use bowline_broker::{Broker, FaultLink};

use super::directory::Directory;
use super::messages_cross_in_every_version;
use crate::peer::within;

/// Its path has a space in it, so that it must be encoded.
fn url(path: &Path) -> String {
    Endpoint::unix(path).expect("an absolute path").to_string()
}

#[tokio::test]
async fn messages_cross_a_unix_socket_in_every_version() {
    let directory = Directory::new();
    let path = directory.path().join("mqtt.sock");
    let broker = Broker::builder().without_tcp().listen_unix(&path).start().await.unwrap();
    messages_cross_in_every_version(|version| Client::builder(&url(&path)).unwrap().version(version)).await;
    broker.assert_no_violations();
    broker.shut_down().await;
    drop(broker);
    assert!(!path.exists(), "the broker removes its socket");
}

#[tokio::test]
async fn a_client_comes_back_over_a_unix_socket_when_the_line_is_cut() {
    let directory = Directory::new();
    let (near, far) = (directory.path().join("near.sock"), directory.path().join("far.sock"));
    let broker = Broker::builder().without_tcp().listen_unix(&far).start().await.unwrap();
    let acceptor = UnixAcceptor::bind(&near).unwrap();
    let link = FaultLink::between(acceptor, UnixConnector::new(), Endpoint::unix(&far).unwrap());
    let builder = Client::builder(&url(&near)).unwrap().version(Version::V3_1_1);
    let client = within(super::impatient(builder).connect()).await.unwrap();
    let mut stream = within(client.subscribe("attic")).await.unwrap();
    assert_eq!(link.cut(), 1);
    within(super::reconnected(&link, 2)).await;
    within(client.publish("attic", "warm").qos(bowline::QoS::ExactlyOnce)).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("warm"));
    broker.assert_no_violations();
}

#[tokio::test]
async fn nobody_at_the_socket_is_told_as_such() {
    let directory = Directory::new();
    let path = directory.path().join("nobody.sock");
    let error = within(Client::connect(&url(&path))).await.unwrap_err().to_string();
    assert!(error.contains("nobody.sock") && error.contains("check the path"), "{error}");
}
