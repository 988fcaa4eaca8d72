//! The handshakes of a listener's clients, side by side, so that none holds up another or the accepting. Knows no protocol.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::task::Poll;

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use crate::error::AcceptError;
use crate::listener::Listener;
use crate::stream::Stream;

/// How many there may be at a time.
pub(crate) const HANDSHAKES_MAX: usize = 256;

/// Who failed, and why.
pub(crate) type Failure<E> = (String, E);

/// Those that are under way, each in a task of the runtime.
#[derive(Debug)]
pub(crate) struct Handshakes<E> {
    running: Mutex<JoinSet<Result<Stream, Failure<E>>>>,
}

impl<E> Default for Handshakes<E> {
    fn default() -> Self {
        Self { running: Mutex::new(JoinSet::new()) }
    }
}

impl<E: Error + Send + Sync + 'static> Handshakes<E> {
    /// The next client whose handshake is done. What is accepted meanwhile begins its own.
    pub(crate) async fn next<L, F>(
        &self,
        below: &L,
        handshake: impl Fn(Stream) -> F,
    ) -> Result<Stream, AcceptError>
    where
        L: Listener,
        F: Future<Output = Result<Stream, Failure<E>>> + Send + 'static,
    {
        // Several callers take turns; the tasks go on meanwhile.
        let mut running = self.running.lock().await;
        loop {
            let event = {
                let mut accepting = below.accept();
                poll_fn(|cx| {
                    if let Poll::Ready(Some(done)) = running.poll_join_next(cx) {
                        return Poll::Ready(Event::Done(done));
                    }
                    if running.len() >= HANDSHAKES_MAX {
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
                Event::Accepted(stream) => drop(running.spawn(handshake(stream?))),
            }
        }
    }
}

enum Event<E> {
    Accepted(Result<Stream, AcceptError>),
    Done(Result<Result<Stream, Failure<E>>, JoinError>),
}
