//! TLS over what another connector opens, within a time limit.

use std::time::Duration;

use tokio::time::timeout;

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
    handshake_timeout: Duration,
}

impl<C: Connector> TlsConnector<C> {
    /// TLS with these options over what this connector opens.
    pub const fn new(below: C, tls: Tls) -> Self {
        Self { below, tls, handshake_timeout: Duration::from_secs(10) }
    }

    /// How long the handshake may take, beside what opening the stream takes. Default: 10 s.
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let prepared = self.tls.prepare(endpoint).await?;
        let stream = self.below.connect(endpoint).await?;
        match timeout(self.handshake_timeout, prepared.handshake(stream)).await {
            Ok(done) => done,
            Err(_) => {
                let peer = endpoint.host_and_port();
                let source = TlsError::timed_out(Side::Client, &peer, self.handshake_timeout);
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
