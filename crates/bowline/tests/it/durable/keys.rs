//! Publications with a key: how they ended is known later, and nothing is published twice.

use std::future::Future;
use std::pin::pin;

use bowline::proto::packet::{Ack, Packet};
use bowline::store::{KeyState, StoredOutcome};
use bowline::{
    Client, KnownKey, OutcomeError, PublishError, PublishErrorKind, QoS, ReasonCode, RequestError, SendQueue,
    Session, Version,
};
use tokio::time::timeout;

use crate::durable::barriers::pair;
use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, Peer, SILENCE, within};

const DONE: StoredOutcome = StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false };

async fn send(client: &Client, payload: &'static str, key: &str) -> Result<bowline::Receipt, PublishError> {
    within(client.publish("a", payload).qos(QoS::AtLeastOnce).key(key).send()).await
}

async fn acknowledge(peer: &mut Peer) {
    let id = peer.publish().await.packet_id.expect("QoS 1 has one");
    peer.send(Packet::PubAck(Ack::success(id))).await;
}

fn known(error: &PublishError) -> KnownKey {
    match error.kind() {
        PublishErrorKind::KnownKey(known) => *known,
        other => panic!("it was refused for something else: {other:?}"),
    }
}

async fn is_pending<F: Future>(future: F) {
    assert!(timeout(SILENCE, future).await.is_err(), "it did not wait");
}

#[tokio::test]
async fn how_a_publication_ended_is_known_by_its_key_also_to_the_next_client() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    assert_eq!(within(client.outcome("invoice-17")).await.unwrap(), None);
    let receipt = send(&client, "x", "invoice-17").await.unwrap();
    let id = peer.publish().await.packet_id.unwrap();
    let mut outcome = pin!(client.outcome("invoice-17"));
    is_pending(&mut outcome).await;
    // Both are told once it is stored, and not before.
    let mut receipt = pin!(receipt);
    gate.set(Commits::Wait);
    peer.send(Packet::PubAck(Ack::new(id, ReasonCode::NotAuthorized))).await;
    is_pending(&mut receipt).await;
    is_pending(&mut outcome).await;
    gate.set(Commits::Succeed);
    let rejected = StoredOutcome::Rejected { reason: ReasonCode::NotAuthorized };
    assert_eq!(within(outcome).await.unwrap(), Some(rejected));
    assert!(matches!(within(receipt).await.unwrap_err().kind(), PublishErrorKind::Rejected { .. }));
    let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());
    assert!(matches!(within(client.outcome("invoice-17")).await, Err(OutcomeError::Ended)));

    let builder = harbour.builder(Version::V5).client_id("meter-7");
    let client = builder.session(Session::stored_in(gate.clone())).connect_lazy().unwrap();
    assert_eq!(within(client.outcome("invoice-17")).await.unwrap(), Some(rejected));
    assert_eq!(within(client.publisher().outcome("invoice-18")).await.unwrap(), None);
}

#[tokio::test]
async fn an_outcome_is_waited_for_across_a_restart_wherever_its_message_is() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let build = || {
        let queue = SendQueue::new().memory_bytes_max(3);
        let builder = harbour.builder(Version::V5).client_id("meter-7").send_queue(queue).in_flight_max(1);
        builder.session(Session::stored_in(gate.clone()))
    };
    let (client, mut peer) =
        tokio::join!(build().connect(), crate::durable::barriers::accept_anew(&harbour, Version::V5));
    let client = client.unwrap();
    for key in ["in flight", "in memory", "in the store"] {
        drop(send(&client, "x", key).await.unwrap());
    }
    peer.publish().await;
    let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());
    let client = build().connect_lazy().unwrap();
    let asking = ["in flight", "in memory", "in the store"].map(|key| {
        let client = client.clone();
        tokio::spawn(async move { client.outcome(key).await })
    });
    let mut peer = harbour.accept(Version::V5).await;
    peer.connect().await;
    peer.connack(true).await;
    for _ in 0..3 {
        acknowledge(&mut peer).await;
    }
    for asked in asking {
        assert_eq!(within(asked).await.unwrap().unwrap(), Some(DONE));
    }
}

#[tokio::test]
async fn a_key_that_is_known_is_refused_and_the_error_says_what_became_of_it() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let receipt = send(&client, "first", "k").await.unwrap();
    let error = send(&client, "second", "k").await.unwrap_err();
    assert_eq!(known(&error), KnownKey::Pending);
    assert_eq!(error.to_string(), "the key is that of an earlier message: it has not ended");
    assert_eq!(&error.into_message().unwrap().payload[..], b"second");
    acknowledge(&mut peer).await;
    within(receipt).await.unwrap();
    let publish = client.publish("a", "third").qos(QoS::ExactlyOnce).key("k");
    let error = within(publish).await.unwrap_err();
    assert_eq!(known(&error), KnownKey::Ended(DONE));
    assert!(!error.is_certain());
    peer.is_silent().await;
}

#[tokio::test]
async fn of_two_who_use_a_key_at_the_same_time_one_publishes() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    for round in 0..20 {
        let key = format!("k{round}");
        let (one, other) = tokio::join!(send(&client, "x", &key), send(&client, "x", &key));
        let (published, refused) = match (one, other) {
            (Ok(receipt), Err(error)) | (Err(error), Ok(receipt)) => (receipt, error),
            both => panic!("one and only one is accepted: {both:?}"),
        };
        assert_eq!(known(&refused), KnownKey::Pending);
        acknowledge(&mut peer).await;
        within(published).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_of_a_send_that_was_dropped_or_not_stored_is_free_again() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    gate.set(Commits::Wait);
    let before = gate.begun();
    let other = client.publish("a", "keeps the store busy").qos(QoS::AtLeastOnce).try_send().unwrap();
    gate.until_begun(before + 1).await;
    {
        // Dropped while the store is asked.
        let mut sending = pin!(client.publish("a", "x").qos(QoS::AtLeastOnce).key("k").send());
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(sending.as_mut().poll(cx).is_ready()));
        assert!(!polled.await);
    }
    gate.set(Commits::Fail);
    assert_eq!(within(other).await.unwrap_err().kind(), &PublishErrorKind::StoreFailed);
    let error = send(&client, "x", "k").await.unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::StoreFailed);
    gate.set(Commits::Succeed);
    let receipt = loop {
        match send(&client, "x", "k").await {
            Ok(receipt) => break receipt,
            Err(error) => assert_eq!(error.kind(), &PublishErrorKind::StoreFailed),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    acknowledge(&mut peer).await;
    within(receipt).await.unwrap();
    assert_eq!(gate.session().outcome("k"), KeyState::Ended(DONE));
}

#[tokio::test]
async fn a_key_needs_a_durable_session_qos_1_and_a_legal_text() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, _peer) = pair(&harbour, &gate, Version::V5).await;
    let is_about_key = |error: PublishError| match error.kind() {
        PublishErrorKind::Request(RequestError::Option { option, .. })
        | PublishErrorKind::Option { option, .. } => assert_eq!(*option, "key"),
        other => panic!("{other:?}"),
    };
    is_about_key(within(client.publish("a", "qos 0").key("k")).await.unwrap_err());
    let publish = || client.publish("a", "x").qos(QoS::AtLeastOnce);
    is_about_key(client.publish("a", "qos 0").key("k").try_send().unwrap_err());
    is_about_key(within(publish().key("nul \0")).await.unwrap_err());
    let (clean, _peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    is_about_key(within(clean.publish("a", "x").qos(QoS::AtLeastOnce).key("k")).await.unwrap_err());
    assert!(matches!(within(clean.outcome("k")).await, Err(OutcomeError::NotDurable)));
}

#[cfg(feature = "blocking")]
#[test]
fn a_blocking_client_has_keys_and_outcomes_too() {
    use bowline::blocking::{Client, WaitError};
    use bowline::store::MemoryStore;
    use std::time::Duration;

    let harbour = Harbour::new(64 * 1024);
    let builder = Client::builder("mqtt://peer").unwrap().connector(harbour.connector());
    let client = builder.client_id("meter-7").session(Session::stored_in(MemoryStore::new())).connect_lazy();
    let client = client.unwrap();
    let publish = || client.publish("a", "x").qos(QoS::AtLeastOnce).key("k");
    assert_eq!(client.outcome("k").unwrap(), None);
    drop(publish().send().unwrap());
    assert_eq!(known(&publish().call().unwrap_err()), KnownKey::Pending);
    let waited = client.publisher().outcome_timeout("k", Duration::from_millis(20));
    assert!(matches!(waited, Err(WaitError::TimedOut)), "{waited:?}");
}
