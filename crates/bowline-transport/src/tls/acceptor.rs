//! A listener whose clients speak TLS. Knows no transport below it.

use crate::error::AcceptError;
use crate::handshakes::{HANDSHAKES_MAX, Handshakes};
use crate::listener::{AcceptFuture, Listener};
use crate::stream::Stream;
use crate::tls::server::{LoadedTlsServer, TlsServer};
use crate::tls_error::TlsError;

/// Accepts the clients of another listener and speaks TLS with them.
///
/// Handshakes run in tasks of the runtime, so that a slow client holds up nobody: up to [`TlsAcceptor::HANDSHAKES_MAX`] at a time.
/// Further clients then wait to be accepted until one is done or its
/// [time](TlsServer::handshake_timeout) is up. A handshake that fails is an [`AcceptError::Handshake`]; the next call goes on.
#[derive(Debug)]
pub struct TlsAcceptor<L> {
    below: L,
    server: LoadedTlsServer,
    handshakes: Handshakes<TlsError>,
}

impl<L: Listener> TlsAcceptor<L> {
    /// How many handshakes there may be at a time.
    pub const HANDSHAKES_MAX: usize = HANDSHAKES_MAX;

    /// TLS with these options over what this listener accepts. Reads the files that the options name, once.
    ///
    /// # Errors
    ///
    /// What is wrong with the options.
    pub fn new(below: L, server: &TlsServer) -> Result<Self, TlsError> {
        Ok(Self { below, server: server.load()?, handshakes: Handshakes::default() })
    }

    async fn next(&self) -> Result<Stream, AcceptError> {
        let handshake = |stream: Stream| {
            let (server, peer) = (self.server.clone(), stream.description().peer().to_owned());
            async move { server.accept_over(stream).await.map_err(|error| (peer, error)) }
        };
        self.handshakes.next(&self.below, handshake).await
    }
}

impl<L: Listener> Listener for TlsAcceptor<L> {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(self.next())
    }

    fn description(&self) -> String {
        format!("tls over {}", self.below.description())
    }
}
