//! WebSocket over what another connector opens, within a time limit.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::Stream;
use crate::sub_protocol::SubProtocol;
use crate::websocket::options::WebSocket;
use crate::websocket::upgrade::upgrade;
use crate::websocket_error::WebSocketError;

/// Speaks WebSocket over the streams that another connector opens, whatever the scheme of the endpoint: over TCP it is `ws://`, over
/// TLS `wss://`.
///
/// [`connect_as`](Connector::connect_as) says which sub-protocol to ask for; [`connect`](Connector::connect) asks for `mqtt`.
#[derive(Clone, Debug)]
#[must_use]
pub struct WebSocketConnector<C> {
    below: C,
    options: WebSocket,
    connect_timeout: Duration,
}

impl<C: Connector> WebSocketConnector<C> {
    /// WebSocket with these options over what this connector opens.
    pub const fn new(below: C, options: WebSocket) -> Self {
        Self { below, options, connect_timeout: Duration::from_secs(10) }
    }

    /// How long connecting may take in all. The handshake gets what the hook and opening the stream have left of it; those have no
    /// limit here, so give the connector below one that is not longer. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    async fn open(&self, endpoint: &Endpoint, sub_protocol: SubProtocol) -> Result<Stream, ConnectError> {
        let limit = self.connect_timeout;
        let started = Instant::now();
        let handshake = self.options.prepare(endpoint, sub_protocol).await?;
        let stream = self.below.connect_as(endpoint, sub_protocol).await?;
        let upgrade = upgrade(stream, &handshake, self.options.limits);
        match timeout(limit.saturating_sub(started.elapsed()), upgrade).await {
            Ok(done) => Ok(done?),
            Err(_) => {
                let peer = endpoint.host_and_port();
                Err(WebSocketError::TimedOut { peer, after: limit }.into())
            }
        }
    }
}

impl<C: Connector> Connector for WebSocketConnector<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        self.connect_as(endpoint, SubProtocol::Mqtt)
    }

    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        Box::pin(self.open(endpoint, sub_protocol))
    }
}
