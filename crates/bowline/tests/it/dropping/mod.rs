//! Every public future, dropped after each number of polls: what its documentation promises holds at every point, nothing is
//! lost, doubled or left behind. The brokers are ours, which judge strictly.

#![expect(clippy::unwrap_used, reason = "the functions here are parts of tests")]

mod connecting;
mod list;
mod publishing;
mod receiving;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bowline::{Builder, Client, QoS, SendQueue, Version};
use bowline_broker::Broker;
use tokio::time::sleep;

use crate::peer::within;

/// More polls than any of the futures needs to get ready.
const POLLS_MAX: usize = 12;

/// Polls a future so many times, with a turn for everybody else between, and drops it; its output, if it got ready.
async fn polled<F: IntoFuture>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future.into_future());
    for _ in 0..times {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A broker inside the process.
async fn broker() -> Broker {
    Broker::builder().without_tcp().start().await.expect("nothing that can fail")
}

/// A builder of clients that send one message at a time, queue one more, and connect without a socket.
fn builder(broker: &Broker, version: Version) -> Builder<Client> {
    Client::builder("mqtt://broker")
        .expect("a legal URL")
        .version(version)
        .send_queue(SendQueue::new().messages_max(1))
        .in_flight_max(1)
        .connector(broker.connector())
}

async fn client(broker: &Broker, version: Version) -> Client {
    within(builder(broker, version).connect()).await.expect("the broker accepts")
}

/// Waits for something to become true.
async fn until(what: &str, is_true: impl Fn() -> bool) {
    let waits = async {
        while !is_true() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waits).await.is_ok(), "{what} does not happen");
}

/// Nothing is left of what was published or subscribed, and the client still works.
async fn assert_works_and_holds_nothing(broker: &Broker, client: &Client) {
    within(client.publish("works", "1").qos(QoS::ExactlyOnce)).await.expect("the client works");
    within(client.flush()).await.expect("the client works");
    let stats = client.stats();
    assert_eq!((stats.queued_messages, stats.queued_bytes), (0, 0));
    assert_eq!((stats.in_flight, stats.unwritten_bytes), (0, 0));
    until("the end of all streams", || client.stats().streams == 0).await;
    until("the end of all subscriptions", || broker.stats().subscriptions == 0).await;
    broker.assert_no_violations();
}
