//! TLS over what another connector opens, within a time limit.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::Stream;
use crate::tls::client::Tls;
use crate::tls_error::{Side, TlsError};

/// Speaks TLS over the streams that another connector opens, whatever the scheme of the endpoint.
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsConnector<C> {
    below: C,
    tls: Tls,
    connect_timeout: Duration,
}

impl<C: Connector> TlsConnector<C> {
    /// TLS with these options over what this connector opens.
    pub const fn new(below: C, tls: Tls) -> Self {
        Self { below, tls, connect_timeout: Duration::from_secs(10) }
    }

    /// How long connecting may take in all. The handshake gets what reading files and opening the stream have left of it; those
    /// have no limit here, so give the connector below one that is not longer. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let limit = self.connect_timeout;
        let started = Instant::now();
        let prepared = self.tls.prepare(endpoint).await?;
        let stream = self.below.connect(endpoint).await?;
        match timeout(limit.saturating_sub(started.elapsed()), prepared.handshake(stream)).await {
            Ok(done) => done,
            Err(_) => {
                let source = TlsError::timed_out(Side::Client, &endpoint.host_and_port(), limit);
                Err(ConnectError::Tls { source })
            }
        }
    }
}

impl<C: Connector> Connector for TlsConnector<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(self.open(endpoint))
    }
}
