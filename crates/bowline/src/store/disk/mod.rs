//! The store on disk: a session in one file that survives kills and losses of power. Feature `durable`.
//!
//! Knows entries and files, neither engine nor connection. [redb] does the work: a transaction for each batch, a checksum
//! for each page. The format is in `docs/store-format.md`, the choice of redb in `docs/decisions/0001-store-engine.md`.
//!
//! ```text
//! opened     one transaction for each batch       place      finds, makes, locks and sets aside the file
//! writing    entries -> tables                    file       bytes, syncs, what a test puts in their place
//! reading    tables -> what an engine starts from failure    what went wrong, as people are told
//! layout     the tables, their keys, counters     envelope   checksum and seal around each record
//! record     values <-> bytes                     fields     numbers, lengths, CRC
//! group      publications that came together      grouping   which of them a batch is about
//! inspection looks into a store                   overlay    keeps what is written off the file
//! ```
//!
//! [redb]: https://www.redb.org

mod envelope;
mod failure;
mod fields;
mod file;
mod group;
mod grouping;
mod inspection;
#[cfg(test)]
mod inspection_tests;
mod layout;
mod opened;
mod overlay;
mod place;
mod reading;
mod record;
mod seal;
#[cfg(test)]
mod tests;
mod writing;

use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use bowline_proto::session::KeyState;

use crate::store::disk::envelope::Envelope;
use crate::store::disk::failure::Failure;
use crate::store::disk::opened::Opened;
use crate::store::disk::place::{Manner, Place};
use crate::store::{
    Entry, OUTCOMES_MAX, PublicationId, Recovered, SessionStore, StoreError, StoreErrorKind,
    StoredPublication,
};

pub use file::{StoreFile, SyncPolicy};
pub use inspection::{StoreContents, StoreInspection};
pub use seal::{Seal, SealError};

/// A session in a file.
///
/// | option | default |
/// |---|---|
/// | [`sync`](Self::sync) | [`SyncPolicy::EveryBatch`] |
/// | [`keeping`](Self::keeping) | [`OUTCOMES_MAX`] ends of publications with a key |
/// | [`sealed_by`](Self::sealed_by) | nothing is sealed |
///
/// The file is opened when the client starts, not before, and made if it is not there. Its directory has to be there: a store
/// in the wrong place, because a disk was not mounted, would begin anew in silence; for the same reason a link to a file that does
/// not exist is refused. On Unix the file is for its owner only. While it is made, and after a kill on the way, `<name>.new` stands
/// beside it. One process has it open, with one client: the file is locked, and everybody else gets
/// [`Locked`](StoreErrorKind::Locked).
///
/// Each commit is one transaction and one sync. The bytes that it writes depend on what is in the batch, not on how much is in
/// the store. The start costs what is in flight and the head of the queue, not the length of the queue, with two exceptions: up to
/// 64 MiB all checksums are verified, and after a kill or a loss of power redb looks at every page (under a second for a
/// million short messages). Memory: some 10 MiB, for any length of queue.
///
/// # What happens to a damaged store
/// [`recover`](SessionStore::recover) gives it another name in the same directory, `<name>.damaged-1`, and fails with
/// [`Damaged`](StoreErrorKind::Damaged), which has that name: the client does not start, and whoever reads the error knows. The next
/// start begins with an empty store. Of several who find the same damage at once, one sets the file aside. Where the path is a link,
/// the link stays, and what it leads to gets the new name. Nothing is ever deleted. A file that was never a store is not touched
/// ([`NotAStore`](StoreErrorKind::NotAStore)), nor is one of a later version or with another seal. Damage that is found while the
/// store is in use is reported by every call, and the file stays where it is until the next start.
///
/// A panic of redb over a damaged file does not reach the application: it is caught and becomes `Damaged`. The panic hook runs, so
/// something may be printed to stderr. In a program that is built with `panic = "abort"` it ends the program.
///
/// # Examples
/// ```no_run
/// use bowline::store::{DiskStore, SyncPolicy};
///
/// let store = DiskStore::new("/var/lib/thermometer/session.bowline").sync(SyncPolicy::OsBuffer);
/// ```
pub struct DiskStore {
    place: Place,
    policy: SyncPolicy,
    envelope: Envelope,
    outcomes_max: usize,
    opened: Option<Opened>,
    /// Another handle of the file that was opened last, so that no other is set aside in its place.
    found: Option<File>,
    /// How many commits the file has to have, once it was recovered.
    commits: Option<u64>,
    /// Publications of batches that failed. They may be in the file all the same, and must not be found there.
    doubtful: Vec<PublicationId>,
}

impl DiskStore {
    /// A store in the file with this path. Nothing is opened yet. A relative path is meant from where the process is now: if it
    /// changes its directory later, the store stays the same.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // Without a directory to be in, opening it will fail and say so.
        Self::at(Place::Path(std::path::absolute(&path).unwrap_or(path)))
    }

    /// A store on something else than a file. `open` is called at each start, and again after each error; what it gave before
    /// is dropped by then. There is no lock, and a damaged store is not set aside: both are for `open` to do.
    ///
    /// It must read as zeros where nothing was written, and is made a store if it is empty.
    pub fn on(open: impl FnMut() -> io::Result<Box<dyn StoreFile>> + Send + 'static) -> Self {
        Self::at(Place::Brought(Box::new(open)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            policy: SyncPolicy::default(),
            envelope: Envelope::default(),
            outcomes_max: OUTCOMES_MAX,
            opened: None,
            found: None,
            commits: None,
            doubtful: Vec::new(),
        }
    }

    /// When the disk is asked to make what was written survive a loss of power.
    #[must_use]
    pub const fn sync(mut self, policy: SyncPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How many ends of publications with a key are remembered; of more, the oldest are forgotten.
    #[must_use]
    pub const fn keeping(mut self, outcomes_max: usize) -> Self {
        self.outcomes_max = outcomes_max;
        self
    }

    /// Encrypts what is written: see [`Seal`] for what that covers. A store is sealed from its first start on or never.
    #[must_use]
    pub fn sealed_by(mut self, seal: impl Seal) -> Self {
        self.envelope.seal = Some(Arc::new(seal));
        self
    }

    /// Looks into the store and changes nothing: what a start after a kill has to repair is repaired in memory. The store is not
    /// made if it is not there, nor set aside if it is damaged.
    ///
    /// The file is locked as long as the inspection lives, so that nobody changes it meanwhile. On Unix a file that this user may
    /// only read can be looked into too.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bowline::store::StoreError> {
    /// use bowline::store::DiskStore;
    ///
    /// let contents = DiskStore::new("/var/lib/thermometer/session.bowline").inspect()?.contents()?;
    /// println!("{} messages wait, {} are on their way", contents.waiting, contents.in_flight.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`]: [`Locked`](StoreErrorKind::Locked) while a client has it open, [`NoFile`](StoreErrorKind::NoFile) if it is
    /// not there, and what a start can fail with.
    pub fn inspect(&mut self) -> Result<StoreInspection, StoreError> {
        self.close();
        self.found = None;
        let envelope = self.envelope.clone();
        let inspected = self.guarded(|store| store.place.inspect(&envelope));
        let (opened, file_bytes) = inspected.map_err(|failure| self.told(failure))?;
        Ok(StoreInspection::new(opened, self.place.name(), file_bytes))
    }

    fn open(&mut self, may_create: bool) -> Result<(), Failure> {
        let manner = Manner {
            envelope: &self.envelope,
            policy: self.policy,
            outcomes_max: self.outcomes_max as u64,
            may_create,
        };
        // While it is there, the locks of the file may be too.
        self.found = None;
        self.opened = Some(self.place.open(&manner, &mut self.found)?);
        Ok(())
    }

    /// The store, opened again if the last call failed. It must be the one that this process has written.
    fn opened(&mut self) -> Result<&mut Opened, Failure> {
        if self.opened.is_none() {
            self.open(false)?;
        }
        let opened = self.opened.as_mut().expect("it was opened just now");
        if let Some(commits) = self.commits {
            // One more if the batch that failed is there all the same.
            let is_ours = (commits..=commits.saturating_add(1)).contains(&opened.meta.commits);
            if !is_ours {
                return Err(Failure::damaged(
                    "it is not as it was left: somebody has put another file in its place",
                ));
            }
        }
        self.commits = Some(opened.meta.commits);
        if !self.doubtful.is_empty() {
            opened.take_back(&self.doubtful)?;
            self.doubtful.clear();
            self.commits = Some(opened.meta.commits);
        }
        Ok(opened)
    }

    /// Runs a call so that no panic comes out of it, and closes the file if it failed.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let outcome = catch_unwind(AssertUnwindSafe(|| call(self)));
        let outcome = outcome.unwrap_or_else(|panic| Err(Failure::damaged(told_by(&*panic))));
        if outcome.is_err() {
            self.close();
        }
        outcome
    }

    fn close(&mut self) {
        let opened = self.opened.take();
        // What redb writes at the end is for a faster start only; without it the next one takes the longer way.
        _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
    }

    fn told(&self, failure: Failure) -> StoreError {
        failure.into_error(self.place.name())
    }

    /// The file of a damaged store gets another name.
    fn set_aside(&mut self, failure: Failure) -> StoreError {
        let found = self.found.take();
        let (Place::Path(path), Some(found)) = (&self.place, found) else { return self.told(failure) };
        match place::set_aside(path, &found) {
            Ok(aside) => StoreError::new(StoreErrorKind::Damaged { set_aside: Some(aside) })
                .of_store(self.place.name())
                .because(failure.text()),
            Err(_) => self.told(failure),
        }
    }
}

impl SessionStore for DiskStore {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        let outcome = self.guarded(|store| {
            if store.opened.is_none() {
                store.commits = None;
                store.open(true)?;
            }
            store.opened()?.recover(queue_bytes_max)
        });
        outcome.map_err(|failure| match failure.is_damage() {
            true => self.set_aside(failure),
            false => self.told(failure),
        })
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        let outcome = self.guarded(|store| {
            let opened = store.opened()?;
            opened.commit(batch)?;
            store.commits = Some(opened.meta.commits);
            Ok(())
        });
        outcome.map_err(|failure| {
            self.doubtful.extend(batch.iter().filter_map(|entry| match entry {
                Entry::Accepted(accepted) => Some(accepted.publication),
                _ => None,
            }));
            // At once, as the process may be killed before the next call. If it does not work, that one tries again.
            _ = self.guarded(|store| store.opened().map(|_| ()));
            self.told(failure)
        })
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        self.guarded(|store| store.opened()?.load(after, bytes_max)).map_err(|failure| self.told(failure))
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        self.guarded(|store| store.opened()?.outcome(key)).map_err(|failure| self.told(failure))
    }

    fn name(&self) -> String {
        self.place.name()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        if !self.doubtful.is_empty() {
            // The last chance: they were handed back, and whoever opens the file next would send them.
            _ = self.guarded(|store| store.opened().map(|_| ()));
        }
        self.close();
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore")
            .field("place", &self.place.name())
            .field("policy", &self.policy)
            .field("is_sealed", &self.envelope.seal.is_some())
            .field("is_open", &self.opened.is_some())
            .finish_non_exhaustive()
    }
}

fn told_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the database gave up: {}", text.unwrap_or("it did not say why"))
}
