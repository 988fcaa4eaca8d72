//! A store that forgets with the process: the reference for those who write one, and for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bowline_proto::session::{Entry, KeyState, PublicationId, Recovered, StoredSession};

use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::{SessionStore, StoredPublication};

/// A session kept in memory. Clones share it: what one client has stored, the next one finds. It has the cost of a durable
/// session and not its use; for a session that outlives the connection and not the program there is
/// [`Session::in_memory`](crate::Session::in_memory).
#[derive(Debug)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    is_open: bool,
}

#[derive(Debug)]
struct Content {
    session: StoredSession,
    is_open: bool,
}

impl MemoryStore {
    /// An empty store that remembers the last [`OUTCOMES_MAX`](crate::store::OUTCOMES_MAX) ends of publications with a key.
    pub fn new() -> Self {
        Self::keeping(crate::store::OUTCOMES_MAX)
    }

    /// An empty store that remembers so many ends of publications with a key.
    pub fn keeping(outcomes_max: usize) -> Self {
        let content = Content { session: StoredSession::keeping(outcomes_max), is_open: false };
        Self { content: Arc::new(Mutex::new(content)), is_open: false }
    }

    /// A look at what is stored.
    pub fn session(&self) -> StoredSession {
        self.lock().session.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemoryStore {
    /// The same session, not opened.
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), is_open: false }
    }
}

impl SessionStore for MemoryStore {
    fn recover(&mut self, queue_bytes_max: usize) -> Result<Recovered, StoreError> {
        let mut content = self.lock();
        if content.is_open && !self.is_open {
            return Err(StoreError::new(StoreErrorKind::Locked).of_store(self.name()));
        }
        content.is_open = true;
        let recovered = content.session.recover(queue_bytes_max);
        drop(content);
        self.is_open = true;
        Ok(recovered)
    }

    fn commit(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        let mut content = self.lock();
        for entry in batch {
            content.session.apply(entry);
        }
        Ok(())
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Result<Vec<StoredPublication>, StoreError> {
        Ok(self.lock().session.load(after, bytes_max))
    }

    fn outcome(&mut self, key: &str) -> Result<KeyState, StoreError> {
        Ok(self.lock().session.outcome(key))
    }

    fn name(&self) -> String {
        "the store in memory".to_owned()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        if self.is_open {
            self.lock().is_open = false;
        }
    }
}
