//! Byte streams for MQTT, client and server side: the seam behind which TCP, Unix sockets, TLS (feature `tls`), WebSocket (feature
//! `websocket`) and the in-memory duplex live, and behind which the rest will. Knows no MQTT packet, no session and none of the other crates.
//!
//! A client calls a [`Connector`] with an [`Endpoint`], a server a [`Listener`]; both give a [`Stream`]:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bowline_transport::{Connector, Endpoint, TcpConnector};
//!
//! let endpoint: Endpoint = "mqtt://broker.example".parse()?;
//! let stream = TcpConnector::new().connect(&endpoint).await?;
//! println!("{}", stream.description());
//! # Ok(())
//! # }
//! ```
//!
//! Everything runs on tokio: the TCP parts must be used inside a runtime with its I/O and time drivers enabled. Every
//! stream, connector and listener is `Send`, and every future can be dropped at any time; what that does is said where
//! the future is made.

mod by_scheme;
mod connector;
mod endpoint;
mod error;
#[cfg(any(feature = "tls", feature = "websocket"))]
mod handshakes;
mod in_process;
mod listener;
mod stream;
mod sub_protocol;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_error;
#[cfg(unix)]
mod unix;
#[cfg(feature = "websocket")]
mod websocket;
#[cfg(feature = "websocket")]
mod websocket_error;

pub use by_scheme::SchemeConnector;
pub use connector::{ConnectFuture, Connector};
pub use endpoint::{Credentials, Endpoint, EndpointError, Scheme};
pub use error::{AcceptError, ConnectError, ConnectErrorKind, ListenError};
pub use in_process::{DuplexConnector, DuplexListener, in_process};
pub use listener::{AcceptFuture, Listener};
#[cfg(feature = "tls")]
pub use stream::TlsSession;
pub use stream::{ByteStream, DuplexStream, Stream, StreamDescription, duplex};
pub use sub_protocol::SubProtocol;
pub use tcp::{TcpAcceptor, TcpConnector, TcpKeepAlive, TcpOptions};
#[cfg(feature = "tls")]
pub use tls::{
    Certificates, Identity, LoadedTlsServer, PrivateKey, RevocationLists, Tls, TlsAcceptor, TlsConnector,
    TlsServer, TlsVersion,
};
#[cfg(feature = "tls")]
pub use tls_error::{TlsError, TlsErrorKind};
/// The TLS library, whose types some options of [`Tls`] take.
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;
#[cfg(unix)]
pub use unix::{UnixAcceptor, UnixConnector};
#[cfg(feature = "websocket")]
pub use websocket::{
    Handshake, HandshakeFuture, HandshakeHook, WebSocket, WebSocketAcceptor, WebSocketConnector,
};
#[cfg(feature = "websocket")]
pub use websocket_error::WebSocketError;
