//! What publishing costs on its way to the transport.

use std::sync::Arc;

use bowline::proto::Bytes;
use bowline::{Client, Version};

use crate::peer::{Harbour, Peer, within};
use crate::peers::counting::{Seen, Watching};

async fn watched(version: Version) -> (Client, Peer, Arc<Seen>) {
    let harbour = Harbour::new(16 * 1024 * 1024);
    let seen = Arc::<Seen>::default();
    let connector = Watching { inner: harbour.connector(), seen: seen.clone() };
    let (client, peer) = harbour.pair(harbour.builder(version).connector(connector), version).await;
    (client, peer, seen)
}

#[tokio::test]
async fn messages_that_are_published_together_share_a_write() {
    const MESSAGES: usize = 1_000;
    for version in Version::ALL {
        let (client, mut peer, seen) = watched(version).await;
        let (writes, bytes) = (seen.writes(), seen.bytes());
        for _ in 0..MESSAGES {
            drop(client.publish("a", "0123456789").try_send().unwrap());
        }
        for _ in 0..MESSAGES {
            peer.publish().await;
        }
        let writes = seen.writes() - writes;
        assert!(writes <= 3, "{writes} writes");
        // Two bytes of header, three of topic, one of properties in 5.0, and the payload: each once.
        let each = 15 + usize::from(version == Version::V5);
        assert_eq!(seen.bytes() - bytes, MESSAGES * each);
    }
}

#[tokio::test]
async fn a_large_payload_is_written_from_where_the_application_has_it() {
    for version in Version::ALL {
        let (client, mut peer, seen) = watched(version).await;
        let payload = Bytes::from(vec![b'x'; 1_000_000]);
        within(client.publish("a", payload.clone())).await.unwrap();
        assert_eq!(peer.publish().await.payload, payload);
        assert!(seen.has_written_from(payload.as_ptr()), "it was copied");
    }
}

#[tokio::test]
async fn a_message_of_megabytes_arrives_with_default_options_and_a_limit_that_was_set_is_named_by_the_loss() {
    use bowline::Event;
    use bowline_testkit::packets::qos0;

    const TEXT: &str = "0123456789";
    let large: &'static str = Box::leak(TEXT.repeat(1_200_000).into_boxed_str());
    for version in Version::ALL {
        let harbour = Harbour::new(16 * 1024 * 1024);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("a").into_future();
        let (stream, ()) = tokio::join!(subscribe, crate::subscribing::grant(&mut peer, &[0]));
        peer.send(qos0("a", large)).await;
        assert_eq!(within(stream.unwrap().next()).await.unwrap().payload().len(), large.len());

        let builder = harbour.builder(version).packet_bytes_max(10_000);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let mut events = client.events();
        peer.send(qos0("a", large)).await;
        let why = loop {
            if let Some(Event::Disconnected(why)) = within(events.next()).await {
                break why.to_string();
            }
        };
        assert!(why.contains("10000"), "{why}");
        assert!(matches!(within(events.next()).await, Some(Event::Reconnecting { attempt: 1, .. })));
    }
}
