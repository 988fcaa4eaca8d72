//! The one stream type that all transports give, and the trait of what it can be made of. Knows nothing of how streams
//! come about.

#[cfg(feature = "websocket")]
mod both_wakers;
mod description;
mod duplex;
#[cfg(feature = "tls")]
mod encrypted;
#[cfg(feature = "websocket")]
mod framed;
#[cfg(feature = "websocket")]
mod pieces;
mod pipe;
#[cfg(feature = "websocket")]
mod rewound;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

pub use description::StreamDescription;
pub(crate) use duplex::pair;
pub use duplex::{DuplexStream, duplex};
#[cfg(feature = "tls")]
pub(crate) use encrypted::Encrypted;
#[cfg(feature = "tls")]
pub use encrypted::TlsSession;
#[cfg(feature = "websocket")]
pub(crate) use framed::{Framed, Side};

/// Anything that can carry MQTT: an ordered, reliable stream of bytes in both directions. Implemented for all that fits.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// An open stream of bytes in both directions, over whichever transport.
///
/// The two directions end apart: `poll_shutdown` ends ours and leaves the other side's open. Vectored writes reach the
/// operating system as one call where the transport can. Dropping the stream closes it in an orderly way (except that a TCP
/// socket with unread bytes is reset by the operating system), [`Stream::abort`] never does.
///
/// # Cancel safety
///
/// It has only `poll_*` methods; the futures made of them keep what tokio says of each: a dropped `read` or `write` has
/// moved no byte, `read_exact` and `write_all` may have.
pub struct Stream {
    // An enum and not `Box<dyn ByteStream>`: TCP and TLS over it carry nearly everything, so their reads and writes cost a
    // predictable branch and can be inlined, while only streams from outside pay for the call through a table.
    carrier: Carrier,
}

enum Carrier {
    /// The addresses are asked for once, because a socket that lost its peer no longer tells them.
    Tcp {
        socket: TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
    },
    #[cfg(unix)]
    Unix {
        socket: UnixStream,
        local: Box<str>,
        peer: Box<str>,
    },
    Duplex(DuplexStream),
    #[cfg(feature = "tls")]
    Tls(Box<Encrypted<Stream>>),
    #[cfg(feature = "websocket")]
    WebSocket(Box<Framed<Stream>>),
    Custom {
        io: Box<dyn ByteStream>,
        peer: Box<str>,
    },
}

impl Stream {
    /// A stream of anything that reads and writes. `peer` is what logs call the other side: no secret may be in it.
    pub fn custom(io: impl ByteStream, peer: impl Into<String>) -> Self {
        Self { carrier: Carrier::Custom { io: Box::new(io), peer: peer.into().into_boxed_str() } }
    }

    pub(crate) fn tcp(socket: TcpStream) -> io::Result<Self> {
        let (local, peer) = (socket.local_addr()?, socket.peer_addr()?);
        Ok(Self { carrier: Carrier::Tcp { socket, local, peer } })
    }

    #[cfg(unix)]
    pub(crate) fn unix(socket: UnixStream, local: String, peer: String) -> Self {
        Self { carrier: Carrier::Unix { socket, local: local.into(), peer: peer.into() } }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(encrypted: Encrypted<Self>) -> Self {
        Self { carrier: Carrier::Tls(Box::new(encrypted)) }
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn websocket(framed: Framed<Self>) -> Self {
        Self { carrier: Carrier::WebSocket(Box::new(framed)) }
    }

    /// What was agreed on, if this is TLS, or WebSocket over it.
    #[cfg(feature = "tls")]
    pub fn tls_session(&self) -> Option<TlsSession> {
        match &self.carrier {
            Carrier::Tls(stream) => Some(stream.session()),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => stream.carrier().tls_session(),
            _ => None,
        }
    }

    /// Who is at both ends, for logs. Contains no secret.
    pub fn description(&self) -> StreamDescription {
        match &self.carrier {
            Carrier::Tcp { local, peer, .. } => {
                StreamDescription::new("tcp", local.to_string(), peer.to_string())
            }
            #[cfg(unix)]
            Carrier::Unix { local, peer, .. } => {
                StreamDescription::new("unix", local.to_string(), peer.to_string())
            }
            Carrier::Duplex(stream) => stream.description(),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.carrier().description().over("tls"),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => stream.carrier().description().over("websocket"),
            Carrier::Custom { peer, .. } => StreamDescription::new("custom", String::new(), peer.to_string()),
        }
    }

    /// Ends both directions at once without an orderly close: the other side's reads and writes fail with
    /// [`io::ErrorKind::ConnectionReset`], and bytes still on their way, to it or to us, may be lost. A custom stream is
    /// only dropped, and so is a Unix socket, which has no such thing: its other side sees the end of the stream.
    pub fn abort(self) {
        match self.carrier {
            // A socket that was reset by its peer refuses the option, and there is nothing left to reset.
            Carrier::Tcp { socket, .. } => drop(socket.set_zero_linger()),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => drop(socket),
            Carrier::Duplex(stream) => stream.abort(),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.into_carrier().abort(),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => stream.into_carrier().abort(),
            Carrier::Custom { io, .. } => drop(io),
        }
    }

    /// The socket beneath, if there is one: to set or read an option that has no method here.
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        match &self.carrier {
            Carrier::Tcp { socket, .. } => Some(std::os::fd::AsFd::as_fd(socket)),
            Carrier::Unix { socket, .. } => Some(std::os::fd::AsFd::as_fd(socket)),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.carrier().as_fd(),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => stream.carrier().as_fd(),
            Carrier::Duplex(_) | Carrier::Custom { .. } => None,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&format_args!("{}", self.description())).finish()
    }
}

impl From<DuplexStream> for Stream {
    fn from(stream: DuplexStream) -> Self {
        Self { carrier: Carrier::Duplex(stream) }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp { socket, .. } => Pin::new(socket).poll_read(cx, buf),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => Pin::new(socket).poll_read(cx, buf),
            Carrier::Duplex(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Carrier::Custom { io, .. } => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Tcp { socket, .. } => Pin::new(socket).poll_write(cx, buf),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => Pin::new(socket).poll_write(cx, buf),
            Carrier::Duplex(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            Carrier::Custom { io, .. } => Pin::new(io).poll_write(cx, buf),
        }
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Tcp { socket, .. } => Pin::new(socket).poll_write_vectored(cx, bufs),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => Pin::new(socket).poll_write_vectored(cx, bufs),
            Carrier::Duplex(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
            Carrier::Custom { io, .. } => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Tcp { socket, .. } => socket.is_write_vectored(),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => socket.is_write_vectored(),
            Carrier::Duplex(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.is_write_vectored(),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => stream.is_write_vectored(),
            Carrier::Custom { io, .. } => io.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp { socket, .. } => Pin::new(socket).poll_flush(cx),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => Pin::new(socket).poll_flush(cx),
            Carrier::Duplex(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Carrier::Custom { io, .. } => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp { socket, .. } => Pin::new(socket).poll_shutdown(cx),
            #[cfg(unix)]
            Carrier::Unix { socket, .. } => Pin::new(socket).poll_shutdown(cx),
            Carrier::Duplex(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            #[cfg(feature = "websocket")]
            Carrier::WebSocket(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Carrier::Custom { io, .. } => Pin::new(io).poll_shutdown(cx),
        }
    }
}
