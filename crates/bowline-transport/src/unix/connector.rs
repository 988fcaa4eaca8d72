//! The client side of Unix sockets. Knows no MQTT and no network.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::Stream;

/// How long to wait before the next attempt while the server has more clients waiting than it keeps.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Connects to the Unix socket of an [`Endpoint`] with the scheme `unix`.
///
/// | option | default |
/// |---|---|
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
#[derive(Clone, Debug)]
#[must_use]
pub struct UnixConnector {
    connect_timeout: Duration,
}

impl UnixConnector {
    /// The defaults.
    pub const fn new() -> Self {
        Self { connect_timeout: Duration::from_secs(10) }
    }

    /// How long connecting may take: a socket whose server has no room for another client is asked again meanwhile. All
    /// else is answered at once. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    async fn connect_to(&self, path: &Path) -> Result<Stream, ConnectError> {
        let Ok(connected) = timeout(self.connect_timeout, connected(path)).await else {
            return Err(ConnectError::Socket { path: path.into(), source: io::ErrorKind::TimedOut.into() });
        };
        let peer = path.display().to_string();
        connected
            .map(|socket| Stream::unix(socket, String::new(), peer))
            .map_err(|source| ConnectError::Socket { path: path.into(), source })
    }
}

impl Default for UnixConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for UnixConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            match endpoint.unix_path() {
                Some(path) => self.connect_to(path).await,
                None => {
                    Err(ConnectError::custom(format!("{endpoint} is no Unix socket: write unix:///its/path")))
                }
            }
        })
    }
}

async fn connected(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            // Linux says this of a socket with a full backlog, where TCP would wait.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(RETRY_PAUSE).await,
            result => return result,
        }
    }
}
