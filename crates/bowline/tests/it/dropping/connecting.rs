//! Futures that connect, wait for connections, and end them.

use std::time::Duration;

use bowline::store::MemoryStore;
use bowline::{Client, ConnectionState, Publisher, QoS, Session, Subscriber, Version};
use bowline_broker::Broker;
use tokio::runtime::Handle;

use crate::dropping::{POLLS_MAX, assert_works_and_holds_nothing, broker, builder, client, polled, until};
use crate::peer::{Harbour, within};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_dropped_connect_leaves_no_task_and_no_connection() {
    for version in Version::ALL {
        let mut ready = 0;
        let others = tasks();
        let broker = broker().await;
        let before = tasks();
        for polls in 0..=2 * POLLS_MAX {
            let plain = polled(builder(&broker, version).connect(), polls).await;
            ready += usize::from(plain.is_some_and(|client| client.is_ok()));
            drop(polled(builder(&broker, version).unrouted(10).connect(), polls).await);
            until("the end of all tasks", || tasks() == before).await;
            until("the end of all connections", || broker.stats().clients == 0).await;
            broker.assert_no_violations();
        }
        assert!(ready > 0, "some got their client");
        drop(broker);
        until("the end of the broker", || tasks() == others).await;
    }
}

#[tokio::test]
async fn a_dropped_connect_to_a_url_leaves_none_either() {
    let broker = Broker::builder().start().await.unwrap();
    let url = format!("mqtt://{}", broker.address().unwrap());
    let before = tasks();
    for polls in 0..=2 * POLLS_MAX {
        drop(polled(Client::connect(&url), polls).await);
        drop(polled(Publisher::connect(&url), polls).await);
        drop(polled(Subscriber::connect(&url), polls).await);
        until("the end of all tasks", || tasks() == before).await;
        until("the end of all connections", || broker.stats().clients == 0).await;
    }
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_dropped_start_leaves_no_task_and_a_store_that_is_free() {
    let harbour = Harbour::new(64 * 1024);
    let before = tasks();
    for polls in 0..=POLLS_MAX {
        let store = MemoryStore::new();
        let builder = || {
            let session = Session::stored_in(store.clone());
            harbour.builder(Version::V5).client_id("meter-7").session(session)
        };
        drop(polled(builder().start(), polls).await);
        drop(polled(builder().unrouted(10).start(), polls).await);
        until("the end of all tasks", || tasks() == before).await;
        drop(within(builder().start()).await.unwrap());
        until("the end of all tasks", || tasks() == before).await;
    }
}

#[tokio::test]
async fn a_dropped_flush_or_drain_or_wait_changes_nothing() {
    for version in Version::ALL {
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let client = client(&broker, version).await;
            let receipt = client.publish("a", "1").qos(QoS::ExactlyOnce).send().await.unwrap();
            drop(polled(client.flush(), polls).await);
            let mut watch = client.connection();
            assert!(polled(watch.ended(), polls).await.is_none());
            drop(polled(watch.connected(), polls).await);
            within(receipt).await.unwrap();
            let receipt = client.publish("a", "2").qos(QoS::ExactlyOnce).send().await.unwrap();
            // One poll is too early for anything to be drained.
            assert!(polled(client.drain(Duration::from_secs(60)), polls.min(1)).await.is_none());
            within(receipt).await.unwrap();
            assert_works_and_holds_nothing(&broker, &client).await;
        }
    }
}

#[tokio::test]
async fn a_dropped_drain_that_had_nothing_left_to_wait_for_disconnects_or_does_nothing() {
    for polls in 0..=POLLS_MAX {
        let broker = broker().await;
        let client = client(&broker, Version::V5).await;
        drop(client.publish("a", "1").qos(QoS::ExactlyOnce).send().await.unwrap());
        polled(client.drain(Duration::from_secs(60)), polls).await;
        tokio::task::yield_now().await;
        if let Ok(receipt) = client.publish("a", "2").qos(QoS::ExactlyOnce).try_send() {
            within(receipt).await.expect("a client that accepts goes on");
        } else {
            assert!(within(client.connection().ended()).await.is_requested());
        }
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn a_dropped_disconnect_or_abort_ends_the_client_if_it_was_polled() {
    for version in Version::ALL {
        for polls in 0..=POLLS_MAX {
            for aborts in [false, true] {
                let broker = broker().await;
                let client = client(&broker, version).await;
                if aborts {
                    polled(client.abort(), polls).await;
                } else {
                    polled(client.disconnect(), polls).await;
                }
                if polls == 0 {
                    assert_works_and_holds_nothing(&broker, &client).await;
                } else {
                    assert!(within(client.connection().ended()).await.is_requested());
                    until("the end of the connection", || broker.stats().clients == 0).await;
                }
                broker.assert_no_violations();
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_changed_misses_no_change_and_a_dropped_connected_can_be_awaited_again() {
    for polls in 0..=POLLS_MAX {
        let harbour = Harbour::new(64 * 1024);
        let client = harbour
            .builder(Version::V3_1_1)
            .client_id("watched")
            .session(Session::in_memory())
            .connect_lazy()
            .unwrap();
        let mut watch = client.connection();
        let mut connected = client.connection();
        assert!(polled(connected.connected(), polls).await.is_none());
        assert!(matches!(watch.state(), ConnectionState::Connecting));
        let mut states = Vec::new();
        states.extend(polled(watch.changed(), polls).await);
        let _peer = harbour.connected(Version::V3_1_1).await;
        states.extend(polled(watch.changed(), polls).await);
        within(connected.connected()).await.unwrap();
        while !matches!(states.last(), Some(ConnectionState::Connected(_))) {
            states.push(within(watch.changed()).await);
        }
        assert!(polled(watch.changed(), polls).await.is_none(), "and it is told once");
    }
}
