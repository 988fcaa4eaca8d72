//! Clients that prefer 5.0 and meet brokers that do not speak it: ours in each way of refusing, and real ones.

mod real;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::proto::packet::Packet;
use bowline::{
    Attempt, AttemptChanges, Backoff, Builder, Client, ConnectError, ConnectionState, Event,
    PublishErrorKind, QoS, ReasonCode, Reconnect, RequestError, Session, SubscribeError, Version,
    VersionFallback,
};
use bowline_broker::{Broker, VersionRefusal};
use tokio::time::timeout;

use crate::peer::{Harbour, SILENCE, within};

const REFUSALS: [VersionRefusal; 3] =
    [VersionRefusal::InClientsVersion, VersionRefusal::InV3_1_1, VersionRefusal::Close];

/// A broker that speaks these versions and refuses others in this way.
async fn broker(versions: &[Version], refusal: VersionRefusal) -> Broker {
    let builder = Broker::builder().configure(|config| {
        config.versions = versions.to_vec();
        config.version_refusal = refusal;
    });
    builder.start().await.expect("a free port")
}

fn builder(url: &str) -> Builder<Client> {
    let soon = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(50));
    Client::builder(url)
        .expect("a legal URL")
        .reconnect(soon.expect("a legal backoff"))
        .version_fallback(VersionFallback::to(Version::V3_1))
}

fn prefers_v5(broker: &Broker) -> Builder<Client> {
    builder(&format!("mqtt://{}", broker.address().expect("it listens on TCP")))
}

/// Counts attempts to connect.
#[derive(Clone, Default)]
struct Attempts(Arc<AtomicUsize>);

impl Attempts {
    fn count(&self, builder: Builder<Client>) -> Builder<Client> {
        let attempts = self.clone();
        builder.before_connect(move |_: Attempt| {
            attempts.0.fetch_add(1, Ordering::Relaxed);
            async { Ok(AttemptChanges::none()) }
        })
    }

    fn made(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The version that a connected client speaks.
async fn spoken(client: &Client) -> Version {
    within(client.connection().connected()).await.expect("it is connected").version
}

/// Sends and receives at every QoS up to this one.
async fn goes_round(client: &Client, most: QoS) {
    let mut messages = within(client.subscribe("fallback/+").qos(most).into_future()).await.expect("granted");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().filter(|qos| *qos <= most) {
        let sent = within(client.publish("fallback/a", qos.to_string()).qos(qos).into_future()).await;
        sent.expect("it is acknowledged");
        let message = within(messages.next()).await.expect("it comes back");
        assert_eq!(message.text().expect("text"), qos.to_string());
    }
}

#[tokio::test]
async fn a_client_falls_back_in_each_way_that_a_broker_can_refuse_and_works() {
    for refusal in REFUSALS {
        for version in [Version::V3_1_1, Version::V3_1] {
            let broker = broker(&[version], refusal).await;
            let client = within(prefers_v5(&broker).connect()).await.expect("the broker accepts");
            assert_eq!(spoken(&client).await, version);
            goes_round(&client, QoS::ExactlyOnce).await;
            within(client.disconnect()).await;
            broker.assert_no_violations();
        }
    }
}

#[tokio::test]
async fn a_broker_that_speaks_5_0_is_spoken_to_in_5_0() {
    for refusal in REFUSALS {
        let broker = broker(&Version::ALL, refusal).await;
        let client = within(prefers_v5(&broker).connect()).await.expect("the broker accepts");
        assert_eq!(spoken(&client).await, Version::V5);
        goes_round(&client, QoS::ExactlyOnce).await;
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn what_was_accepted_is_spoken_at_once_the_next_time() {
    for refusal in REFUSALS {
        let broker = broker(&[Version::V3_1_1], refusal).await;
        let client = prefers_v5(&broker).client_id("c").connect_lazy().expect("legal options");
        let mut events = client.events();
        loop {
            match within(events.next()).await.expect("the client lives") {
                Event::VersionRefused { refused, next } => {
                    assert_eq!((refused, next), (Version::V5, Version::V3_1_1));
                    break;
                }
                Event::Reconnecting { .. } => panic!("it does not wait"),
                _ => {}
            }
        }
        assert_eq!(spoken(&client).await, Version::V3_1_1);
        let mut events = client.events();
        assert!(broker.kill_connection("c"));
        loop {
            match within(events.next()).await.expect("the client lives") {
                Event::VersionRefused { refused, .. } => panic!("{refused} was tried again"),
                Event::Connected(info) => {
                    assert_eq!(info.version, Version::V3_1_1);
                    break;
                }
                _ => {}
            }
        }
        goes_round(&client, QoS::ExactlyOnce).await;
    }
}

#[tokio::test]
async fn a_kept_session_falls_back_loses_nothing_and_stays() {
    for refusal in REFUSALS {
        let broker = broker(&[Version::V3_1_1], refusal).await;
        let session = Session::in_memory().fresh();
        let client =
            prefers_v5(&broker).client_id("c").session(session).connect_lazy().expect("legal options");
        let receipt = within(client.publish("a", "m").qos(QoS::ExactlyOnce).send()).await.expect("accepted");
        within(receipt).await.expect("it arrives");
        assert!(broker.kill_connection("c"));
        goes_round(&client, QoS::ExactlyOnce).await;
        let info = within(client.connection().connected()).await.expect("it is connected again");
        assert_eq!((info.version, info.session_present), (Version::V3_1_1, Some(true)));
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn a_broker_that_takes_no_version_is_an_error_after_each_was_tried() {
    for refusal in REFUSALS {
        let broker = broker(&[Version::V5], refusal).await;
        let url = format!("mqtt://{}", broker.address().expect("it listens on TCP"));
        let attempts = Attempts::default();
        let older = builder(&url).version(Version::V3_1_1).reconnect(Reconnect::Never);
        let error = within(attempts.count(older).connect()).await.unwrap_err();
        let reason = (refusal != VersionRefusal::Close).then_some(ReasonCode::UnsupportedProtocolVersion);
        assert_eq!(error.reason(), reason, "{error}");
        assert_eq!(attempts.made(), 2);
    }
}

#[tokio::test]
async fn without_a_fallback_one_version_is_tried() {
    let broker = broker(&[Version::V3_1_1], VersionRefusal::InClientsVersion).await;
    let url = format!("mqtt://{}", broker.address().expect("it listens on TCP"));
    let attempts = Attempts::default();
    let exact = attempts.count(Client::builder(&url).expect("a legal URL"));
    let error = within(exact.connect()).await.unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::UnsupportedProtocolVersion));
    assert_eq!(attempts.made(), 1);
}

#[tokio::test]
async fn what_only_5_0_has_fails_where_an_older_version_is_spoken_and_says_so() {
    let broker = broker(&[Version::V3_1_1], VersionRefusal::Close).await;
    let client = prefers_v5(&broker).connect_lazy().expect("legal options");
    let waits = client.publish("a", "m").qos(QoS::AtLeastOnce).user_property("k", "v").send();
    let receipt = within(waits).await.expect("nobody knows yet");
    let subscribed = client.subscribe("a").no_local().into_future();
    let (failed, subscribed) = within(async { tokio::join!(receipt, subscribed) }).await;
    let failed = failed.unwrap_err();
    assert!(matches!(failed.kind(), PublishErrorKind::Forbidden(_)), "{failed}");
    assert!(failed.to_string().contains("message properties need MQTT 5.0"), "{failed}");
    let SubscribeError::Refused { results } = subscribed.unwrap_err() else { panic!("it is refused") };
    assert_eq!(results[0].1, ReasonCode::UnsupportedProtocolVersion);

    let refused = within(client.publish("a", "m").user_property("k", "v").send()).await.unwrap_err();
    assert!(matches!(refused.kind(), PublishErrorKind::Request(RequestError::NeedsVersion5 { .. })));
    let refused = within(client.subscribe("a").no_local().into_future()).await.unwrap_err();
    assert!(matches!(refused, SubscribeError::Request(RequestError::NeedsVersion5 { .. })), "{refused}");
}

#[tokio::test]
async fn what_only_5_0_has_is_left_out_where_that_is_wished() {
    let broker = broker(&[Version::V3_1_1], VersionRefusal::Close).await;
    let strips = VersionFallback::to(Version::V3_1_1).strip();
    let builder = prefers_v5(&broker).version_fallback(strips).user_property("k", "v");
    let client = builder.connect_lazy().expect("legal options");
    let mut messages = within(client.subscribe("a").no_local().into_future()).await.expect("granted");
    let publish = client.publish("a", "m").qos(QoS::AtLeastOnce).user_property("k", "v");
    within(publish.into_future()).await.expect("acknowledged");
    let message = within(messages.next()).await.expect("it comes back, as nothing keeps it away");
    assert!(message.properties().is_none_or(|properties| properties.user_properties.is_empty()));
    broker.assert_no_violations();
}

#[tokio::test]
async fn options_that_the_older_version_lacks_are_refused_when_the_client_is_made() {
    let error = builder("mqtt://nowhere.invalid").user_property("k", "v").connect().await.unwrap_err();
    let ConnectError::Request(RequestError::NeedsVersion5 { option }) = error else { panic!("{error}") };
    assert_eq!(option, "user_properties");
}

#[tokio::test]
async fn as_many_are_in_flight_as_every_broker_of_the_older_version_takes() {
    let harbour = Harbour::new(64 * 1024);
    let fallback = VersionFallback::to(Version::V3_1_1);
    let client =
        harbour.builder(Version::V5).version_fallback(fallback).connect_lazy().expect("legal options");
    for _ in 0..30 {
        let receipt = within(client.publish("a", "m").qos(QoS::AtLeastOnce).send()).await;
        drop(receipt.expect("accepted"));
    }
    let mut first = harbour.accept(Version::V5).await;
    first.connect().await;
    drop(first);
    let mut second = harbour.connected(Version::V3_1_1).await;
    for _ in 0..20 {
        assert!(matches!(second.packet().await, Packet::Publish(_)));
    }
    assert!(timeout(SILENCE, second.next()).await.is_err(), "the 21st waits");
    assert!(matches!(client.state(), ConnectionState::Connected(_)));
}
