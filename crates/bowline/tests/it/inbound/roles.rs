//! What a role does with messages that no stream wants, and with packets that nobody asked for.

use bowline::proto::packet::{Ack, Packet};
use bowline::{Publisher, QoS, ReasonCode, Session, Subscriber, Unmatched, Version};
use bowline_testkit::packets::{again, packet_id, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2};

use crate::inbound::{KIB_64, acknowledged};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn a_publisher_leaves_messages_to_the_broker_and_goes_on() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let builder = Publisher::builder("mqtt://peer").unwrap().version(version).client_id("meter");
        let builder = builder.session(Session::in_memory()).connector(harbour.connector());
        let (publisher, mut peer) = tokio::join!(builder.connect(), harbour.connected(version));
        let publisher = publisher.unwrap();
        for id in 1..=3 {
            peer.send(qos1("in", "1", id)).await;
            peer.send(qos2("in", "2", id + 100)).await;
        }
        peer.is_silent().await;
        assert_eq!(publisher.stats().unmatched_left, 6);
        let publish = publisher.publish("out", "1").qos(QoS::AtLeastOnce);
        let answered = async {
            let publish = peer.publish().await;
            peer.send(Packet::PubAck(Ack::success(publish.packet_id.unwrap()))).await;
        };
        let (published, ()) = tokio::join!(within(publish), answered);
        published.unwrap();
    }
}

#[tokio::test]
async fn an_unrouted_stream_gets_messages_also_where_they_would_be_left_to_the_broker() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let builder = Publisher::builder("mqtt://peer").unwrap().version(version);
        let builder = builder.connector(harbour.connector()).unrouted(10);
        let (connected, mut peer) = tokio::join!(builder.connect(), harbour.connected(version));
        let (publisher, mut unrouted) = connected.unwrap();
        for message in [qos0("in", "0"), qos1("in", "1", 1), qos2("in", "2", 2)] {
            peer.send(message).await;
        }
        for text in ["0", "1", "2"] {
            assert_eq!(within(unrouted.next()).await.unwrap().text(), Ok(text));
        }
        for id in 1..=2 {
            assert_eq!(acknowledged(&mut peer).await, (id, ReasonCode::Success));
        }
        for message in [qos1("in", "3", 3), qos2("in", "4", 4)] {
            peer.send(message).await;
        }
        peer.is_silent().await;
        drop(unrouted);
        peer.send(qos1("in", "5", 5)).await;
        peer.is_silent().await;
        assert_eq!(publisher.stats().unmatched_left, 3);
        // What comes again is left again, as if it had never been there.
        peer.send(again(qos1("in", "3", 3))).await;
        peer.is_silent().await;
        assert_eq!(publisher.stats().unmatched_left, 4);
    }
}

#[tokio::test]
async fn a_subscriber_holds_messages_for_a_later_stream_unless_it_is_to_acknowledge_them() {
    for version in Version::ALL {
        for unmatched in [None, Some(Unmatched::Acknowledge)] {
            let harbour = Harbour::new(KIB_64);
            let mut builder = Subscriber::builder("mqtt://peer").unwrap().version(version);
            if let Some(unmatched) = unmatched {
                builder = builder.unmatched(unmatched);
            }
            let builder = builder.connector(harbour.connector());
            let (subscriber, mut peer) = tokio::join!(builder.connect(), harbour.connected(version));
            let subscriber = subscriber.unwrap();
            peer.send(qos1("in", "early", 1)).await;
            if unmatched.is_some() {
                assert_eq!(acknowledged(&mut peer).await, (1, ReasonCode::Success));
                assert_eq!(subscriber.stats().unmatched_acknowledged, 1);
                continue;
            }
            peer.is_silent().await;
            let subscribe = subscriber.subscribe("in").qos(QoS::AtLeastOnce);
            let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
            assert_eq!(within(stream.unwrap().next()).await.unwrap().text(), Ok("early"));
            assert_eq!(acknowledged(&mut peer).await.0, 1);
        }
    }
}

#[tokio::test]
async fn answers_to_nothing_are_counted_and_what_wants_an_answer_gets_one() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let ok = ReasonCode::Success;
        let unknown = if version == Version::V5 { ReasonCode::PacketIdentifierNotFound } else { ok };
        for packet in [puback(70, ok), pubcomp(71, ok), pubrec(72, ok), pubrel(73, ok)] {
            peer.send(packet).await;
        }
        assert_eq!(peer.packet().await, pubrel(72, unknown));
        assert_eq!(peer.packet().await, pubcomp(73, unknown));
        assert_eq!(client.stats().unknown_acknowledgements, 3);
        let publish = client.publish("out", "2").qos(QoS::ExactlyOnce);
        let answered = async {
            let id = peer.publish().await.packet_id.unwrap().as_u16();
            if version == Version::V5 {
                for _ in 0..2 {
                    peer.send(pubrec(id, ok)).await;
                    assert_eq!(peer.packet().await, pubrel(id, ok), "again for another PUBREC");
                }
                peer.send(pubcomp(id, ok)).await;
            } else {
                peer.send(Packet::PubAck(Ack::success(packet_id(id)))).await;
            }
        };
        let (published, ()) = tokio::join!(within(publish), answered);
        assert_eq!(published.unwrap().is_downgraded(), version != Version::V5);
    }
}
