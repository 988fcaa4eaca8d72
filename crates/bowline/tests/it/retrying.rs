//! Sending again while the connection lasts, as an application asks for it.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{ConnectError, QoS, Retry, Version};

use crate::peer::{Harbour, within};

const KIB_64: usize = 64 * 1024;

#[tokio::test]
async fn a_message_that_is_not_acknowledged_is_sent_again_with_dup_before_5_0() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let harbour = Harbour::new(KIB_64);
        let builder = harbour.builder(version).retry(Retry::after(Duration::from_millis(100)));
        let (client, mut peer) = harbour.pair(builder, version).await;
        let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
        let first = peer.publish().await;
        let again = peer.publish().await;
        assert!(!first.dup && again.dup);
        assert_eq!((first.packet_id, &first.payload), (again.packet_id, &again.payload));
        assert!(client.stats().sent_again >= 1);
        peer.send(Packet::PubAck(Ack::success(again.packet_id.expect("QoS 1")))).await;
        within(receipt).await.unwrap();
    }
}

// [MQTT-4.4.0-1]
#[tokio::test]
async fn retry_is_refused_for_5_0_with_the_name_of_the_option() {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5).retry(Retry::after(Duration::from_secs(10)));
    let refused = builder.connect_lazy().expect_err("5.0 forbids it");
    assert!(matches!(refused, ConnectError::Request(_)), "{refused:?}");
    assert_eq!(refused.to_string(), "retry is forbidden in 5.0 while the connection lasts");
}
