//! Looking into a store without changing it. Knows neither engine nor connection.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bowline_proto::{PacketId, Text};

use crate::store::disk::failure::Failure;
use crate::store::disk::opened::Opened;
use crate::store::disk::told_by;
use crate::store::{Identity, StoreError, StoredPublication, Wanted};

/// A store that is looked into: made by [`DiskStore::inspect`](crate::store::DiskStore::inspect). It is locked until this is
/// dropped.
pub struct StoreInspection {
    /// `None` while it is dropped.
    opened: Option<Opened>,
    name: String,
    file_bytes: u64,
}

/// What is in a store, without the messages that wait, which are counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreContents {
    /// How many bytes the file has.
    pub file_bytes: u64,
    /// Whether it is encrypted.
    pub is_sealed: bool,
    /// How many commits it has had.
    pub commits: u64,
    /// How many sessions it has had.
    pub generation: u64,
    /// The number of the last publication that was accepted; they count from 1.
    pub last_publication: u64,
    /// Whose it is: the client identifier. `None` in a new store, and if the broker was to choose it and did not yet.
    pub client_id: Option<Text>,
    /// Who the client is to the broker; `None` if the broker has no session that is known.
    pub identity: Option<Identity>,
    /// Publications without a packet identifier.
    pub waiting: u64,
    /// Bytes of their topics, payloads and properties.
    pub waiting_bytes: u64,
    /// The oldest of them.
    pub oldest_waiting: Option<StoredPublication>,
    /// Publications with a packet identifier: sent ones in the order of sending, then those whose PUBREC came, in that order.
    pub in_flight: Vec<StoredPublication>,
    /// Outbound packet identifiers that stay out of use, as the broker may still know them.
    pub retired: Vec<PacketId>,
    /// Inbound QoS 2 packet identifiers of messages that were taken and whose PUBREL did not come.
    pub received: Vec<PacketId>,
    /// The subscriptions that are wanted, in the order of their filters.
    pub wanted: Vec<Wanted>,
    /// How many ends of publications with a key are kept.
    pub outcomes: u64,
}

impl StoreInspection {
    pub(super) const fn new(opened: Opened, name: String, file_bytes: u64) -> Self {
        Self { opened: Some(opened), name, file_bytes }
    }

    /// What is in the store. Costs what is in flight and wanted, however much waits.
    ///
    /// # Errors
    /// [`StoreError`] if it is damaged or cannot be read.
    pub fn contents(&self) -> Result<StoreContents, StoreError> {
        self.ask(|opened| {
            // One at least, whatever it weighs.
            let recovered = opened.recover(1)?;
            let meta = opened.meta;
            Ok(StoreContents {
                file_bytes: self.file_bytes,
                is_sealed: meta.is_sealed,
                commits: meta.commits,
                generation: meta.generation,
                last_publication: meta.last_publication.as_u64(),
                client_id: recovered.client_id,
                identity: recovered.identity,
                waiting: meta.waiting,
                waiting_bytes: meta.waiting_bytes,
                oldest_waiting: recovered.queue.into_iter().next(),
                in_flight: recovered.flows,
                retired: recovered.retired,
                received: recovered.received,
                wanted: recovered.wanted,
                outcomes: meta.outcomes,
            })
        })
    }

    /// Of the keys that begin with `prefix`, and whose publication goes on or has an end that is kept, the last one in the order of
    /// their bytes.
    ///
    /// # Errors
    /// As [`contents`](Self::contents).
    pub fn last_key(&self, prefix: &str) -> Result<Option<Text>, StoreError> {
        self.ask(|opened| opened.last_key(prefix))
    }

    fn ask<T>(&self, question: impl FnOnce(&Opened) -> Result<T, Failure>) -> Result<T, StoreError> {
        let opened = self.opened.as_ref().expect("it is there until it is dropped");
        let answer = catch_unwind(AssertUnwindSafe(|| question(opened)));
        let answer = answer.unwrap_or_else(|panic| Err(Failure::damaged(told_by(&*panic))));
        answer.map_err(|failure| failure.into_error(self.name.clone()))
    }
}

impl Drop for StoreInspection {
    fn drop(&mut self) {
        let opened = self.opened.take();
        // What redb writes at the end goes nowhere.
        _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
    }
}

impl fmt::Debug for StoreInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreInspection").field("store", &self.name).finish_non_exhaustive()
    }
}
