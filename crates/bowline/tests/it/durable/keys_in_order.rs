//! Many publications with keys at the same time: in the order in which they were started, together on the disk, and each key once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bowline::proto::packet::{Ack, Packet};
use bowline::store::{KeyState, StoreErrorKind, StoredOutcome};
use bowline::{
    Client, Event, KnownKey, OnFull, PublishError, PublishErrorKind, QoS, Receipt, SendQueue, Session,
    Version,
};
use tokio::time::timeout;

use crate::durable::barriers::pair;
use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, Peer, SILENCE, within};

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>> + Send + 'a>>;

/// A send that was begun: polled once, and not ready.
async fn begun(client: &Client, payload: String, key: Option<String>) -> Sending<'_> {
    let publish = client.publish("a", payload).qos(QoS::AtLeastOnce);
    let publish = if let Some(key) = key { publish.key(key) } else { publish };
    let mut sending: Sending<'_> = Box::pin(publish.send());
    let is_ready = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())).await;
    assert!(!is_ready, "the store has not said anything yet");
    sending
}

fn is_known(error: &PublishError, known: KnownKey) -> bool {
    error.kind() == &PublishErrorKind::KnownKey(known)
}

async fn acknowledge(peer: &mut Peer) -> String {
    let publish = peer.publish().await;
    peer.send(Packet::PubAck(Ack::success(publish.packet_id.expect("QoS 1 has one")))).await;
    String::from_utf8(publish.payload.to_vec()).expect("the payloads are text")
}

#[tokio::test]
async fn messages_with_and_without_keys_go_out_in_the_order_in_which_they_were_started_and_share_commits() {
    for version in Version::ALL {
        let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
        let (client, mut peer) = pair(&harbour, &gate, version).await;
        gate.set(Commits::Wait);
        let before = gate.batches().len();
        let mut sending = Vec::new();
        for number in 0..60 {
            let key = (number % 3 != 0).then(|| format!("k{number}"));
            if number % 5 == 4 {
                // Without waiting it is the same.
                let publish = client.publish("a", number.to_string()).qos(QoS::AtLeastOnce);
                drop(publish.key(format!("k{number}")).try_send().unwrap());
            } else {
                sending.push(begun(&client, number.to_string(), key).await);
            }
            if number % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        gate.set(Commits::Succeed);
        for sending in sending {
            drop(within(sending).await.unwrap());
        }
        for number in 0..60 {
            assert_eq!(acknowledge(&mut peer).await, number.to_string(), "{version:?}");
        }
        within(client.flush()).await.unwrap();
        let accepting = |batch: &&Vec<bowline::store::Entry>| {
            batch.iter().any(|entry| matches!(entry, bowline::store::Entry::Accepted(_)))
        };
        let batches = gate.batches();
        assert!(batches[before..].iter().filter(accepting).count() <= 2, "{}", batches.len() - before);
    }
}

/// Two threads do nothing else but use the same keys in the same order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tasks_that_use_a_key_at_the_same_time_one_publishes() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let tasks = [0, 1].map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut mine = 0;
            for round in 0..200 {
                let publish = client.publish("a", round.to_string()).qos(QoS::AtLeastOnce);
                match publish.key(format!("k{round}")).send().await {
                    Ok(receipt) => {
                        drop(receipt);
                        mine += 1;
                    }
                    Err(error) => assert!(matches!(error.kind(), PublishErrorKind::KnownKey(_)), "{error}"),
                }
            }
            mine
        })
    });
    for round in 0..200 {
        assert_eq!(acknowledge(&mut peer).await, round.to_string());
    }
    let mut published = 0;
    for task in tasks {
        published += within(task).await.unwrap();
    }
    assert_eq!(published, 200);
    peer.is_silent().await;
}

#[tokio::test]
async fn of_two_with_the_same_key_in_one_commit_the_second_hears_of_the_first_once_that_is_stored() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    gate.set(Commits::Wait);
    let busy = begun(&client, "keeps the store busy".to_owned(), None).await;
    gate.until_begun(gate.batches().len() + 1).await;
    let first = begun(&client, "first".to_owned(), Some("k".to_owned())).await;
    let mut second = begun(&client, "second".to_owned(), Some("k".to_owned())).await;
    let third = begun(&client, "third".to_owned(), Some("other".to_owned())).await;
    // It is not said that the first is accepted before it is.
    assert!(timeout(SILENCE, &mut second).await.is_err());
    gate.set(Commits::Succeed);
    drop((within(busy).await.unwrap(), within(first).await.unwrap(), within(third).await.unwrap()));
    let error = within(second).await.unwrap_err();
    assert!(is_known(&error, KnownKey::Pending), "{error}");
    assert_eq!(&error.into_message().unwrap().payload[..], b"second");
    for payload in ["keeps the store busy", "first", "third"] {
        assert_eq!(acknowledge(&mut peer).await, payload);
    }
    peer.is_silent().await;
}

#[tokio::test]
async fn if_the_first_of_two_with_the_same_key_is_not_stored_the_second_does_not_hear_that_it_was() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    gate.set(Commits::Fail);
    let first = begun(&client, "first".to_owned(), Some("k".to_owned())).await;
    let second = begun(&client, "second".to_owned(), Some("k".to_owned())).await;
    for sending in [first, second] {
        assert_eq!(within(sending).await.unwrap_err().kind(), &PublishErrorKind::StoreFailed);
    }
    assert_eq!(gate.session().outcome("k"), KeyState::Unknown);
    peer.is_silent().await;
}

#[tokio::test]
async fn a_store_that_fails_or_cannot_be_asked_for_a_key_says_why_and_what_to_do() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, _peer) = pair(&harbour, &gate, Version::V5).await;
    let publish = || client.publish("a", "x").qos(QoS::AtLeastOnce).key("k");
    let says = |error: PublishError, kind: &StoreErrorKind, text: &str| {
        assert_eq!(error.kind(), &PublishErrorKind::StoreFailed);
        assert_eq!(error.store_error().unwrap().kind(), kind);
        assert_eq!(error.to_string(), format!("the session store could not keep the message: {text}"));
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, text);
    };
    gate.fail_to_ask(true);
    let unsealed = "the gate cannot be unsealed: use the key that it was sealed with, or another store";
    says(within(publish().send()).await.unwrap_err(), &StoreErrorKind::NotUnsealed, unsealed);
    // While it is known to fail too, whoever publishes.
    says(within(publish()).await.unwrap_err(), &StoreErrorKind::NotUnsealed, unsealed);
    let plain = client.publish("a", "x").qos(QoS::ExactlyOnce);
    says(plain.try_send().unwrap_err(), &StoreErrorKind::NotUnsealed, unsealed);
    gate.fail_to_ask(false);
    gate.set(Commits::Fail);
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    let full = "the gate cannot be written as no room is left: make room on its disk";
    says(within(publish().send()).await.unwrap_err(), &StoreErrorKind::Full, full);
}

/// A client without a connection whose queue has room for one message.
fn with_short_queue(harbour: &Harbour, gate: &Gate, on_full: OnFull) -> Client {
    let queue = SendQueue::new().messages_max(1).on_full(on_full);
    let builder = harbour.builder(Version::V5).client_id("meter-7").send_queue(queue);
    builder.session(Session::stored_in(gate.clone())).connect_lazy().expect("it needs nobody")
}

#[tokio::test]
async fn with_a_known_key_nobody_waits_for_room_and_with_a_new_one_it_is_waited_for() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let client = with_short_queue(&harbour, &gate, OnFull::Wait);
    let publish = |key: &str| client.publish("a", key.to_owned()).qos(QoS::AtLeastOnce).key(key);
    drop(within(publish("k").send()).await.unwrap());
    let error = within(publish("k").send()).await.unwrap_err();
    assert!(is_known(&error, KnownKey::Pending), "{error}");
    assert_eq!(&error.into_message().unwrap().payload[..], b"k");
    assert!(is_known(&within(publish("k")).await.unwrap_err(), KnownKey::Pending));
    let full = publish("k").try_send().unwrap_err();
    assert!(full.is_full(), "it does not ask: {full}");
    let mut new = pin!(publish("new").send());
    assert!(timeout(SILENCE, &mut new).await.is_err(), "there is no room");
    assert_eq!(gate.session().outcome("new"), KeyState::Unknown);
    let mut peer = harbour.accept(Version::V5).await;
    peer.connect().await;
    peer.connack(false).await;
    assert_eq!(acknowledge(&mut peer).await, "k");
    drop(within(new).await.unwrap());
    assert_eq!(acknowledge(&mut peer).await, "new");
    assert!(within(client.outcome("new")).await.unwrap().is_some_and(StoredOutcome::is_acknowledged));
}

#[tokio::test]
async fn a_full_queue_that_rejects_says_of_a_known_key_that_it_is_known_and_enters_no_new_one() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let client = with_short_queue(&harbour, &gate, OnFull::Reject);
    let publish = |key: &str| client.publish("a", "x").qos(QoS::AtLeastOnce).key(key);
    drop(within(publish("k").send()).await.unwrap());
    let error = within(publish("k").send()).await.unwrap_err();
    assert!(is_known(&error, KnownKey::Pending), "{error}");
    let full = within(publish("new").send()).await.unwrap_err();
    assert!(full.is_full(), "{full}");
    assert!(publish("new").try_send().unwrap_err().is_full());
    assert_eq!(within(client.outcome("new")).await.unwrap(), None);
}

#[tokio::test]
async fn a_send_that_is_dropped_while_the_store_has_it_and_is_refused_there_is_told_as_an_event() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    drop(within(client.publish("a", "first").qos(QoS::AtLeastOnce).key("k").send()).await.unwrap());
    assert_eq!(acknowledge(&mut peer).await, "first");
    within(client.outcome("k")).await.unwrap();
    let mut events = client.events();
    gate.set(Commits::Wait);
    drop(begun(&client, "keeps the store busy".to_owned(), None).await);
    gate.until_begun(gate.batches().len() + 1).await;
    drop(begun(&client, "second".to_owned(), Some("k".to_owned())).await);
    gate.set(Commits::Succeed);
    let Some(Event::PublishFailed { kind, .. }) = within(events.next()).await else { panic!("not told") };
    assert!(matches!(kind, PublishErrorKind::KnownKey(KnownKey::Ended(_))), "{kind:?}");
    assert_eq!(acknowledge(&mut peer).await, "keeps the store busy");
    peer.is_silent().await;
}
