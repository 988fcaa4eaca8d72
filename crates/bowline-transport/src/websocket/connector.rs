//! WebSocket over what another connector opens, within a time limit.

use std::time::Duration;

use tokio::time::timeout;

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

    /// How long connecting may take in all: the hook, opening the stream and the handshake. Give the connector below a limit that
    /// is a little shorter, and it can say more of what takes so long. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    async fn open(&self, endpoint: &Endpoint, sub_protocol: SubProtocol) -> Result<Stream, ConnectError> {
        let opening = async {
            let handshake = self.options.prepare(endpoint, sub_protocol).await?;
            let stream = self.below.connect_as(endpoint, sub_protocol).await?;
            Ok(upgrade(stream, &handshake, self.options.limits).await?)
        };
        match timeout(self.connect_timeout, opening).await {
            Ok(done) => done,
            Err(_) => {
                let (peer, after) = (endpoint.host_and_port(), self.connect_timeout);
                Err(WebSocketError::TimedOut { peer, after }.into())
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
