//! What a client needs of any transport: a stream to an endpoint. Knows no concrete transport.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::Stream;
use crate::sub_protocol::SubProtocol;

/// What [`Connector::connect`] returns. Boxed, so that connectors can be kept as `Arc<dyn Connector>`: one allocation
/// for each connection is nothing beside the handshake.
pub type ConnectFuture<'a> = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send + 'a>>;

/// Opens byte streams: the client side of a transport.
///
/// To bring one's own transport, make a [`Stream::custom`] of anything that reads and writes, and report what went wrong
/// by [`ConnectError::custom`]:
///
/// ```
/// use bowline_transport::{ConnectError, ConnectFuture, Connector, Endpoint, Stream};
///
/// struct Loopback;
///
/// impl Connector for Loopback {
///     fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
///         Box::pin(async move {
///             if endpoint.host() != "loop" {
///                 return Err(ConnectError::custom(format!("no way to {endpoint}")));
///             }
///             let (near, _far) = bowline_transport::duplex(4096);
///             Ok(Stream::custom(near, "the loop"))
///         })
///     }
/// }
/// ```
pub trait Connector: Send + Sync + 'static {
    /// Opens a stream to the endpoint.
    ///
    /// # Errors
    ///
    /// Whatever kept the stream from being opened; each attempt stands for itself, the caller decides about another.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up and frees what it held; the connector can be used again at once. The
    /// other side may have seen a connection that closes without a byte.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a>;

    /// The same for an attempt that will speak this, for transports on which the two sides agree on a protocol first. What the client
    /// calls; by default it is [`connect`](Self::connect). A connector that stands before another one passes it on.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        let _ = sub_protocol;
        self.connect(endpoint)
    }
}

impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        (**self).connect(endpoint)
    }

    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        (**self).connect_as(endpoint, sub_protocol)
    }
}
