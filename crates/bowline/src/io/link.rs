//! One open transport: reads and writes that never wait for each other. Knows no engine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bowline_proto::codec::{Decoder, Outgoing, PacketSummary};
use bowline_transport::{ConnectError, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::{Level, debug, enabled};

use crate::io::incoming::Incoming;

/// Slices of one vectored write.
const SLICES_MAX: usize = 64;

/// How a server that expects TLS answers what is not TLS: with an alert. No server of MQTT can begin like this, since the first
/// byte is that of a CONNECT.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// An open transport with what is on its way in both directions.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    pub(super) incoming: Incoming,
    writing: Option<Outgoing>,
    /// The engine takes no packets at the moment.
    pub(super) is_paused: bool,
    has_read_any: bool,
    /// The peer will send no more, or reading failed.
    has_read_all: bool,
    has_write_failed: bool,
}

impl Link {
    pub(super) const fn new(stream: Stream, decoder: Decoder) -> Self {
        Self {
            stream,
            incoming: Incoming::new(decoder),
            writing: None,
            is_paused: false,
            has_read_any: false,
            has_read_all: false,
            has_write_failed: false,
        }
    }

    /// Starts to write; the buffer before must be done.
    pub(super) fn write(&mut self, buffer: Outgoing) {
        if enabled!(target: "bowline", Level::DEBUG) {
            for packet in PacketSummary::of_outgoing(&buffer) {
                debug!(target: "bowline", "==> {packet}");
            }
        }
        self.writing = Some(buffer);
    }

    /// Reads once; how many bytes, 0 at the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.has_read_all {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(bytes);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        let is_first = !std::mem::replace(&mut self.has_read_any, true);
        let read = if is_first { as_greeting(&self.stream, bytes, read) } else { read };
        self.has_read_all = bytes.is_empty() || read.is_err();
        if read.is_ok() {
            self.incoming.feed(bytes);
        }
        Poll::Ready(read.map(|()| bytes.len()))
    }

    /// Writes as much as goes; gives the buffer back when all of it is written.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Outgoing>> {
        let Some(buffer) = &mut self.writing else { return Poll::Pending };
        let written = ready!(write_all(&mut self.stream, buffer, cx));
        let buffer = self.writing.take().unwrap_or_default();
        self.has_write_failed = written.is_err();
        Poll::Ready(written.map(|()| buffer))
    }

    /// The stream, if it can still say something to the other side.
    pub(super) fn into_open_stream(self) -> Option<Stream> {
        (!self.has_write_failed).then_some(self.stream)
    }
}

/// The first that was read, or what went wrong with it in words that help.
fn as_greeting(stream: &Stream, bytes: &[u8], read: io::Result<()>) -> io::Result<()> {
    let peer = || stream.description().peer().to_owned();
    // Whoever has made a TLS or WebSocket handshake has said something, and cannot be the wrong port.
    let is_plain = || !matches!(stream.description().transport(), "tls" | "websocket");
    match read {
        Ok(()) if bytes.starts_with(&TLS_ALERT) && is_plain() => {
            Err(io::Error::new(io::ErrorKind::InvalidData, ConnectError::SpeaksTls { peer: peer() }))
        }
        Err(source) if is_bare_reset(&source) && is_plain() => {
            let kind = source.kind();
            Err(io::Error::new(kind, ConnectError::BrokenOff { peer: peer(), source }))
        }
        read => read,
    }
}

/// What the operating system says of a reset, and not what a stream has found out about it.
fn is_bare_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset && error.get_ref().is_none()
}

fn write_all(stream: &mut Stream, buffer: &mut Outgoing, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !buffer.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(buffer.chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let written = match &slices[..count] {
            [one] => ready!(Pin::new(&mut *stream).poll_write(cx, one)),
            several => ready!(Pin::new(&mut *stream).poll_write_vectored(cx, several)),
        };
        match written {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(bytes) => buffer.advance(bytes),
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Pin::new(stream).poll_flush(cx)
}
