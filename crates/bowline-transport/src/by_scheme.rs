//! Which transport an endpoint asks for. Knows every connector of this crate and how none of them works.

use std::time::Duration;

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::{Endpoint, Scheme};
use crate::error::ConnectError;
use crate::tcp::TcpConnector;
#[cfg(unix)]
use crate::unix::UnixConnector;

/// Connects by the transport that the endpoint's [`Scheme`] names: TCP for `mqtt`, a Unix socket for `unix`.
///
/// | option | default |
/// |---|---|
/// | [`tcp`](Self::tcp) | [`TcpConnector::new`] |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
#[derive(Clone, Debug)]
#[must_use]
pub struct SchemeConnector {
    tcp: TcpConnector,
    connect_timeout: Duration,
}

impl SchemeConnector {
    /// The defaults.
    pub const fn new() -> Self {
        Self { tcp: TcpConnector::new(), connect_timeout: Duration::from_secs(10) }
    }

    /// How TCP connections are made, those beneath other transports included.
    pub fn tcp(mut self, tcp: TcpConnector) -> Self {
        self.tcp = tcp;
        self
    }

    /// How long each step of connecting may take, those of [`tcp`](Self::tcp) included. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self.tcp = self.tcp.connect_timeout(limit);
        self
    }
}

impl Default for SchemeConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for SchemeConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        match endpoint.scheme() {
            Scheme::Mqtt => self.tcp.connect(endpoint),
            #[cfg(unix)]
            Scheme::Unix => {
                let unix = UnixConnector::new().connect_timeout(self.connect_timeout);
                Box::pin(async move { unix.connect(endpoint).await })
            }
            scheme => Box::pin(async move {
                Err(ConnectError::custom(format!("this build has no transport for {scheme}://")))
            }),
        }
    }
}
