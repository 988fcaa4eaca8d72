//! MQTT over WebSocket over TLS: what lies over what, in every version, and which layer an error comes from.

use std::net::{Ipv4Addr, SocketAddr};

use bowline::transport::{Certificates, Identity, PrivateKey, Tls, TlsServer};
use bowline::{Builder, Client, Version};
use bowline_broker::Broker;

use super::messages_cross_in_every_version;
use crate::peer::within;

/// A broker whose certificate is for `localhost`, where it listens, and who is to be trusted for that.
async fn broker() -> (Broker, u16, Certificates) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a legal name");
    let certificate = made.cert.pem();
    let key = PrivateKey::bytes(made.signing_key.serialize_pem());
    let server = TlsServer::new(Identity::new(Certificates::bytes(certificate.clone()), key));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let builder = Broker::builder().without_tcp().listen_secure_websocket(any, server);
    let broker = builder.start().await.expect("a free port");
    let port = broker.secure_websocket_addresses()[0].port();
    (broker, port, Certificates::bytes(certificate))
}

fn builder(port: u16, version: Version) -> Builder<Client> {
    Client::builder(&format!("wss://localhost:{port}/mqtt")).expect("a legal URL").version(version)
}

#[tokio::test]
async fn messages_cross_websocket_over_tls_in_every_version() {
    let (broker, port, trusted) = broker().await;
    let tls = Tls::new().without_platform_roots().roots(trusted);
    messages_cross_in_every_version(|version| builder(port, version).tls(tls.clone())).await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_by_tls() {
    let (_broker, port, _) = broker().await;
    let error = within(builder(port, Version::V5).connect()).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}
