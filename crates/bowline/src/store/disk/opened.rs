//! A store that is open: one transaction for each batch. Dropped after any error, as redb refuses all work after one.

use redb::{Builder, Database, ReadableDatabase, StorageBackend, TableError, TableHandle};

use bowline_proto::Text;
use bowline_proto::session::KeyState;

use crate::store::disk::envelope::Envelope;
use crate::store::disk::failure::Failure;
use crate::store::disk::layout::{CANARY, CANARY_CONTENT, Meta, STATE};
use crate::store::disk::reading::Reading;
use crate::store::disk::seal::SealError;
use crate::store::disk::writing::{Slots, Writing};
use crate::store::{Entry, PublicationId, Recovered, StoredPublication};

/// Pages that redb keeps in memory, read and not yet written ones together.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Up to this size the checksum of every page is verified at each start; beyond, only after one that was not ended in good
/// order. Takes some 0.1 s.
const VERIFIED_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) struct Opened {
    database: Database,
    envelope: Envelope,
    pub(super) meta: Meta,
    slots: Slots,
    outcomes_max: u64,
}

impl Opened {
    /// Opens what the backend has. An empty one becomes a store, if that is wanted.
    pub(super) fn new(
        backend: impl StorageBackend,
        envelope: &Envelope,
        outcomes_max: u64,
        may_create: bool,
    ) -> Result<Self, Failure> {
        let length = backend.len()?;
        if length == 0 && !may_create {
            return Err(Failure::damaged("it has no bytes"));
        }
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(length > 0 && length <= VERIFIED_BYTES_MAX)
            .create_with_backend(backend)?;
        let mut opened = Self {
            database,
            envelope: envelope.clone(),
            meta: Meta { is_sealed: envelope.seal.is_some(), ..Meta::default() },
            slots: Slots::new(),
            outcomes_max,
        };
        if opened.has_tables()? {
            opened.read_meta()?
        } else {
            opened.initialise(may_create)?
        }
        Ok(opened)
    }

    fn has_tables(&self) -> Result<bool, Failure> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(STATE) {
            Ok(_) => Ok(true),
            Err(TableError::TableDoesNotExist(_)) => match transaction.list_tables()?.next() {
                None => Ok(false),
                Some(table) => Err(Failure::NotAStore(format!(
                    "it is a database of redb with the table `{}`",
                    table.name()
                ))),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn initialise(&mut self, may_create: bool) -> Result<(), Failure> {
        if !may_create {
            return Err(Failure::damaged("it has no tables"));
        }
        let transaction = self.database.begin_write()?;
        if self.envelope.seal.is_some() {
            let record = self.envelope.close(CANARY, CANARY_CONTENT)?;
            transaction.open_table(STATE)?.insert(CANARY, &record[..])?;
        }
        self.write(transaction, &[], &[])
    }

    fn read_meta(&mut self) -> Result<(), Failure> {
        let transaction = self.database.begin_read()?;
        let reading = Reading::new(&transaction, &self.envelope)?;
        self.meta = reading.meta()?;
        match (self.meta.is_sealed, self.envelope.seal.is_some()) {
            (true, false) => return Err(Failure::SealMissing("it is sealed, and no seal was given")),
            (false, true) => return Err(Failure::SealMissing("it is not sealed, and a seal was given")),
            (false, false) => {}
            (true, true) => match reading.sealed(CANARY)? {
                Some(content) if content[..] == *CANARY_CONTENT => {}
                // Its checksum is right: a cipher that does not notice a wrong key has opened it.
                Some(_) => return Err(Failure::Seal(SealError)),
                None => return Err(Failure::damaged("the record that proves its seal is missing")),
            },
        }
        self.slots = reading.slots()?;
        Ok(())
    }

    /// One transaction and one sync, whatever the number of entries.
    pub(super) fn commit(&mut self, batch: &[Entry]) -> Result<(), Failure> {
        let transaction = self.database.begin_write()?;
        self.write(transaction, &[], batch)
    }

    /// Removes publications that a failed commit may have left.
    pub(super) fn take_back(&mut self, publications: &[PublicationId]) -> Result<(), Failure> {
        let transaction = self.database.begin_write()?;
        self.write(transaction, publications, &[])
    }

    fn write(
        &mut self,
        transaction: redb::WriteTransaction,
        taken_back: &[PublicationId],
        batch: &[Entry],
    ) -> Result<(), Failure> {
        let mut writing =
            Writing::new(&transaction, &self.envelope, &mut self.meta, &mut self.slots, self.outcomes_max)?;
        for publication in taken_back {
            writing.take_back(*publication)?;
        }
        for entry in batch {
            writing.apply(entry)?;
        }
        writing.finish()?;
        Ok(transaction.commit()?)
    }

    pub(super) fn recover(&self, queue_bytes_max: usize) -> Result<Recovered, Failure> {
        self.read(|reading| reading.recover(&self.meta, queue_bytes_max))
    }

    pub(super) fn load(
        &self,
        after: PublicationId,
        bytes_max: usize,
    ) -> Result<Vec<StoredPublication>, Failure> {
        self.read(|reading| reading.waiting(&self.meta, after, bytes_max))
    }

    pub(super) fn outcome(&self, key: &str) -> Result<KeyState, Failure> {
        self.read(|reading| reading.outcome(key))
    }

    pub(super) fn last_key(&self, prefix: &str) -> Result<Option<Text>, Failure> {
        self.read(|reading| reading.last_key(prefix))
    }

    fn read<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let transaction = self.database.begin_read()?;
        read(&Reading::new(&transaction, &self.envelope)?)
    }
}
