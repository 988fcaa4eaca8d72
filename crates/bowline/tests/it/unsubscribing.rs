//! What is acknowledged when a filter ends while the application still has its messages.

use bowline::proto::packet::{Ack, AckProperties, Packet, Publish, SubAck};
use bowline::proto::types::SubscriptionIds;
use bowline::proto::{Bytes, PacketId};
use bowline::{QoS, ReasonCode, TopicName, Version};

use crate::peer::{Harbour, within};

fn publish(id: u16) -> Packet {
    Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        packet_id: PacketId::new(id),
        topic: TopicName::from_static("a").ok(),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::from_static(b"1"),
        properties: None,
    })
}

#[tokio::test]
async fn a_message_in_the_applications_hands_is_not_acknowledged_by_unsubscribing() {
    let harbour = Harbour::new(64 * 1024);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let subscribing = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("a").qos(QoS::AtLeastOnce).manual_ack().await }
    });
    let Packet::Subscribe(subscribe) = peer.packet().await else { panic!("SUBSCRIBE") };
    let (packet_id, reasons) = (subscribe.packet_id, vec![ReasonCode::GrantedQoS1]);
    let suback = SubAck { packet_id, reasons, properties: AckProperties::default() };
    peer.send(Packet::SubAck(Box::new(suback))).await;
    let mut stream = within(subscribing).await.unwrap().unwrap();

    peer.send(publish(7)).await;
    peer.send(publish(8)).await;
    let (_, ack) = within(stream.next()).await.unwrap().into_parts();
    let unsubscribing = tokio::spawn({
        let client = client.clone();
        async move { client.unsubscribe("a").await }
    });
    // Message 8 was not taken and goes, but in its turn: after 7, which the application has.
    assert!(matches!(peer.packet().await, Packet::Unsubscribe(_)));
    peer.is_silent().await;
    within(ack.ack()).await.unwrap();
    for id in [7, 8] {
        assert_eq!(peer.packet().await, Packet::PubAck(Ack::success(PacketId::new(id).unwrap())));
    }
    drop(unsubscribing);
}
