//! What a server needs of any transport: the next stream of a client. Knows no concrete transport.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::AcceptError;
use crate::stream::Stream;

/// What [`Listener::accept`] returns, boxed for the same reason as [`ConnectFuture`](crate::ConnectFuture).
pub type AcceptFuture<'a> = Pin<Box<dyn Future<Output = Result<Stream, AcceptError>> + Send + 'a>>;

/// Accepts byte streams: the server side of a transport.
pub trait Listener: Send + Sync + 'static {
    /// Waits for the next client.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]: after some of them the next call may succeed, and [`AcceptError::is_transient`] says which.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no client: one that waits is given to the next call.
    fn accept(&self) -> AcceptFuture<'_>;

    /// Where it listens, for logs: `tcp 127.0.0.1:1883`. Contains no secret.
    fn description(&self) -> String;
}

impl<L: Listener + ?Sized> Listener for Arc<L> {
    fn accept(&self) -> AcceptFuture<'_> {
        (**self).accept()
    }

    fn description(&self) -> String {
        (**self).description()
    }
}
