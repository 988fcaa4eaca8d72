//! First attempts over TLS that fail: the kind and the text come through to the application, soon.

use std::time::{Duration, Instant};

use bowline::transport::ConnectErrorKind as Kind;
use bowline::{Builder, Client, ConnectError, TlsErrorKind, Version};
use bowline_broker::Broker;
use tokio::net::TcpListener;

use super::Secure;
use crate::peer::within;

/// What a failure is to be, and what its text is to say.
pub(super) enum Expected {
    ClientCertificateMissing,
    PlainToTls,
    PlainToTlsUnsaid,
    TlsToPlain,
    WrongHost,
    Silent,
    NoSuchHost,
}

impl Expected {
    fn kind_and_text(&self) -> (Kind, &'static str) {
        match self {
            Self::ClientCertificateMissing => {
                (Kind::Tls(TlsErrorKind::ClientCertificateMissing), "wants a client certificate")
            }
            Self::PlainToTls => (Kind::SpeaksTls, "speaks TLS: connect with mqtts://"),
            Self::PlainToTlsUnsaid => (Kind::BrokenOff, "whether it wants TLS (mqtts://)"),
            Self::TlsToPlain => (Kind::Tls(TlsErrorKind::Closed), "check that its port speaks TLS"),
            Self::WrongHost => {
                (Kind::Tls(TlsErrorKind::CertificateWrongHost), "is for localhost and not for 127.0.0.1")
            }
            Self::Silent => {
                (Kind::TimedOut, "did not finish the TLS handshake, and connecting took 900.0ms in all")
            }
            Self::NoSuchHost => (Kind::Resolve, "the host name `nowhere.invalid` was not found"),
        }
    }
}

/// Checks that the first attempt fails like this.
pub(super) async fn assert_fails(builder: Builder<Client>, expected: Expected) {
    let error = within(builder.connect()).await.expect_err("it cannot succeed");
    let ConnectError::Failed(why) = &error else { panic!("{error}") };
    let (kind, text) = expected.kind_and_text();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(why.transport_error_kind(), Some(kind), "{error}");
}

#[tokio::test]
async fn a_refusal_that_comes_after_the_handshake_is_told_with_its_reason() {
    let secure = Secure::start().await;
    for version in Version::ALL {
        let builder = Client::builder(&secure.url()).unwrap().version(version).tls(secure.trusting());
        assert_fails(builder, Expected::ClientCertificateMissing).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let secure = Secure::start().await;
    let url = format!("mqtts://{}", secure.address());
    assert_fails(Client::builder(&url).unwrap().tls(secure.tls()), Expected::WrongHost).await;
}

#[tokio::test]
async fn whoever_mixes_up_the_ports_is_told() {
    let secure = Secure::start().await;
    for version in Version::ALL {
        let plain = Client::builder(&secure.url().replace("mqtts", "mqtt")).unwrap().version(version);
        assert_fails(plain, Expected::PlainToTls).await;
    }
    let open = Broker::builder().start().await.unwrap();
    let builder = Client::builder(&format!("mqtts://{}", open.address().unwrap())).unwrap();
    assert_fails(builder, Expected::TlsToPlain).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtts://{}", silent.local_addr().unwrap());
    let started = Instant::now();
    let builder = Client::builder(&url).unwrap().connect_timeout(Duration::from_secs(1));
    assert_fails(builder, Expected::Silent).await;
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_as_such() {
    assert_fails(Client::builder("mqtts://nowhere.invalid").unwrap(), Expected::NoSuchHost).await;
}
