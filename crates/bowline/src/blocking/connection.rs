//! What every blocking handle can do whatever its role: watch the connection, and end it.

use std::sync::Arc;
use std::time::Duration;

use bowline_proto::Text;

use crate::blocking::error::{TimedOut, WaitError};
use crate::blocking::events::Events;
use crate::blocking::wait::{wait, wait_for, wait_for_result};
use crate::connection::{self, DrainError};
use crate::disconnection::Disconnection;
use crate::state::{ConnectionInfo, ConnectionState};
use crate::stats::Stats;

/// The connection behind a blocking [`Client`](super::Client), [`Publisher`](super::Publisher) or
/// [`Subscriber`](super::Subscriber), which all have these methods. Cheap to clone; keeps the client alive.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: connection::Connection,
}

impl Connection {
    pub(super) const fn new(inner: connection::Connection) -> Self {
        Self { inner }
    }

    /// Where the connection is at this moment.
    pub fn state(&self) -> ConnectionState {
        self.inner.state()
    }

    /// Watches where the connection is. Does not keep the client alive.
    pub fn connection(&self) -> ConnectionWatch {
        ConnectionWatch { inner: self.inner.connection() }
    }

    /// What happens from now on. Does not keep the client alive.
    pub fn events(&self) -> Events {
        Events::new(self.inner.events())
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// As [`Connection::client_id`](crate::Connection::client_id).
    pub fn client_id(&self) -> Option<Text> {
        self.inner.client_id()
    }

    /// As [`Connection::probe`](crate::Connection::probe): does not wait.
    pub fn probe(&self) {
        self.inner.probe();
    }

    /// As [`Connection::flush`](crate::Connection::flush).
    ///
    /// # Errors
    /// [`Disconnection`] if the client ended before.
    pub fn flush(&self) -> Result<(), Disconnection> {
        wait(self.inner.flush())
    }

    /// The same, at most this long; if the time is up nothing has changed.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), or the time was up.
    pub fn flush_timeout(&self, limit: Duration) -> Result<(), WaitError<Disconnection>> {
        wait_for_result(self.inner.flush(), limit)
    }

    /// Waits like [`flush`](Self::flush), at most this long, and then ends like [`disconnect`](Self::disconnect).
    ///
    /// # Errors
    /// [`DrainError`] if something was left undone: it says how much. The client is over either way.
    pub fn drain(&self, at_most: Duration) -> Result<(), DrainError> {
        let flushed = self.flush_timeout(at_most);
        let left = self.stats();
        self.disconnect();
        flushed.map_err(|_| DrainError { queued: left.queued_messages, in_flight: left.in_flight })
    }

    /// As [`Connection::disconnect`](crate::Connection::disconnect): returns when the connection is closed.
    pub fn disconnect(&self) {
        wait(self.inner.disconnect());
    }

    /// The same, at most this long; if the time is up the client ends all the same, in the background.
    ///
    /// # Errors
    /// [`TimedOut`] if the connection is not closed yet.
    pub fn disconnect_timeout(&self, limit: Duration) -> Result<(), TimedOut> {
        wait_for(self.inner.disconnect(), limit)
    }

    /// Closes the connection without DISCONNECT, so that the broker publishes the will, and ends the client.
    pub fn abort(&self) {
        wait(self.inner.abort());
    }

    /// The same, at most this long; if the time is up the client ends all the same, in the background.
    ///
    /// # Errors
    /// [`TimedOut`] if the connection is not closed yet.
    pub fn abort_timeout(&self, limit: Duration) -> Result<(), TimedOut> {
        wait_for(self.inner.abort(), limit)
    }
}

/// Watches where a connection is.
#[derive(Clone, Debug)]
pub struct ConnectionWatch {
    inner: connection::ConnectionWatch,
}

impl ConnectionWatch {
    /// Where it is at this moment.
    pub fn state(&self) -> ConnectionState {
        self.inner.state()
    }

    /// As [`ConnectionWatch::changed`](crate::ConnectionWatch::changed).
    pub fn changed(&mut self) -> ConnectionState {
        wait(self.inner.changed())
    }

    /// The same, at most this long.
    ///
    /// # Errors
    /// [`TimedOut`] if it is still where it was.
    pub fn changed_timeout(&mut self, limit: Duration) -> Result<ConnectionState, TimedOut> {
        wait_for(self.inner.changed(), limit)
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// [`Disconnection`] if the client is over.
    pub fn connected(&mut self) -> Result<Arc<ConnectionInfo>, Disconnection> {
        wait(self.inner.connected())
    }

    /// The same, at most this long.
    ///
    /// # Errors
    /// As [`connected`](Self::connected), or the time was up.
    pub fn connected_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Arc<ConnectionInfo>, WaitError<Disconnection>> {
        wait_for_result(self.inner.connected(), limit)
    }

    /// Waits until the client is over.
    pub fn ended(&mut self) -> Disconnection {
        wait(self.inner.ended())
    }

    /// The same, at most this long.
    ///
    /// # Errors
    /// [`TimedOut`] if the client is not over.
    pub fn ended_timeout(&mut self, limit: Duration) -> Result<Disconnection, TimedOut> {
        wait_for(self.inner.ended(), limit)
    }
}
