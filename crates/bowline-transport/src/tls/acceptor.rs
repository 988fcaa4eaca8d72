//! A listener whose clients speak TLS: handshakes side by side, none of which holds up another or the accepting.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use crate::error::AcceptError;
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
    handshakes: Mutex<JoinSet<Result<Stream, (String, TlsError)>>>,
}

impl<L: Listener> TlsAcceptor<L> {
    /// How many handshakes there may be at a time.
    pub const HANDSHAKES_MAX: usize = 256;

    /// TLS with these options over what this listener accepts. Reads the files that the options name, once.
    ///
    /// # Errors
    ///
    /// What is wrong with the options.
    pub fn new(below: L, server: &TlsServer) -> Result<Self, TlsError> {
        Ok(Self { below, server: server.load()?, handshakes: Mutex::default() })
    }

    async fn next(&self) -> Result<Stream, AcceptError> {
        // Several callers take turns; the tasks go on meanwhile.
        let mut handshakes = self.handshakes.lock().await;
        loop {
            let event = {
                let mut accepting = self.below.accept();
                poll_fn(|cx| {
                    if let Poll::Ready(Some(done)) = handshakes.poll_join_next(cx) {
                        return Poll::Ready(Event::Done(done));
                    }
                    if handshakes.len() >= Self::HANDSHAKES_MAX {
                        return Poll::Pending;
                    }
                    accepting.as_mut().poll(cx).map(Event::Accepted)
                })
                .await
            };
            match event {
                Event::Done(Ok(done)) => {
                    return done
                        .map_err(|(peer, source)| AcceptError::Handshake { peer, source: source.into() });
                }
                Event::Done(Err(gone)) => {
                    let peer = "a client".to_owned();
                    return Err(AcceptError::Handshake { peer, source: gone.into() });
                }
                Event::Accepted(stream) => {
                    let (stream, server) = (stream?, self.server.clone());
                    let peer = stream.description().peer().to_owned();
                    handshakes.spawn(async move {
                        server.accept_over(stream).await.map_err(|error| (peer, error))
                    });
                }
            }
        }
    }
}

enum Event {
    Accepted(Result<Stream, AcceptError>),
    Done(Result<Result<Stream, (String, TlsError)>, JoinError>),
}

impl<L: Listener> Listener for TlsAcceptor<L> {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(self.next())
    }

    fn description(&self) -> String {
        format!("tls over {}", self.below.description())
    }
}
