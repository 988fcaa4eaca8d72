//! `subscribe`, `unsubscribe`, `onPublish`, and packets that are none.

use bowline::proto::packet::Packet;
use bowline::{DisconnectCause, PacketId, QoS, ReasonCode, Reconnect, SubscribeError, Version};
use bowline_testkit::packets::{again, publish, qos0};

use crate::peer::{Harbour, within};
use crate::subscribing::{grant, release};

const VERSIONS: [Version; 2] = [Version::V3_1, Version::V3_1_1];
const KIB_64: usize = 64 * 1024;

#[tokio::test]
async fn subscribe_takes_a_filter_a_filter_with_qos_or_a_list_and_says_what_was_granted() {
    for version in VERSIONS {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let (one, ()) = tokio::join!(client.subscribe("a").into_future(), grant(&mut peer, &[0]));
        assert_eq!(one.unwrap().granted()[0].1, ReasonCode::Success);
        release(&mut peer).await;
        let with_qos = client.subscribe("a").qos(QoS::ExactlyOnce).into_future();
        let (with_qos, ()) = tokio::join!(with_qos, grant(&mut peer, &[1]));
        let with_qos = with_qos.unwrap();
        assert_eq!(with_qos.granted()[0].1, ReasonCode::GrantedQoS1, "less than was asked for");
        let list = client.subscribe_many([("b", QoS::AtMostOnce), ("c/#", QoS::ExactlyOnce)]);
        let (list, ()) = tokio::join!(list.into_future(), grant(&mut peer, &[0, 2]));
        let mut list = list.unwrap();
        let granted: Vec<(&str, u8)> =
            list.granted().iter().map(|(filter, reason)| (filter.as_str(), reason.as_u8())).collect();
        assert_eq!(granted, [("b", 0), ("c/#", 2)]);
        let (results, filters) = tokio::join!(list.unsubscribe(), release(&mut peer));
        assert_eq!((results.unwrap().len(), &*filters), (2, &["b".to_owned(), "c/#".to_owned()][..]));
        let (results, filters) = tokio::join!(client.unsubscribe("a"), release(&mut peer));
        assert_eq!((results.unwrap().len(), &*filters), (1, &["a".to_owned()][..]));
    }
}

#[tokio::test]
async fn a_failed_subscription_has_its_failure_flag() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let list = client.subscribe_many([("a", QoS::AtMostOnce), ("b", QoS::AtMostOnce)]);
    let (list, ()) = tokio::join!(list.into_future(), grant(&mut peer, &[0, 0x80]));
    let flags: Vec<bool> = list.unwrap().granted().iter().map(|(_, reason)| reason.is_failure()).collect();
    assert_eq!(flags, [false, true]);
    assert_eq!(release(&mut peer).await, ["a"]);
    let (refused, ()) = tokio::join!(client.subscribe("c").into_future(), grant(&mut peer, &[0x80]));
    assert!(matches!(refused, Err(SubscribeError::Refused { .. })));
}

#[tokio::test]
async fn on_publish_gets_topic_payload_qos_dup_retain_and_message_id() {
    for version in VERSIONS {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let (sender, mut handled) = tokio::sync::mpsc::channel(10);
        let handler = client.on_message("#", move |message| {
            let sender = sender.clone();
            async move { sender.send(message).await.unwrap() }
        });
        let handler = handler.qos(QoS::ExactlyOnce).into_future();
        let (handler, ()) = tokio::join!(handler, grant(&mut peer, &[2]));
        let _handler = handler.unwrap();
        let mut retained = publish("a/b", "kept", QoS::AtLeastOnce, 7);
        retained.retain = true;
        peer.send(again(Packet::Publish(retained))).await;
        peer.send(qos0("c", "")).await;
        let message = within(handled.recv()).await.unwrap();
        assert_eq!((message.topic(), &message.payload()[..]), ("a/b", &b"kept"[..]));
        assert_eq!((message.qos(), message.dup(), message.retain()), (QoS::AtLeastOnce, true, true));
        assert_eq!(message.packet_id().map(PacketId::as_u16), Some(7));
        let message = within(handled.recv()).await.unwrap();
        assert_eq!((message.topic(), message.payload().len()), ("c", 0));
        assert_eq!((message.qos(), message.dup(), message.retain()), (QoS::AtMostOnce, false, false));
        assert_eq!(message.packet_id(), None);
    }
}

#[tokio::test]
async fn a_corrupt_packet_ends_the_connection_with_a_typed_error() {
    for version in Version::ALL {
        // A reserved type, a PUBLISH with QoS 3, a length of five bytes, a topic that is not UTF-8.
        let corrupt: [&[u8]; 4] = [
            &[0x00, 0x00],
            &[0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01],
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x30, 0x03, 0x00, 0x01, 0xFF],
        ];
        for bytes in corrupt {
            let harbour = Harbour::new(KIB_64);
            let builder = harbour.builder(version).reconnect(Reconnect::Never);
            let (client, mut peer) = harbour.pair(builder, version).await;
            peer.send_bytes(bytes).await;
            let ended = async {
                while within(peer.next()).await.is_some() {}
                drop(peer);
            };
            let mut watch = client.connection();
            let (why, ()) = tokio::join!(within(watch.ended()), ended);
            assert!(matches!(why.cause(), DisconnectCause::Protocol(_)), "{version} {bytes:?}: {why}");
        }
    }
}
