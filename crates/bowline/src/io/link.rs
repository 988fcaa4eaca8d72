//! One open transport: reads and writes that never wait for each other. Knows no engine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bowline_proto::codec::{Decoder, Outgoing, PacketSummary};
use bowline_transport::{ConnectError, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::{Level, debug, enabled};

use crate::io::greeting::Greeting;
use crate::io::incoming::Incoming;

/// Slices of one vectored write.
const SLICES_MAX: usize = 64;

/// How much of an answer is looked at when what it answers could not be written.
const ANSWER_BYTES: usize = 64;

/// An open transport with what is on its way in both directions.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    pub(super) incoming: Incoming,
    writing: Option<Outgoing>,
    /// The engine takes no packets at the moment.
    pub(super) is_paused: bool,
    /// What was read before it was clear that it can be MQTT; `None` since then.
    greeting: Option<Vec<u8>>,
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
            greeting: Some(Vec::new()),
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
        let read = match self.greeting {
            None => ready!(poll_once(&mut self.stream, cx, bytes)),
            Some(_) => ready!(self.poll_greeting(cx, bytes)),
        };
        self.has_read_all = matches!(read, Ok(0) | Err(_));
        if let Ok(count) = read {
            self.incoming.feed(&bytes[..count]);
        }
        Poll::Ready(read)
    }

    /// Reads until it is clear whether this can be MQTT.
    fn poll_greeting(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let read = ready!(poll_once(&mut self.stream, cx, bytes));
            let before = self.greeting.get_or_insert_default();
            let count = match read {
                Ok(count) => count,
                Err(source) => return Poll::Ready(Err(self.broken_off(source))),
            };
            before.extend_from_slice(&bytes[..count]);
            match Greeting::of(before, count == 0) {
                // Every turn but the last has read something, and a few bytes decide.
                Greeting::Undecided if count > 0 => {}
                Greeting::Undecided => return Poll::Ready(Ok(0)),
                Greeting::Mqtt => {
                    let held = before.len() - count;
                    self.incoming.feed(&before[..held]);
                    self.greeting = None;
                    return Poll::Ready(Ok(count));
                }
                other => return Poll::Ready(Err(self.is_not_mqtt(other))),
            }
        }
    }

    /// Writes as much as goes; gives the buffer back when all of it is written.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Outgoing>> {
        let Some(buffer) = &mut self.writing else { return Poll::Pending };
        let written = ready!(write_all(&mut self.stream, buffer, cx));
        let buffer = self.writing.take().unwrap_or_default();
        self.has_write_failed = written.is_err();
        Poll::Ready(match written {
            Ok(()) => Ok(buffer),
            Err(source) => Err(self.as_answer(source, cx)),
        })
    }

    /// What is to be told if the other side has not answered and is not waited for any longer.
    pub(super) fn silence(&self) -> Option<ConnectError> {
        let said = self.greeting.as_deref()?;
        Some(match Greeting::of(said, true) {
            Greeting::Undecided => {
                ConnectError::Silent { peer: self.peer(), transport: self.stream.description().transport() }
            }
            other => self.what_it_is(other)?,
        })
    }

    /// What is to be told if the other side has closed the stream.
    pub(super) fn closed_without_a_word(&self) -> Option<ConnectError> {
        let has_said_nothing = self.greeting.as_ref().is_some_and(Vec::is_empty);
        let transport = self.stream.description().transport();
        has_said_nothing.then(|| ConnectError::Closed { peer: self.peer(), transport })
    }

    /// Why something could not be written: who has no use for it may have said so before.
    fn as_answer(&mut self, source: io::Error, cx: &mut Context<'_>) -> io::Error {
        if self.greeting.is_none() {
            return source;
        }
        match self.poll_greeting(cx, &mut [0; ANSWER_BYTES]) {
            Poll::Ready(Err(answer)) if answer.get_ref().is_some() => answer,
            _ => self.broken_off(source),
        }
    }

    fn peer(&self) -> String {
        self.stream.description().peer().to_owned()
    }

    fn is_not_mqtt(&self, greeting: Greeting) -> io::Error {
        let kind = io::ErrorKind::InvalidData;
        self.what_it_is(greeting).map_or_else(|| kind.into(), |error| io::Error::new(kind, error))
    }

    fn what_it_is(&self, greeting: Greeting) -> Option<ConnectError> {
        let (peer, transport) = (self.peer(), self.stream.description().transport());
        // Whoever has made a TLS or WebSocket handshake speaks it.
        let is_plain = !matches!(transport, "tls" | "websocket");
        match greeting {
            Greeting::Undecided | Greeting::Mqtt => None,
            Greeting::Tls if is_plain => Some(ConnectError::SpeaksTls { peer }),
            Greeting::Http(status) if transport != "websocket" => {
                Some(ConnectError::SpeaksHttp { peer, transport, status })
            }
            Greeting::Tls | Greeting::Http(_) => {
                Some(ConnectError::NotMqtt { peer, transport, protocol: None })
            }
            Greeting::Other(protocol) => Some(ConnectError::NotMqtt { peer, transport, protocol }),
        }
    }

    /// A connection that is reset before anything was said says more than that it was.
    fn broken_off(&self, source: io::Error) -> io::Error {
        if !is_bare_reset(&source) {
            return source;
        }
        let (kind, transport) = (source.kind(), self.stream.description().transport());
        io::Error::new(kind, ConnectError::BrokenOff { peer: self.peer(), transport, source })
    }

    /// The stream, if it can still say something to the other side.
    pub(super) fn into_open_stream(self) -> Option<Stream> {
        (!self.has_write_failed).then_some(self.stream)
    }
}

/// What the operating system says of a reset, and not what a stream has found out about it.
fn is_bare_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        && error.get_ref().is_none()
}

fn poll_once(stream: &mut Stream, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(bytes);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
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
