//! The client over every transport but plain TCP, against our own broker: messages at every QoS in every version, large
//! ones, and lines that are cut.

mod custom;
#[cfg(unix)]
pub(crate) mod directory;
#[cfg(all(unix, feature = "tls", feature = "websocket"))]
mod faults;
#[cfg(feature = "websocket")]
mod mosquitto;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod secure_websocket;
mod tcp;
#[cfg(unix)]
mod unix;
#[cfg(feature = "websocket")]
mod websocket;

use std::time::Duration;

use bowline::{Backoff, Builder, Client, Version};
use bowline_broker::FaultLink;

use crate::peer::{PATIENCE, within};
use crate::round_trip::ALL_QOS;

/// Small ones at every QoS, then one that no buffer on the way holds.
pub(crate) async fn messages_cross_in_every_version(builder: impl Fn(Version) -> Builder<Client>) {
    for version in Version::ALL {
        messages_cross(builder(version), 100, 200_000).await;
    }
}

/// Connects again soon after a loss.
pub(crate) fn impatient(builder: Builder<Client>) -> Builder<Client> {
    let (least, most) = (Duration::from_millis(10), Duration::from_millis(100));
    builder.reconnect(Backoff::full_jitter(least, most).expect("a legal backoff"))
}

/// Waits until the line has carried so many connections.
pub(crate) async fn reconnected(link: &FaultLink, connections: u64) {
    while link.stats().connections < connections {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// So many small ones at every QoS, and one of so many bytes.
pub(crate) async fn messages_cross(builder: Builder<Client>, messages: usize, large_bytes: usize) {
    let client = within(builder.connect()).await.expect("the broker accepts");
    for qos in ALL_QOS {
        let topic = format!("numbers/{}", qos as u8);
        let mut stream = within(client.subscribe(topic.as_str()).qos(qos)).await.expect("a subscription");
        let publisher = client.topic(topic.as_str()).expect("a legal topic").qos(qos);
        let sending = tokio::spawn(async move {
            for number in 0..messages {
                drop(publisher.send(number.to_string()).await.expect("accepted"));
            }
            let receipt = publisher.send(vec![7; large_bytes]).await.expect("accepted");
            receipt.await.expect("acknowledged");
        });
        for number in 0..messages {
            let message = within(stream.next()).await.expect("a message");
            assert_eq!((message.text(), message.qos()), (Ok(&*number.to_string()), qos));
        }
        assert_eq!(within(stream.next()).await.expect("a message").payload().len(), large_bytes);
        within(sending).await.expect("all was sent");
    }
    within(client.drain(PATIENCE)).await.expect("all is settled");
}
