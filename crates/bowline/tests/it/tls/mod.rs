//! The client over TLS: the main job, lines that break, and a real Mosquitto.

pub(crate) mod authority;
mod failing;

use std::net::SocketAddr;
use std::time::Duration;

use bowline::transport::{Endpoint, TcpAcceptor, TcpConnector, TlsServer};
use bowline::{Backoff, Builder, Client, QoS, Session, Tls, Version, VersionFallback};
use bowline_broker::{Broker, BrokerConfig, FaultLink, VersionRefusal};
use bytes::Bytes;

use crate::counterpart::{Clients, Mosquitto};
use crate::peer::within;
use crate::round_trip::ALL_QOS;
use authority::Authority;

/// Our own broker, which speaks TLS with clients that have a certificate, and nothing else.
struct Secure {
    authority: Authority,
    broker: Broker,
}

impl Secure {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let authority = Authority::new();
        let server = TlsServer::new(authority.issue("localhost").identity()).client_roots(authority.roots());
        let broker = Broker::builder().without_tcp().listen_tls(loopback(), server).configure(change);
        Self { broker: broker.start().await.expect("a free port"), authority }
    }

    fn address(&self) -> SocketAddr {
        self.broker.tls_addresses()[0]
    }

    fn url(&self) -> String {
        format!("mqtts://localhost:{}", self.address().port())
    }

    /// Trusts the CA, and has no certificate.
    fn trusting(&self) -> Tls {
        Tls::new().without_platform_roots().roots(self.authority.roots())
    }

    fn tls(&self) -> Tls {
        self.trusting().identity(self.authority.issue("meter-7").identity())
    }

    fn builder(&self, version: Version) -> Builder<Client> {
        Client::builder(&self.url()).expect("a legal URL").version(version).tls(self.tls())
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Sends and receives at every QoS, small and large.
async fn assert_main_job(client: &Client) {
    let mut stream = within(client.subscribe("main/#").qos(QoS::ExactlyOnce)).await.expect("it is granted");
    for qos in ALL_QOS {
        for payload in [Bytes::from_static(b"21.5"), Bytes::from(vec![7; 300_000])] {
            within(client.publish("main/job", payload.clone()).qos(qos)).await.expect("it is acknowledged");
            assert_eq!(within(stream.next()).await.expect("it comes").payload(), &payload);
        }
    }
    within(client.disconnect()).await;
}

/// The close that tells of the version is one of TLS, with `close_notify`.
#[tokio::test]
async fn a_client_falls_back_over_tls_too() {
    for refusal in [VersionRefusal::InV3_1_1, VersionRefusal::Close] {
        let secure = Secure::start_with(|config| {
            config.versions = vec![Version::V3_1_1];
            config.version_refusal = refusal;
        });
        let secure = secure.await;
        let fallback = VersionFallback::to(Version::V3_1_1);
        let client = within(secure.builder(Version::V5).version_fallback(fallback).connect()).await.unwrap();
        assert_main_job(&client).await;
        secure.broker.assert_no_violations();
    }
}

#[tokio::test]
async fn the_main_job_is_done_over_tls_with_client_certificates_in_every_version() {
    let secure = Secure::start().await;
    for version in Version::ALL {
        let client = within(secure.builder(version).connect()).await.unwrap();
        assert_main_job(&client).await;
    }
    secure.broker.assert_no_violations();
}

#[cfg(feature = "blocking")]
#[tokio::test(flavor = "multi_thread")]
async fn the_blocking_client_takes_the_same_option() {
    let secure = Secure::start().await;
    let (url, tls) = (secure.url(), secure.tls());
    let blocking = tokio::task::spawn_blocking(move || {
        let client = bowline::blocking::Client::builder(&url).unwrap().tls(tls).connect().unwrap();
        client.publish("a", "b").qos(QoS::AtLeastOnce).send().unwrap().wait().unwrap();
    });
    within(blocking).await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_line_below_tls_breaks() {
    const MESSAGES: usize = 1_000;
    let secure = Secure::start().await;
    let link = FaultLink::between(
        TcpAcceptor::bind(loopback()).unwrap(),
        TcpConnector::new(),
        Endpoint::from(secure.address()),
    );
    let soon = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20)).unwrap();
    let builder = |id: &str| {
        let builder = secure.builder(Version::V5).client_id(id).session(Session::in_memory());
        builder.reconnect(soon).connector(link.connector())
    };
    let subscriber = within(builder("reader").connect()).await.unwrap();
    let mut stream = within(subscriber.subscribe("n").qos(QoS::ExactlyOnce)).await.unwrap();
    let publisher = within(builder("writer").connect()).await.unwrap();
    // A handshake takes some 3,000 bytes, so this cuts handshakes, greetings and messages.
    link.cut_randomly(11, 1_000..7_000);
    link.cut();
    let sending = async {
        for number in 0..MESSAGES {
            within(publisher.publish("n", number.to_string()).qos(QoS::ExactlyOnce)).await.unwrap();
        }
    };
    let receiving = async {
        for number in 0..MESSAGES {
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()));
        }
    };
    tokio::join!(sending, receiving);
    assert!(link.stats().cuts > 20, "{:?}", link.stats());
    secure.broker.assert_no_violations();
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn a_real_mosquitto_takes_us_with_a_client_certificate_and_says_no_without() {
    let authority = Authority::new();
    let server = authority.issue("localhost");
    let clients =
        Clients::Certified { roots: &authority.pem, certificate: &server.certificate, key: &server.key };
    let mosquitto = Mosquitto::start(clients).await;
    let url = format!("mqtts://localhost:{}", mosquitto.address().port());
    let trusting = Tls::new().without_platform_roots().roots(authority.roots());
    for version in Version::ALL {
        let tls = trusting.clone().identity(authority.issue("meter-7").identity());
        let client =
            within(Client::builder(&url).unwrap().version(version).tls(tls).connect()).await.unwrap();
        assert_main_job(&client).await;
    }
    let without = Client::builder(&url).unwrap().tls(trusting);
    failing::assert_fails(without, failing::Expected::ClientCertificateMissing).await;
    // OpenSSL says nothing to somebody who does not speak TLS.
    let plain = Client::builder(&url.replace("mqtts", "mqtt")).unwrap();
    failing::assert_fails(plain, failing::Expected::PlainToTlsUnsaid).await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn a_real_mosquitto_without_tls_is_said_to_have_none() {
    let mosquitto = Mosquitto::start(Clients::Anybody).await;
    let secure = Client::builder(&format!("mqtts://{}", mosquitto.address())).unwrap();
    failing::assert_fails(secure, failing::Expected::TlsToPlain).await;
}
