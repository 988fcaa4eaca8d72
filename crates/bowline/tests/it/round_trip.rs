//! The main job: messages out and in, at every QoS, in every version.

use bowline::{Client, QoS, Receipt, Version};

use crate::echo;
use crate::peer::{Harbour, within};

pub(crate) const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A client of a broker that sends back what the client subscribed to.
pub(crate) async fn echoed(version: Version) -> Client {
    let harbour = Harbour::new(64 * 1024);
    let (client, peer) = harbour.pair(harbour.builder(version), version).await;
    tokio::spawn(echo::serve(peer));
    client
}

#[tokio::test]
async fn messages_go_out_and_come_back_at_every_qos_in_every_version() {
    const MESSAGES: usize = 2_000;
    for version in Version::ALL {
        for qos in ALL_QOS {
            let client = echoed(version).await;
            let mut stream = within(client.subscribe("out/#").qos(qos)).await.unwrap();
            let topic = client.topic("out/numbers").unwrap().qos(qos);
            let sending = tokio::spawn(async move {
                let mut receipts: Vec<Receipt> = Vec::new();
                for number in 0..MESSAGES {
                    receipts.push(topic.send(number.to_string()).await.unwrap());
                }
                for receipt in receipts {
                    receipt.await.unwrap();
                }
            });
            for number in 0..MESSAGES {
                let message = within(stream.next()).await.unwrap();
                assert_eq!((message.topic(), message.text()), ("out/numbers", Ok(&*number.to_string())));
                assert_eq!((message.qos(), message.packet_id().is_some()), (qos, qos != QoS::AtMostOnce));
            }
            within(sending).await.unwrap();
            within(client.flush()).await.unwrap();
            assert_eq!((client.stats().in_flight, client.stats().queued_messages), (0, 0));
        }
    }
}
