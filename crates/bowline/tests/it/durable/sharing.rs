//! Several clients and several addresses: what they share and what they do not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bowline::store::{
    Entry, KeyState, MemoryStore, PublicationId, Recovered, SessionStore, StoreError, StoredPublication,
};
use bowline::{AddressSessions, Client, QoS, Session, Version};

use crate::durable::barriers::{accept_anew, pair};
use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, SILENCE, within};

/// A store that notes on which threads it is used, and dropped.
struct Noting {
    store: MemoryStore,
    threads: Arc<Mutex<BTreeSet<String>>>,
}

impl Noting {
    fn note(&self) {
        let thread = std::thread::current();
        let seen = format!("{:?} {:?}", thread.name(), thread.id());
        self.threads.lock().expect("no test panics with it").insert(seen);
    }
}

impl SessionStore for Noting {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        self.note();
        self.store.recover(queue_bytes_max)
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        self.note();
        self.store.commit(batch)
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        self.store.load(after, bytes_max)
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        self.store.outcome(key)
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.note();
    }
}

#[tokio::test]
async fn all_stores_are_opened_written_and_closed_on_one_thread() {
    let threads = Arc::new(Mutex::new(BTreeSet::new()));
    let harbour = Harbour::new(64 * 1024);
    let mut clients = Vec::new();
    for name in ["one", "two", "three"] {
        let store = Noting { store: MemoryStore::new(), threads: threads.clone() };
        let builder = harbour.builder(Version::V5).client_id(name).session(Session::stored_in(store));
        let client = builder.connect_lazy().unwrap();
        drop(within(client.publish("a", "x").qos(QoS::AtLeastOnce).send()).await.unwrap());
        clients.push(client);
    }
    for client in clients {
        within(client.disconnect()).await;
    }
    let threads = threads.lock().unwrap();
    assert_eq!(threads.len(), 1, "{threads:?}");
    assert!(threads.iter().all(|thread| thread.starts_with("Some(\"bowline-store\")")), "{threads:?}");
}

#[tokio::test]
async fn of_independent_addresses_the_one_that_has_the_session_is_remembered_over_a_restart() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let build = |first: &str, second: &str| {
        Client::builder(first)
            .unwrap()
            .also(second)
            .address_sessions(AddressSessions::Independent)
            .connector(harbour.connector())
            .client_id("meter-7")
            .session(Session::stored_in(gate.clone()))
    };
    let builder = build("mqtt://one", "mqtt://two");
    let (client, mut peer) = tokio::join!(builder.connect(), accept_anew(&harbour, Version::V5));
    let ((), ()) = tokio::join!(async { client.unwrap().disconnect().await }, peer.disconnected());
    let holder = gate.recovered().identity.unwrap().holder.unwrap();
    assert_eq!(holder.as_str(), "mqtt://one:1883");
    for (first, second, clean_start) in
        [("mqtt://two", "mqtt://one", false), ("mqtt://two", "mqtt://three", true)]
    {
        let connecting = build(first, second).connect();
        let accepting = async {
            let mut peer = harbour.accept(Version::V5).await;
            assert_eq!(peer.connect().await.clean_start, clean_start, "{first} {second}");
            peer.connack(!clean_start).await;
            peer
        };
        let (client, mut peer) = tokio::join!(connecting, accepting);
        let client = client.unwrap();
        let info = client.connection().connected().await.unwrap();
        assert_eq!(info.endpoint.host(), if clean_start { "two" } else { "one" });
        let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());
    }
}

#[tokio::test]
async fn start_holds_up_nobody_while_its_store_waits_for_the_thread_of_all_stores() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, _peer) = pair(&harbour, &gate, Version::V5).await;
    let begun = gate.begun();
    gate.set(Commits::Wait);
    let receipt = client.publish("a", "x").qos(QoS::AtLeastOnce).try_send().unwrap();
    gate.until_begun(begun + 1).await;
    let other =
        harbour.builder(Version::V5).client_id("other").session(Session::stored_in(MemoryStore::new()));
    let mut starting = std::pin::pin!(other.start());
    // The runtime has this one thread: if that were held up, the time would not run out either.
    assert!(tokio::time::timeout(SILENCE, &mut starting).await.is_err(), "it is opened before its turn");
    gate.set(Commits::Succeed);
    within(starting).await.unwrap();
    drop(receipt);
}

#[tokio::test]
async fn a_store_whose_start_was_given_up_is_free_for_the_next_start_at_once() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, _peer) = pair(&harbour, &gate, Version::V5).await;
    let begun = gate.begun();
    gate.set(Commits::Wait);
    let receipt = client.publish("a", "x").qos(QoS::AtLeastOnce).try_send().unwrap();
    gate.until_begun(begun + 1).await;
    let store = MemoryStore::new();
    let builder =
        || harbour.builder(Version::V5).client_id("other").session(Session::stored_in(store.clone()));
    // The thread of all stores is to open it when it is given up, and to open it again.
    assert!(tokio::time::timeout(SILENCE, builder().start()).await.is_err());
    let mut next = std::pin::pin!(builder().start());
    assert!(tokio::time::timeout(SILENCE, &mut next).await.is_err());
    gate.set(Commits::Succeed);
    drop(within(next).await.unwrap());
    drop(receipt);
}
