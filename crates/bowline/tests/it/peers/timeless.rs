//! Nothing that can be done now waits for a timer. The clock of these tests jumps to the next timer when, and only when,
//! everybody waits.

use std::time::Duration;

use bowline::{Client, SendQueue, Version};
use bowline_broker::Broker;
use tokio::time::Instant;

use crate::round_trip::ALL_QOS;

#[tokio::test(start_paused = true)]
async fn messages_of_any_size_move_without_a_timer() {
    let broker = Broker::builder().without_tcp().start().await.unwrap();
    for version in Version::ALL {
        for qos in ALL_QOS {
            let start = Instant::now();
            let builder = Client::builder("mqtt://broker").unwrap().version(version);
            // One in flight and one that waits: each depends on the answer to the one before.
            let queue = SendQueue::new().messages_max(1).bytes_max(4_000_000);
            let builder = builder.send_queue(queue).in_flight_max(1).connector(broker.connector());
            let client = builder.connect().await.unwrap();
            let mut stream = client.subscribe("a").qos(qos).await.unwrap();
            for size in [1, 100, 10_000, 1_000_000, 0, 300_000] {
                for _ in 0..3 {
                    drop(client.publish("a", vec![b'x'; size]).qos(qos).send().await.unwrap());
                    assert_eq!(stream.next().await.unwrap().payload().len(), size);
                }
            }
            client.flush().await.unwrap();
            client.disconnect().await;
            assert_eq!(start.elapsed(), Duration::ZERO, "{version} {qos:?}");
        }
    }
    broker.assert_no_violations();
}
