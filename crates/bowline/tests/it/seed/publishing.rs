//! `publish`, the window, and the sessions that keep what is in flight.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{Client, QoS, Version};

use crate::peer::{Harbour, Peer, within};

const VERSIONS: [Version; 2] = [Version::V3_1, Version::V3_1_1];

async fn pair(version: Version, in_flight_max: u16) -> (Client, Peer) {
    let harbour = Harbour::new(64 * 1024);
    harbour.pair(harbour.builder(version).in_flight_max(in_flight_max), version).await
}

#[tokio::test]
async fn publish_has_a_message_id_at_once_and_resolves_at_puback_or_pubcomp() {
    for version in VERSIONS {
        let (client, mut peer) = pair(version, 20).await;
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut receipt = client.publish("a", "1").qos(qos).send().await.unwrap();
            let id = receipt.packet_id().expect("the window is open");
            let publish = peer.publish().await;
            assert_eq!((publish.packet_id, publish.qos, publish.dup), (Some(id), qos, false));
            if qos == QoS::ExactlyOnce {
                peer.send(Packet::PubRec(Ack::success(id))).await;
                assert_eq!(peer.packet().await, Packet::PubRel(Ack::success(id)));
                assert!(tokio::time::timeout(Duration::from_millis(10), &mut receipt).await.is_err());
                peer.send(Packet::PubComp(Ack::success(id))).await;
            } else {
                assert!(tokio::time::timeout(Duration::from_millis(10), &mut receipt).await.is_err());
                peer.send(Packet::PubAck(Ack::success(id))).await;
            }
            within(receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn publish_with_qos_0_resolves_at_once_and_has_no_message_id() {
    for version in VERSIONS {
        let (client, mut peer) = pair(version, 20).await;
        let receipt = client.publish("a", "1").retain().send().await.unwrap();
        assert_eq!(receipt.packet_id(), None);
        within(receipt).await.unwrap();
        let publish = peer.publish().await;
        assert_eq!((publish.qos, publish.packet_id, publish.retain), (QoS::AtMostOnce, None, true));
    }
}

#[tokio::test]
async fn requests_beyond_the_window_wait_and_a_window_of_one_keeps_the_order_of_all_qos() {
    for version in VERSIONS {
        let (client, mut peer) = pair(version, 1).await;
        let mut receipts = Vec::new();
        for number in 0..20 {
            let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            receipts.push(client.publish("a", number.to_string()).qos(qos).send().await.unwrap());
        }
        assert_eq!((client.stats().in_flight, client.stats().queued_messages), (1, 19));
        for number in 0..20 {
            let publish = peer.publish().await;
            assert_eq!(&publish.payload[..], number.to_string().as_bytes());
            let id = publish.packet_id.unwrap();
            if publish.qos == QoS::ExactlyOnce {
                peer.send(Packet::PubRec(Ack::success(id))).await;
                assert_eq!(peer.packet().await, Packet::PubRel(Ack::success(id)), "and not the next one");
                peer.send(Packet::PubComp(Ack::success(id))).await;
            } else {
                peer.send(Packet::PubAck(Ack::success(id))).await;
            }
        }
        for receipt in receipts {
            within(receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_wider_window_has_so_many_messages_in_flight() {
    for version in VERSIONS {
        let (client, mut peer) = pair(version, 16).await;
        let mut receipts = Vec::new();
        for number in 0..20 {
            let publish = client.publish("a", number.to_string()).qos(QoS::AtLeastOnce);
            receipts.push(publish.send().await.unwrap());
        }
        let mut ids = Vec::new();
        for _ in 0..16 {
            ids.push(peer.publish().await.packet_id.unwrap());
        }
        peer.is_silent().await;
        assert_eq!((client.stats().in_flight, client.stats().queued_messages), (16, 4));
        for _ in 0..4 {
            peer.send(Packet::PubAck(Ack::success(ids.remove(0)))).await;
            ids.push(peer.publish().await.packet_id.unwrap());
        }
        for id in ids {
            peer.send(Packet::PubAck(Ack::success(id))).await;
        }
        for receipt in receipts {
            within(receipt).await.unwrap();
        }
    }
}
