//! The connector that does what the scheme of a URL says. Knows which transport lies over which, and how none of them works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::{Endpoint, EndpointError, Scheme};
use crate::error::ConnectError;
use crate::stream::Stream;
use crate::sub_protocol::SubProtocol;
#[cfg(feature = "tls")]
use crate::tls::{Tls, TlsConnector};
#[cfg(unix)]
use crate::unix::UnixConnector;
#[cfg(feature = "websocket")]
use crate::websocket::{WebSocket, WebSocketConnector};

/// Opens what the scheme of each endpoint asks for, over the bytes that another connector opens: nothing more for `mqtt://`, TLS
/// for `mqtts://`, WebSocket for `ws://`, and WebSocket over TLS for `wss://`, as far as their features are on. A Unix socket (`unix://`) is opened beside them.
#[derive(Clone)]
#[must_use]
pub struct SchemeConnector {
    below: Arc<dyn Connector>,
    connect_timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Tls,
    #[cfg(feature = "websocket")]
    websocket: WebSocket,
}

impl SchemeConnector {
    /// Over what this connector opens, usually TCP.
    pub fn new(below: Arc<dyn Connector>) -> Self {
        Self {
            below,
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: Tls::new(),
            #[cfg(feature = "websocket")]
            websocket: WebSocket::new(),
        }
    }

    /// How long connecting may take in all where there is a handshake above the bytes, and how long opening a Unix socket. Give the
    /// connector below a limit that is a little shorter, and it can say more of what takes so long. Default: 10 s.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How TLS is spoken, where it is.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// How WebSocket is spoken, where it is.
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self, websocket: WebSocket) -> Self {
        self.websocket = websocket;
        self
    }

    async fn open(&self, endpoint: &Endpoint, sub_protocol: SubProtocol) -> Result<Stream, ConnectError> {
        match endpoint.scheme() {
            Scheme::Mqtt => self.below.connect_as(endpoint, sub_protocol).await,
            #[cfg(feature = "tls")]
            Scheme::Mqtts => self.over_tls(self.connect_timeout).connect_as(endpoint, sub_protocol).await,
            #[cfg(feature = "websocket")]
            Scheme::Ws => self.over_websocket(self.below.clone()).connect_as(endpoint, sub_protocol).await,
            #[cfg(all(feature = "tls", feature = "websocket"))]
            Scheme::Wss => {
                // Of what takes too long, the one that is nearest to it can say most.
                let below = self.over_tls(self.connect_timeout - self.connect_timeout / 20);
                self.over_websocket(below).connect_as(endpoint, sub_protocol).await
            }
            #[cfg(unix)]
            Scheme::Unix => {
                UnixConnector::new().connect_timeout(self.connect_timeout).connect(endpoint).await
            }
            // Nothing can be parsed that was not built; should it be made otherwise, it must not be sent in the clear.
            other => Err(ConnectError::custom(EndpointError::not_built(other))),
        }
    }

    #[cfg(feature = "tls")]
    fn over_tls(&self, limit: Duration) -> TlsConnector<Arc<dyn Connector>> {
        TlsConnector::new(self.below.clone(), self.tls.clone()).connect_timeout(limit)
    }

    #[cfg(feature = "websocket")]
    fn over_websocket<C: Connector>(&self, below: C) -> WebSocketConnector<C> {
        WebSocketConnector::new(below, self.websocket.clone()).connect_timeout(self.connect_timeout)
    }
}

impl Connector for SchemeConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        self.connect_as(endpoint, SubProtocol::Mqtt)
    }

    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        Box::pin(self.open(endpoint, sub_protocol))
    }
}

impl fmt::Debug for SchemeConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemeConnector")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
