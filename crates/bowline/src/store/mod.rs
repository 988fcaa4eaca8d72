//! Where a durable session is kept: the trait, its errors, a store in memory, the suite that every store has to pass, and the
//! thread on which stores are asked. Knows no connection.
//!
//! A store keeps what the engine gives it, in that order, and gives it back. [`StoredSession`] says what all entries add up
//! to; [`MemoryStore`] is a store around it. Whoever writes a store runs [`conformance::check`] on it.

pub mod conformance;
#[cfg(feature = "durable")]
mod disk;
mod error;
mod link;
mod memory;
mod thread;

pub use bowline_proto::session::outcomes::{
    KEY_BYTES_MAX, KeyState, KeyedOutcome, OUTCOMES_MAX, StoredOutcome,
};
pub use bowline_proto::session::stored::{
    Accepted, Entry, Identity, Recovered, StoredPhase, StoredPublication, StoredSession, Suspect, Wanted,
};
pub use bowline_proto::session::{PublicationId, QueueLimits, SessionLoss};
#[cfg(feature = "durable")]
pub use disk::{DiskStore, Seal, SealError, StoreContents, StoreFile, StoreInspection, SyncPolicy};
pub use error::{StoreError, StoreErrorKind};
pub(crate) use link::StoreLink;
pub use memory::MemoryStore;

/// Keeps one session.
///
/// All calls come from one thread that is made for them, one after the other, so they may block; the connection goes on
/// meanwhile. A call that never returns costs the connection nothing either, but every session of the process waits for it.
///
/// # Errors
/// After an error the store is called again, with growing delays; it is for the store to open what it needs anew then. What an
/// error says is shown to the application.
pub trait SessionStore: Send + 'static {
    /// Opens the store, if it is not open, and says what it has. The first call.
    ///
    /// The head of the queue has at least one publication, if any waits, and no more than fit in `queue_bytes_max` bytes of
    /// [`content_bytes`](bowline_proto::Message::content_bytes); those behind it are counted.
    ///
    /// # Errors
    /// [`StoreError`]: above all [`Locked`](StoreErrorKind::Locked), if somebody else has it open.
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError>;

    /// Makes all entries durable, in order. When it returns without an error, they survive whatever the store promises to
    /// survive: a kill of the process, or a loss of power.
    ///
    /// If the process is killed meanwhile, any number of them may be found later, from the first on; but of a batch with a
    /// [`SessionReset`](Entry::SessionReset) all or none. Entries about publications that are not there are without effect.
    ///
    /// # Errors
    /// [`StoreError`]. All of the batch will be given again, but for the publications that have failed by it and were handed
    /// back: none of these may be found later. The rest may be there or not, so that what is given twice has to count once.
    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError>;

    /// The publications without a packet identifier that are later than `after`, oldest first: at least one if there is any,
    /// and no more than fit in `bytes_max`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError>;

    /// What is known of a key, after the last commit. How a publication with it ended is kept for the last so many that have ended,
    /// at least until they are too many; how many is the store's to say.
    ///
    /// Asked for each publication with a key just before the commit that is to keep it: if the key is known, the publication is
    /// not among what is committed. So no store has to judge keys itself.
    ///
    /// # Errors
    /// [`StoreError`].
    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError>;

    /// What the store is called in messages to people: a path, for instance.
    fn name(&self) -> String {
        "the session store".to_owned()
    }
}
