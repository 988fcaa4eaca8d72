//! Every kind of fault, one at a time: the client notices it, comes back by itself, and nothing is lost.

use std::time::Duration;

use bowline::{Backoff, Client, Event, QoS, Session, Version};
use bowline_broker::{Broker, Direction, Fault, FaultLink};
use tokio::time::timeout;

use super::soon;

const PATIENCE: Duration = Duration::from_secs(20);

/// A client of our broker over a line, in process, and what happens to it.
struct Scene {
    broker: Broker,
    link: FaultLink,
    client: Client,
    stream: bowline::Subscription,
    events: bowline::Events,
}

impl Scene {
    async fn new(version: Version) -> Self {
        Self::with_ping_timeout(version, Duration::from_millis(100)).await
    }

    async fn with_ping_timeout(version: Version, ping_timeout: Duration) -> Self {
        let broker = Broker::builder().without_tcp().start().await.expect("the broker starts");
        let link = FaultLink::in_process(broker.connector());
        let builder = Client::builder("mqtt://link").expect("a legal URL").connector(link.connector());
        let backoff: Backoff = soon();
        let client = builder
            .version(version)
            .client_id("kinds")
            .session(Session::in_memory())
            .reconnect(backoff)
            .keep_alive(Duration::from_secs(1))
            .ping_timeout(ping_timeout)
            .connect_timeout(Duration::from_millis(500))
            .connect()
            .await
            .expect("the line is whole yet");
        let stream = client.subscribe("kinds").qos(QoS::ExactlyOnce).await.expect("granted");
        let events = client.events();
        Self { broker, link, client, stream, events }
    }

    /// Publishes over the line as it is, and then waits for what becomes of it.
    async fn publish_and_receive(&mut self, text: &str) {
        let receipt = self.client.publish("kinds", text.to_owned()).qos(QoS::ExactlyOnce).send().await;
        let receipt = receipt.expect("accepted");
        timeout(PATIENCE, receipt).await.expect("in time").expect("acknowledged");
        let message = timeout(PATIENCE, self.stream.next()).await.expect("in time").expect("a message");
        assert_eq!(message.text(), Ok(text));
    }

    async fn until(&mut self, is_it: impl Fn(&Event) -> bool) {
        let waiting = async {
            while let Some(event) = self.events.next().await {
                if is_it(&event) {
                    return;
                }
            }
            panic!("the client has ended");
        };
        timeout(PATIENCE, waiting).await.expect("it happens in time");
    }

    async fn until_lost(&mut self) {
        self.until(|event| matches!(event, Event::Disconnected(_))).await;
    }

    async fn end(self) {
        let stats = self.client.stats();
        assert_eq!((stats.in_flight, stats.queued_messages), (0, 0));
        self.client.disconnect().await;
    }
}

#[tokio::test]
async fn cuts_and_half_closes_in_either_direction_are_noticed_and_mended() {
    for version in Version::ALL {
        let mut scene = Scene::new(version).await;
        for direction in [Direction::ToBroker, Direction::ToClient] {
            for fault in [Fault::Cut, Fault::HalfClose] {
                for bytes in 0..12 {
                    scene.link.fault_after(direction, bytes, fault);
                    scene.publish_and_receive(&format!("{direction:?} {fault:?} {bytes}")).await;
                }
            }
        }
        let stats = scene.link.stats();
        assert_eq!((stats.cuts, stats.half_closes), (24, 24), "all of them struck");
        scene.broker.assert_no_violations();
        scene.end().await;
    }
}

#[tokio::test]
async fn a_corrupted_byte_from_the_broker_ends_the_connection_and_no_more() {
    for version in Version::ALL {
        let mut scene = Scene::new(version).await;
        // The first byte of the next packet: its type becomes another, and its flags are wrong.
        scene.link.fault_after(Direction::ToClient, 0, Fault::Corrupt);
        scene.publish_and_receive("after the corruption").await;
        scene.until_lost().await;
        assert_eq!(scene.link.stats().corrupted, 1);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_line_that_falls_silent_is_given_up_after_the_ping_timeout() {
    for version in Version::ALL {
        let mut scene = Scene::new(version).await;
        scene.link.stall(Direction::ToClient);
        scene.until_lost().await;
        scene.link.go_on(Direction::ToClient);
        scene.publish_and_receive("after the silence").await;
        scene.broker.assert_no_violations();
        scene.end().await;
    }
}

#[tokio::test]
async fn refused_connections_are_tried_again_until_one_is_accepted() {
    let mut scene = Scene::new(Version::V5).await;
    scene.link.refuse_for(PATIENCE * 2);
    assert_eq!(scene.link.cut(), 1);
    let refusals = async {
        while scene.link.stats().refused < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, refusals).await.expect("it goes on trying");
    scene.link.heal();
    scene.publish_and_receive("after the refusals").await;
    let refused = scene.link.stats().refused;
    assert!((5..200).contains(&refused), "{refused} refusals");
    scene.end().await;
}

#[tokio::test]
async fn a_slow_and_narrow_line_loses_nothing() {
    // It is not about how slow a line may be.
    let mut scene = Scene::with_ping_timeout(Version::V5, PATIENCE).await;
    for direction in [Direction::ToBroker, Direction::ToClient] {
        scene.link.set_delay(direction, Duration::from_millis(20));
        scene.link.set_throttle(direction, Some(200_000));
    }
    for number in 0..10 {
        scene.publish_and_receive(&format!("{number} {}", "x".repeat(1_000))).await;
    }
    assert_eq!(scene.link.stats().connections, 1, "it was never lost");
    scene.end().await;
}
