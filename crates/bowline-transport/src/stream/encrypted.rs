//! TLS over a stream, on either side: bytes, and errors that say what to change. Knows no settings and no kind of stream.

use std::fmt;
use std::io::{self, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, HandshakeKind, ProtocolVersion};

use crate::tls_error::{Side, TlsError};

/// An open TLS connection over `S`.
pub(crate) struct Encrypted<S> {
    tls: TlsStream<S>,
    side: Side,
    peer: Box<str>,
}

/// What the two sides of a TLS connection agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsSession {
    /// The version of TLS.
    pub version: Option<ProtocolVersion>,
    /// The application protocol (ALPN), if one was agreed on.
    pub alpn: Option<Vec<u8>>,
    /// Whether an earlier session was resumed, which spares the exchange of certificates.
    pub is_resumed: bool,
    /// What the peer showed, its own certificate first. A server has none of clients that showed none.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

impl<S> Encrypted<S> {
    pub(crate) fn new(tls: impl Into<TlsStream<S>>, side: Side, peer: &str) -> Self {
        Self { tls: tls.into(), side, peer: peer.into() }
    }

    pub(super) fn carrier(&self) -> &S {
        self.tls.get_ref().0
    }

    pub(super) fn into_carrier(self) -> S {
        match self.tls {
            TlsStream::Client(stream) => stream.into_inner().0,
            TlsStream::Server(stream) => stream.into_inner().0,
        }
    }

    pub(super) fn session(&self) -> TlsSession {
        let (_, agreed) = self.tls.get_ref();
        let certificates = agreed.peer_certificates().unwrap_or_default();
        TlsSession {
            version: agreed.protocol_version(),
            alpn: agreed.alpn_protocol().map(<[u8]>::to_vec),
            is_resumed: agreed.handshake_kind() == Some(HandshakeKind::Resumed),
            peer_certificates: certificates
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Encrypted<S> {
    fn explained(&self, error: io::Error) -> io::Error {
        TlsError::of_stream(self.side, &self.peer, error)
    }

    /// The error of a write, or rather why: a server that refuses a client's certificate says so and closes, and what is
    /// written then fails before anybody has read what it said.
    fn explained_write(&mut self, error: io::Error, cx: &mut Context<'_>) -> io::Error {
        let said = match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                self.last_word(cx)
            }
            _ => None,
        };
        match said {
            Some(said) => self.explained(io::Error::new(error.kind(), said)),
            None => self.explained(error),
        }
    }

    /// The alert that the peer sent before it closed, if it has come.
    fn last_word(&mut self, cx: &mut Context<'_>) -> Option<rustls::Error> {
        let TlsStream::Client(stream) = &mut self.tls else { return None };
        let (carrier, session) = stream.get_mut();
        for _ in 0..LAST_READS_MAX {
            match session.read_tls(&mut Readable { carrier, cx }) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            if let Err(said) = session.process_new_packets() {
                return Some(said);
            }
        }
        None
    }
}

/// How often what came before a failed write is read, at most 4 KiB each time. An alert that comes after more is not found.
const LAST_READS_MAX: usize = 16;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf).map_err(|error| self.explained(error))
    }
}

/// What is written is encrypted at once and goes out as far as the carrier takes it; up to 64 KiB of the rest waits here, beyond
/// that `poll_write` waits. A flush resolves when nothing is left.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tls).poll_write(cx, buf);
        written.map_err(|error| self.explained_write(error, cx))
    }

    /// Several buffers become one record, up to 16 KiB.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tls).poll_write_vectored(cx, bufs);
        written.map_err(|error| self.explained_write(error, cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tls).poll_flush(cx);
        flushed.map_err(|error| self.explained_write(error, cx))
    }

    /// Says `close_notify`, then ends our direction of the carrier.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Encrypted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Reads without waiting.
struct Readable<'a, 'b, S> {
    carrier: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> Read for Readable<'_, '_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        match Pin::new(&mut *self.carrier).poll_read(self.cx, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
