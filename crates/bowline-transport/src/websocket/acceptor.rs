//! A listener whose clients speak WebSocket. Knows no transport below it.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::AcceptError;
use crate::handshakes::{Failure, HANDSHAKES_MAX, Handshakes};
use crate::listener::{AcceptFuture, Listener};
use crate::stream::Stream;
use crate::websocket::answer::answer;
use crate::websocket::options::Limits;
use crate::websocket_error::WebSocketError;

/// Accepts the clients of another listener and speaks WebSocket with them: over TCP it is what `ws://` connects to, over TLS
/// `wss://`.
///
/// A client must ask for the sub-protocol `mqtt` or `mqttv3.1`. One that does not, or whose request is not valid, gets an answer
/// with an HTTP status that says so, and is an [`AcceptError::Handshake`]; the next call goes on.
///
/// Handshakes run in tasks of the runtime, so that a slow client holds up nobody: up to
/// [`WebSocketAcceptor::HANDSHAKES_MAX`] at a time. Further clients then wait to be accepted until one is done or its time is up.
///
/// | option | default |
/// |---|---|
/// | [`path`](Self::path) | every path |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s |
/// | [`message_bytes_max`](Self::message_bytes_max) | 64 MiB |
#[derive(Debug)]
pub struct WebSocketAcceptor<L> {
    below: L,
    path: Option<Box<str>>,
    handshake_timeout: Duration,
    limits: Limits,
    handshakes: Handshakes<WebSocketError>,
}

impl<L: Listener> WebSocketAcceptor<L> {
    /// How many handshakes there may be at a time.
    pub const HANDSHAKES_MAX: usize = HANDSHAKES_MAX;

    /// WebSocket over what this listener accepts.
    #[must_use]
    pub fn new(below: L) -> Self {
        Self {
            below,
            path: None,
            handshake_timeout: Duration::from_secs(10),
            limits: Limits::new(),
            handshakes: Handshakes::default(),
        }
    }

    /// The only path that may be asked for, whatever the query; others are answered with 404.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.into());
        self
    }

    /// How long a client may take for its request. Default: 10 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// The longest message and the longest frame to accept, in bytes. Default: 64 MiB.
    #[must_use]
    pub const fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.message_bytes_max = bytes;
        self
    }

    /// The longest frame to send, in bytes, at least 1. Default: 64 KiB.
    #[must_use]
    pub const fn frame_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.frame_bytes_max = if bytes == 0 { 1 } else { bytes };
        self
    }

    async fn next(&self) -> Result<Stream, AcceptError> {
        self.handshakes.next(&self.below, |stream| self.handshake(stream)).await
    }

    fn handshake(
        &self,
        stream: Stream,
    ) -> impl Future<Output = Result<Stream, Failure<WebSocketError>>> + Send + use<L> {
        let (path, limits, after) = (self.path.clone(), self.limits, self.handshake_timeout);
        let peer = stream.description().peer().to_owned();
        async move {
            match timeout(after, answer(stream, path.as_deref(), limits)).await {
                Ok(done) => done.map_err(|error| (peer, error)),
                Err(_) => Err((peer.clone(), WebSocketError::ClientTimedOut { peer, after })),
            }
        }
    }
}

impl<L: Listener> Listener for WebSocketAcceptor<L> {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(self.next())
    }

    fn description(&self) -> String {
        format!("websocket over {}", self.below.description())
    }
}
