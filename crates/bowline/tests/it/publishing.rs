//! Publishing: from the builder to an honest end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline::proto::Bytes;
use bowline::proto::packet::{Ack, ConnAckProperties, Packet};
use bowline::{
    Backoff, Client, Event, MessageProperties, PublishErrorKind, QoS, ReasonCode, Session, Version,
};
use futures_core::Stream;

use crate::peer::{Harbour, Peer, within};
use crate::round_trip::{ALL_QOS, echoed};

const KIB_64: usize = 64 * 1024;

async fn pair(version: Version) -> (Client, Peer) {
    let harbour = Harbour::new(KIB_64);
    harbour.pair(harbour.builder(version), version).await
}

#[tokio::test]
async fn everything_that_is_set_on_a_message_is_in_its_publish() {
    let (client, mut peer) = pair(Version::V5).await;
    let publish = client.publish("a/b", "21.5").qos(QoS::AtLeastOnce).retain().payload_is_text();
    let publish = publish.expires_in(Duration::from_millis(1_500)).content_type("text/plain");
    let publish = publish.response_topic("re/a").correlation_data("7").user_property("k", "v");
    let _receipt = publish.user_property("k", "w").send().await.unwrap();
    let sent = peer.publish().await;
    assert_eq!((sent.topic.unwrap().as_str(), &sent.payload[..]), ("a/b", &b"21.5"[..]));
    assert!(sent.retain && !sent.dup);
    let MessageProperties {
        expiry_secs,
        user_properties,
        content_type,
        response_topic,
        correlation_data,
        ..
    } = *sent.properties.unwrap();
    assert_eq!(expiry_secs, Some(2));
    assert_eq!(content_type.unwrap().as_str(), "text/plain");
    assert_eq!(response_topic.unwrap().as_str(), "re/a");
    assert_eq!(correlation_data.unwrap(), "7");
    let user: Vec<(&str, &str)> =
        user_properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(user, [("k", "v"), ("k", "w")]);
}

#[tokio::test]
async fn a_message_that_cannot_be_is_an_error_that_says_why() {
    let (client, _peer) = pair(Version::V3_1_1).await;
    let text = |result: Result<_, bowline::PublishError>| result.map(drop).unwrap_err().to_string();
    assert_eq!(
        text(client.publish("a/#", "").await),
        "the topic has a wildcard at byte 2, which only filters may have"
    );
    assert_eq!(text(client.publish("", "").await), "the topic has no characters, the least is 1");
    assert_eq!(
        text(client.publish("a", "").user_property("k", "v").await),
        "message properties needs MQTT 5.0"
    );
    assert_eq!(
        text(client.publish("a", "").expires_in(Duration::ZERO).await),
        "expires_in is 0 s, allowed are 1 to 4294967295 s"
    );
    assert_eq!(
        text(client.publish("a", "").content_type("\0").await),
        "content_type contains U+0000 at byte 0"
    );
    assert!(client.topic("a/+").is_err());
}

#[tokio::test]
async fn a_refusal_by_the_broker_is_an_error_with_its_reason_and_text() {
    let (client, mut peer) = pair(Version::V5).await;
    for (qos, is_puback) in [(QoS::AtLeastOnce, true), (QoS::ExactlyOnce, false)] {
        let receipt = client.publish("a", "1").qos(qos).send().await.unwrap();
        let id = peer.publish().await.packet_id.unwrap();
        let ack = Ack::new(id, ReasonCode::QuotaExceeded);
        peer.send(if is_puback { Packet::PubAck(ack) } else { Packet::PubRec(ack) }).await;
        let error = within(receipt).await.unwrap_err();
        assert_eq!(error.to_string(), "the broker refused the message: quota exceeded (0x97)");
        assert!(error.is_certain());
    }
}

#[tokio::test]
async fn a_message_beyond_the_brokers_limits_is_an_error_when_it_is_published_and_when_it_waited() {
    let harbour = Harbour::new(KIB_64);
    let client = harbour.builder(Version::V5).connect_lazy().unwrap();
    let waited = client.publish("a", "1").qos(QoS::ExactlyOnce).send().await.unwrap();
    let mut peer = harbour.accept(Version::V5).await;
    peer.connect().await;
    let properties =
        ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..ConnAckProperties::default() };
    peer.connack_with(false, ReasonCode::Success, properties).await;
    let error = within(waited).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::Forbidden(_)));
    assert_eq!(&error.into_message().unwrap().payload[..], b"1");
    let error = client.publish("a", "2").qos(QoS::ExactlyOnce).await.unwrap_err();
    assert_eq!(error.to_string(), "the message has QoS 2, the server's maximum is 1");
}

#[tokio::test]
async fn receipts_live_across_reconnects_of_a_kept_session() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let backoff = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(10)).unwrap();
        let builder =
            harbour.builder(version).client_id("meter").session(Session::in_memory()).reconnect(backoff);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let mut receipts = Vec::new();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            receipts.push(client.publish("a", "1").qos(qos).send().await.unwrap());
        }
        let ids = [peer.publish().await.packet_id.unwrap(), peer.publish().await.packet_id.unwrap()];
        drop(peer);
        let mut peer = harbour.accept(version).await;
        peer.connect().await;
        peer.connack(true).await;
        for id in ids {
            let again = peer.publish().await;
            assert_eq!((again.dup, again.packet_id), (true, Some(id)));
        }
        peer.send(Packet::PubAck(Ack::success(ids[0]))).await;
        peer.send(Packet::PubRec(Ack::success(ids[1]))).await;
        assert!(matches!(peer.packet().await, Packet::PubRel(_)));
        peer.send(Packet::PubComp(Ack::success(ids[1]))).await;
        for receipt in receipts {
            within(receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_lost_session_had_in_flight_ends_honestly() {
    let harbour = Harbour::new(KIB_64);
    let backoff = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(10)).unwrap();
    let builder = harbour.builder(Version::V5).reconnect(backoff);
    let (client, mut peer) = harbour.pair(builder, Version::V5).await;
    let once = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let exactly = client.publish("a", "2").qos(QoS::ExactlyOnce).send().await.unwrap();
    peer.publish().await;
    peer.publish().await;
    drop(peer);
    let error = within(exactly).await.unwrap_err();
    assert!(!error.is_certain() && error.message().is_none());
    let mut peer = harbour.connected(Version::V5).await;
    let again = peer.publish().await;
    assert!(!again.dup, "a new session knows no earlier one");
    peer.send(Packet::PubAck(Ack::success(again.packet_id.unwrap()))).await;
    within(once).await.unwrap();
}

#[tokio::test]
async fn a_publication_can_be_cancelled_until_it_is_sent() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5).in_flight_max(1), Version::V5).await;
    let sent = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let waits = client.publish("a", "2").qos(QoS::AtLeastOnce).send().await.unwrap();
    assert!(!sent.cancel());
    assert!(waits.cancel());
    let error = within(waits).await.unwrap_err();
    assert_eq!(*error.kind(), PublishErrorKind::Cancelled);
    assert_eq!(&error.into_message().unwrap().payload[..], b"2");
    let id = peer.publish().await.packet_id.unwrap();
    peer.send(Packet::PubAck(Ack::success(id))).await;
    within(sent).await.unwrap();
    peer.is_silent().await;
}

#[tokio::test]
async fn a_failure_without_a_receipt_is_told_as_an_event() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let mut events = client.events();
    drop(client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap());
    let id = peer.publish().await.packet_id.unwrap();
    peer.send(Packet::PubAck(Ack::new(id, ReasonCode::NotAuthorized))).await;
    let Some(Event::PublishFailed { kind, .. }) = within(events.next()).await else { panic!("an event") };
    assert!(matches!(kind, PublishErrorKind::Rejected { reason: ReasonCode::NotAuthorized, .. }));
}

/// Numbers as payloads, one after the other, sometimes later.
pub(crate) struct Numbers {
    pub(crate) next: u32,
    pub(crate) end: u32,
}

impl Stream for Numbers {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.next += 1;
        if self.next.is_multiple_of(100) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready((self.next <= self.end).then(|| self.next.to_string()))
    }
}

#[tokio::test]
async fn a_whole_stream_is_published_and_acknowledged() {
    for version in Version::ALL {
        for qos in ALL_QOS {
            let client = echoed(version).await;
            let topic = client.topic("a").unwrap().qos(qos);
            let published = within(topic.publish_all(Numbers { next: 0, end: 1_999 })).await.unwrap();
            // Each hundredth is skipped.
            assert_eq!(published, 1_980);
        }
    }
}

#[tokio::test]
async fn publishing_a_stream_stops_at_the_first_failure_and_says_how_far_it_came() {
    let (client, mut peer) = pair(Version::V5).await;
    let topic = client.topic("a").unwrap().qos(QoS::AtLeastOnce);
    let refuses = async {
        for number in 0..3 {
            let id = peer.publish().await.packet_id.unwrap();
            let reason = if number < 2 { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
            peer.send(Packet::PubAck(Ack::new(id, reason))).await;
        }
    };
    let (published, ()) = tokio::join!(topic.publish_all(Numbers { next: 0, end: 50 }), refuses);
    let error = published.unwrap_err();
    assert_eq!(error.acknowledged(), 2);
    assert_eq!(
        error.to_string(),
        "message 3 was not acknowledged: the broker refused the message: quota exceeded (0x97)"
    );
}

#[tokio::test]
async fn flush_waits_for_the_last_acknowledgement_and_drain_ends_in_time() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let _receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let id = peer.publish().await.packet_id.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(30), client.flush()).await.is_err());
    peer.send(Packet::PubAck(Ack::success(id))).await;
    within(client.flush()).await.unwrap();
    let _receipt = client.publish("a", "2").qos(QoS::AtLeastOnce).send().await.unwrap();
    let (drained, ()) = tokio::join!(client.drain(Duration::from_millis(30)), async {
        peer.publish().await;
        peer.disconnected().await;
        drop(peer);
    });
    let error = drained.unwrap_err();
    assert_eq!((error.queued, error.in_flight), (0, 1));
}

/// A payload that runs code of the application when it is dropped.
struct Asks {
    client: Client,
    bytes: [u8; 3],
}

impl AsRef<[u8]> for Asks {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        // Locks; under the lock this would never return.
        self.client.stats();
    }
}

#[test]
fn a_payload_that_uses_the_client_when_it_is_dropped_does_not_lock_it_up() {
    let (done, finished) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for qos in ALL_QOS {
                let client = echoed(Version::V5).await;
                let asks = || Bytes::from_owner(Asks { client: client.clone(), bytes: *b"abc" });
                client.publish("a", asks()).qos(qos).await.unwrap();
                client.flush().await.unwrap();
                let offline = Arc::new(Harbour::new(KIB_64));
                let lazy = offline.builder(Version::V5).connect_lazy().unwrap();
                drop(lazy.publish("a", asks()).qos(qos).send().await.unwrap());
                let receipt = lazy.publish("a", asks()).qos(qos).send().await.unwrap();
                receipt.cancel();
                lazy.disconnect().await;
            }
        });
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(20)).expect("nothing waits for ever");
}

#[tokio::test]
async fn handles_and_receipts_are_short_when_they_are_printed_for_debugging() {
    let broker = bowline_broker::Broker::builder().start().await.unwrap();
    let url = format!("mqtt://{}", broker.address().unwrap());
    let client = bowline::Client::connect(&url).await.unwrap();
    let receipt = client.publish("a", "1").qos(bowline::QoS::AtLeastOnce).send().await.unwrap();
    for text in
        [format!("{client:?}"), format!("{receipt:?}"), format!("{:?}", client.publish("a", "secret"))]
    {
        assert!(text.len() < 600, "{} bytes: {text}", text.len());
        assert!(text.contains("connected"), "{text}");
    }
    client.disconnect().await;
}
