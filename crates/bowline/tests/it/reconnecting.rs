//! What a client does when connections and attempts end: what is sent again, what is given up, and where it goes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::proto::packet::{Ack, ConnAckProperties, Packet};
use bowline::{
    Backoff, Builder, Client, ConnectionState, Credentials, Event, LossClass, PublishErrorKind, QoS,
    ReasonCode, Session, Version,
};

use crate::peer::{Harbour, Peer, within};

const KIB_64: usize = 64 * 1024;

fn fast() -> Backoff {
    Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20)).expect("a legal backoff")
}

fn kept(builder: Builder<Client>) -> Builder<Client> {
    builder.client_id("meter-7").session(Session::in_memory()).reconnect(fast())
}

#[tokio::test]
async fn credentials_that_are_refused_are_asked_for_once_more_and_then_the_client_ends() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let builder = kept(harbour.builder(version)).credentials_provider(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Credentials::user_name(format!("user {number}"))) }
        });
        let (client, peer) = harbour.pair(builder, version).await;
        drop(peer);
        for user in ["user 1", "user 2"] {
            let mut peer = harbour.accept(version).await;
            let said = peer.connect().await.user_name;
            assert_eq!(said.as_ref().map(|said| said.as_str()), Some(user), "{version}");
            peer.connack_with(false, ReasonCode::NotAuthorized, ConnAckProperties::default()).await;
        }
        let why = within(client.connection().ended()).await;
        assert_eq!(
            (why.reason(), why.class()),
            (Some(ReasonCode::NotAuthorized), LossClass::FreshCredentials)
        );
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}

/// A broker that acknowledges QoS 1, answers pings, and closes at every QoS 2 PUBLISH, as NATS does. Returns what it
/// acknowledged on this connection, and whether it closed.
async fn serve_without_qos2(peer: &mut Peer, until: &str) -> (Vec<String>, bool) {
    let mut taken = Vec::new();
    loop {
        match peer.packet().await {
            Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => return (taken, true),
            Packet::Publish(publish) => {
                let payload =
                    String::from_utf8(publish.payload.to_vec()).expect("the test's payload is text");
                peer.send(Packet::PubAck(Ack::success(publish.packet_id.expect("QoS 1")))).await;
                taken.push(payload);
                if taken.last().is_some_and(|last| last == until) {
                    return (taken, false);
                }
            }
            Packet::PingReq => peer.send(Packet::PingResp).await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_broker_that_closes_at_every_qos_2_message_costs_that_message_and_no_other() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(kept(harbour.builder(version)), version).await;
        let mut events = client.events();
        let before = client.publish("t", "before").qos(QoS::AtLeastOnce).send().await.unwrap();
        let bad = client.publish("t", "bad").qos(QoS::ExactlyOnce).send().await.unwrap();
        let after = client.publish("t", "after").qos(QoS::AtLeastOnce).send().await.unwrap();
        let broker = async {
            let mut taken = Vec::new();
            let mut closes = 0;
            loop {
                let (more, has_closed) = serve_without_qos2(&mut peer, "after").await;
                taken.extend(more);
                if !has_closed {
                    return (taken, closes, peer);
                }
                closes += 1;
                drop(peer);
                peer = harbour.accept(version).await;
                peer.connect().await;
                peer.connack(true).await;
            }
        };
        let (taken, closes, _peer) = within(broker).await;
        assert_eq!((&taken[..], closes), (&["before".to_owned(), "after".to_owned()][..], 3), "{version}");
        within(before).await.expect("acknowledged");
        within(after).await.expect("acknowledged");
        let error = within(bad).await.unwrap_err();
        assert_eq!(*error.kind(), PublishErrorKind::Poison { closes: 3 });
        assert!(!error.is_certain(), "nobody knows whether the broker has it");
        loop {
            if let Event::Poison { topic, closes, .. } = within(events.next()).await.expect("it is told") {
                assert_eq!((topic.as_str(), closes), ("t", 3));
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_found_by_keep_alive_and_at_once_by_a_probe() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let second = Duration::from_secs(1);
        let builder = harbour.builder(version).keep_alive(60 * second).ping_timeout(5 * second);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let started = tokio::time::Instant::now();
        client.probe();
        assert!(matches!(peer.next().await, Some(Packet::PingReq)));
        let lost = |started: tokio::time::Instant| {
            let mut watch = client.connection();
            async move {
                while !matches!(watch.changed().await, ConnectionState::Waiting { .. }) {}
                started.elapsed().as_secs()
            }
        };
        assert_eq!(lost(started).await, 5, "{version}");
        // The peer of the next connection is silent from the start.
        let _peer = harbour.connected(version).await;
        let started = tokio::time::Instant::now();
        assert_eq!(lost(started).await, 59 + 5, "{version}");
    }
}
