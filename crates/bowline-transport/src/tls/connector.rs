//! TLS over what another connector opens, within a time limit.

use std::time::Duration;

use tokio::time::timeout;

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::Stream;
use crate::sub_protocol::SubProtocol;
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

    /// How long connecting may take in all: reading files, opening the stream and the handshake. Give the connector below a limit
    /// that is a little shorter, and it can say more of what takes so long. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    async fn open(&self, endpoint: &Endpoint, sub_protocol: SubProtocol) -> Result<Stream, ConnectError> {
        let opening = async {
            let prepared = self.tls.prepare(endpoint).await?;
            let stream = self.below.connect_as(endpoint, sub_protocol).await?;
            prepared.handshake(stream).await
        };
        match timeout(self.connect_timeout, opening).await {
            Ok(done) => done,
            Err(_) => {
                let peer = endpoint.host_and_port();
                let source = TlsError::timed_out(Side::Client, &peer, self.connect_timeout);
                Err(ConnectError::Tls { source })
            }
        }
    }
}

impl<C: Connector> Connector for TlsConnector<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        self.connect_as(endpoint, SubProtocol::Mqtt)
    }

    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        Box::pin(self.open(endpoint, sub_protocol))
    }
}
