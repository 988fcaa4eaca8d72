//! What all handles of one client and its driver share. Owns the lock and its rules; knows no socket.
//!
//! # Lock rules
//! Under the lock: no I/O, no waker, no code of the application, and no drop of what may be the application's. What a turn
//! causes is collected in [`Effects`] and done without the lock. Only the driver polls the engine's outputs, so its events
//! are dispatched in order; handles give commands and raise the driver.

mod dispatch;
mod effects;
mod inbox;
mod inner;
mod keyed;
mod keys;
mod lease;
mod number_map;
mod publication_map;
mod receipts;
mod signal;
mod wakers;
mod wall_clock;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bowline_proto::Timestamp;
use bowline_proto::client::ClientEngine;
use bowline_proto::routing::StreamId;
use bowline_proto::session::QueueLimits;
use bowline_transport::Endpoint;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use effects::Effects;
pub(crate) use inbox::{AckMode, Cursor, HandOver, Inbox, Item};
pub(crate) use inner::{Inner, OperationResult};
pub(crate) use lease::{Hold, Lease};
pub(crate) use wakers::Place;
pub(crate) use wall_clock::wall_clock;

use crate::event::EventFeed;
use crate::state::ConnectionState;
use crate::store::StoreLink;
use signal::DriverSignal;

/// One client: the engine and everybody who waits for it.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    start: Instant,
    /// Wakes the driver.
    pub(crate) driver: DriverSignal,
    /// Streams whose cursors have advanced since the driver looked.
    advanced: Mutex<Vec<StreamId>>,
    pub(crate) feed: std::sync::Arc<EventFeed>,
    pub(crate) state: watch::Sender<ConnectionState>,
    /// Where the driver runs, and tasks of ours beside it.
    pub(crate) runtime: Handle,
    /// The store of a durable session.
    pub(crate) store: Option<StoreLink>,
}

impl std::fmt::Debug for Shared {
    /// Every handle holds this: it says where the connection is and not what the engine looks like inside.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &*self.state.borrow() {
            ConnectionState::Connecting => "connecting",
            ConnectionState::Connected(_) => "connected",
            ConnectionState::Waiting { .. } => "waiting",
            ConnectionState::Ended(_) => "ended",
        };
        f.debug_struct("Shared").field("state", &state).finish_non_exhaustive()
    }
}

impl Shared {
    /// A client around an engine that has not been told to connect.
    pub(crate) fn new(
        engine: ClientEngine,
        start: Instant,
        queue: QueueLimits,
        endpoint: Endpoint,
        runtime: Handle,
        store: Option<StoreLink>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner::new(engine, queue, endpoint, store.is_some())),
            start,
            driver: DriverSignal::new(),
            advanced: Mutex::new(Vec::new()),
            feed: std::sync::Arc::default(),
            state: watch::Sender::new(ConnectionState::Connecting),
            runtime,
            store,
        }
    }

    /// The engine's time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    /// The tokio clock's reading at a point of the engine's time.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        const FAR: std::time::Duration = std::time::Duration::from_secs(86_400 * 365);
        let since = at.saturating_since(Timestamp::ZERO);
        self.start.checked_add(since).unwrap_or_else(|| Instant::now() + FAR)
    }

    /// The lock. A panic under it has told the application already; what is left is still consistent enough to end.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something under the lock, and has the driver look at it.
    pub(crate) fn command<T>(&self, command: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let now = self.now();
        let result = command(&mut self.lock(), now);
        self.driver.raise();
        result
    }

    /// The same for what seldom looks at the time: reading a clock costs more than most of what is done under the lock.
    pub(crate) fn command_by_clock<T>(
        &self,
        command: impl FnOnce(&mut Inner, &dyn Fn() -> Timestamp) -> T,
    ) -> T {
        let result = command(&mut self.lock(), &|| self.now());
        self.driver.raise();
        result
    }

    /// A stream has returned this many more messages.
    pub(crate) fn advance(&self, stream: StreamId, cursor: &Cursor, messages: u64) {
        if cursor.advance(messages) {
            self.advanced.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            self.driver.raise();
        }
    }

    /// Moves out which cursors have advanced.
    pub(crate) fn take_advanced(&self, into: &mut Vec<StreamId>) {
        std::mem::swap(into, &mut *self.advanced.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
