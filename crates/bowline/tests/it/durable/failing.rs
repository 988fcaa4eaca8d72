//! A store that fails: the connection lives, what was not accepted is handed back, and everything goes on afterwards.

use std::future::IntoFuture;

use bowline::proto::packet::{Ack, Packet};
use bowline::store::{Entry, MemoryStore, SessionStore, StoreErrorKind};
use bowline::{ConnectError, Event, PublishErrorKind, QoS, Session, Version};
use bowline_testkit::packets::qos2;

use crate::durable::barriers::{accept_anew, pair};
use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn messages_that_could_not_be_stored_are_handed_back_and_the_next_ones_go_on_when_it_works_again() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let mut events = client.events();
    gate.set(Commits::Fail);
    let error = within(client.publish("a", "sent").qos(QoS::ExactlyOnce).send()).await.unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::StoreFailed);
    assert_eq!(&error.into_message().unwrap().payload[..], b"sent");
    let Some(Event::StoreFailed { error }) = within(events.next()).await else { panic!("it was not told") };
    assert_eq!((error.kind(), error.store()), (&StoreErrorKind::Full, Some("the gate")));
    // While it is known to fail nothing is even tried, and the message comes back at once.
    let error = within(client.publish("a", "waited").qos(QoS::AtLeastOnce)).await.unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::StoreFailed);
    assert_eq!(&error.into_message().unwrap().payload[..], b"waited");
    within(client.publish("a", "not stored")).await.unwrap();
    assert_eq!(&peer.publish().await.payload[..], b"not stored");
    gate.set(Commits::Succeed);
    let receipt = loop {
        match within(client.publish("a", "again").qos(QoS::AtLeastOnce).send()).await {
            Ok(receipt) => break receipt,
            Err(error) => assert_eq!(error.kind(), &PublishErrorKind::StoreFailed),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let id = peer.publish().await.packet_id.unwrap();
    peer.send(Packet::PubAck(Ack::success(id))).await;
    within(receipt).await.unwrap();
}

#[tokio::test]
async fn an_acknowledgement_behind_a_failed_commit_waits_until_the_store_works_again() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let subscribing = client.subscribe("a").qos(QoS::ExactlyOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[2]));
    let mut stream = stream.unwrap();
    peer.send(qos2("a", "x", 5)).await;
    let (_, ack) = within(stream.next()).await.unwrap().into_parts();
    let mut events = client.events();
    gate.set(Commits::Fail);
    let acking = tokio::spawn(ack.ack());
    // It fails, and is tried again and again.
    for _ in 0..2 {
        assert!(matches!(within(events.next()).await, Some(Event::StoreFailed { .. })));
    }
    peer.is_silent().await;
    assert!(!acking.is_finished());
    gate.set(Commits::Succeed);
    within(acking).await.unwrap().unwrap();
    assert!(matches!(peer.packet().await, Packet::PubRec(_)));
}

#[tokio::test]
async fn a_store_that_panics_has_failed_and_is_asked_again() {
    /// Panics at its second commit.
    struct Panics(MemoryStore, u32);

    impl SessionStore for Panics {
        fn recover(&mut self, bytes: usize) -> Result<bowline::store::Recovered, bowline::store::StoreError> {
            self.0.recover(bytes)
        }

        fn commit(&mut self, batch: &[bowline::store::Entry]) -> Result<(), bowline::store::StoreError> {
            self.1 += 1;
            assert_ne!(self.1, 2, "this panic is part of the test");
            self.0.commit(batch)
        }

        fn load(
            &mut self,
            after: bowline::store::PublicationId,
            bytes: usize,
        ) -> Result<Vec<bowline::store::StoredPublication>, bowline::store::StoreError> {
            self.0.load(after, bytes)
        }

        fn outcome(&mut self, key: &str) -> Result<bowline::store::KeyState, bowline::store::StoreError> {
            self.0.outcome(key)
        }
    }

    let harbour = Harbour::new(64 * 1024);
    let store = MemoryStore::new();
    let builder = harbour.builder(Version::V5).client_id("meter-7");
    let client = builder.session(Session::stored_in(Panics(store.clone(), 0))).connect_lazy().unwrap();
    let mut events = client.events();
    let _peer = accept_anew(&harbour, Version::V5).await;
    let Some(Event::StoreFailed { error }) = within(async {
        loop {
            match events.next().await {
                Some(Event::StoreFailed { error }) => break Some(Event::StoreFailed { error }),
                Some(_) => {}
                None => break None,
            }
        }
    })
    .await
    else {
        panic!("it was not told")
    };
    assert_eq!(error.to_string(), "the session store cannot be read or written (the store panicked)");
    while store.session().recover(0).identity.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_a_typed_error_that_says_what_to_do() {
    let harbour = Harbour::new(64 * 1024);
    let store = MemoryStore::new();
    let build =
        || harbour.builder(Version::V5).client_id("meter-7").session(Session::stored_in(store.clone()));
    let (first, _peer) = tokio::join!(build().connect(), accept_anew(&harbour, Version::V5));
    let first = first.unwrap();
    for error in [within(build().connect()).await.unwrap_err(), build().connect_lazy().unwrap_err()] {
        let ConnectError::Store(inner) = &error else { panic!("{error:?}") };
        assert_eq!(inner.kind(), &StoreErrorKind::Locked);
        assert!(error.to_string().starts_with("the store in memory is in use: end the other"), "{error}");
    }
    within(first.disconnect()).await;
    let second = build().connect_lazy();
    assert!(second.is_ok(), "it is free when `disconnect` has returned");
}

#[tokio::test]
async fn a_store_of_another_client_or_another_version_is_refused_and_left_as_it_is() {
    let harbour = Harbour::new(64 * 1024);
    let store = MemoryStore::new();
    let session = || Session::stored_in(store.clone());
    let builder = harbour.builder(Version::V5).client_id("meter-7").session(session());
    let (client, _peer) = tokio::join!(builder.connect(), accept_anew(&harbour, Version::V5));
    within(client.unwrap().disconnect()).await;
    let before = store.session();

    is_refused_to_another(&harbour, &store).await;
    let other = harbour.builder(Version::V3_1_1).client_id("meter-7").session(session());
    let ConnectError::Store(error) = within(other.connect()).await.unwrap_err() else { panic!() };
    assert_eq!(error.kind(), &StoreErrorKind::OtherVersion { stored: Version::V5, asked: Version::V3_1_1 });
    assert_eq!(store.session(), before);
    // Without an identifier the one in the store is used.
    let nameless = harbour.builder(Version::V5).session(session());
    let client = nameless.connect_lazy().unwrap();
    assert_eq!(client.client_id().unwrap().as_str(), "meter-7");
}

/// A client identifier that is not the store's, and the same with the error that it gets.
async fn is_refused_to_another(harbour: &Harbour, store: &MemoryStore) {
    let other = harbour.builder(Version::V5).client_id("meter-8").session(Session::stored_in(store.clone()));
    let ConnectError::Store(error) = within(other.connect()).await.expect_err("it is another's") else {
        panic!()
    };
    assert!(matches!(error.kind(), StoreErrorKind::OtherClientId { .. }), "{error}");
}

#[tokio::test]
async fn a_store_whose_session_was_reset_and_not_made_again_is_refused_to_another_client_too() {
    let harbour = Harbour::new(64 * 1024);
    let store = MemoryStore::new();
    let session = || Session::stored_in(store.clone());
    let builder = harbour.builder(Version::V5).client_id("meter-7").session(session());
    let (client, _peer) = tokio::join!(builder.connect(), accept_anew(&harbour, Version::V5));
    within(client.unwrap().disconnect()).await;
    store.clone().commit(&[Entry::SessionReset { generation: 9 }]).unwrap();
    assert_eq!(store.session().recover(0).identity, None);
    is_refused_to_another(&harbour, &store).await;
    // The session is gone, and with it the version that it was made in.
    let again = harbour.builder(Version::V3_1_1).client_id("meter-7").session(session());
    assert!(again.connect_lazy().is_ok());
}

#[tokio::test]
async fn a_store_with_messages_of_a_client_that_never_connected_is_refused_to_another() {
    let harbour = Harbour::new(64 * 1024);
    let store = MemoryStore::new();
    let session = || Session::stored_in(store.clone());
    let client = harbour.builder(Version::V5).client_id("meter-7").session(session()).connect_lazy().unwrap();
    let receipt = client.publish("a", "x").qos(QoS::AtLeastOnce).send();
    drop(within(receipt).await.unwrap());
    within(client.disconnect()).await;
    is_refused_to_another(&harbour, &store).await;
    let nameless = harbour.builder(Version::V5).session(session()).connect_lazy().unwrap();
    assert_eq!(nameless.client_id().unwrap().as_str(), "meter-7");
}
