//! What goes out a second time, on another connection.

use bowline::proto::packet::ConnAckProperties;
use bowline::{QoS, ReasonCode, Version};

use crate::inbound::{KIB_64, kept};
use crate::peer::Harbour;

#[tokio::test]
async fn what_is_sent_again_names_its_topic_and_uses_no_alias_of_the_connection_before() {
    let harbour = Harbour::new(KIB_64);
    let version = Version::V5;
    let properties = || ConnAckProperties { topic_alias_maximum: Some(10), ..ConnAckProperties::default() };
    let accepts = async |session_present| {
        let mut peer = harbour.accept(version).await;
        peer.connect().await;
        peer.connack_with(session_present, ReasonCode::Success, properties()).await;
        peer
    };
    let (client, mut peer) = tokio::join!(kept(&harbour, version).connect(), accepts(false));
    let client = client.unwrap();
    let topic = client.topic("a/long/topic").unwrap().qos(QoS::AtLeastOnce);
    for _ in 0..5 {
        drop(topic.send("1").await.unwrap());
    }
    for _ in 0..5 {
        peer.publish().await;
    }
    drop(peer);
    let mut peer = accepts(true).await;
    for _ in 0..5 {
        let publish = peer.publish().await;
        assert!(publish.dup);
        assert_eq!(publish.topic.as_ref().map(|topic| topic.as_str()), Some("a/long/topic"));
        assert_eq!(publish.topic_alias, None);
    }
}
