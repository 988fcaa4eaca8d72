//! WebSocket over a stream, on either side: a stream of bytes made of the messages that carry them. Knows no handshake.
//!
//! Where one message ends and the next begins means nothing to MQTT [MQTT-6.0.0-2]: a message is read piece by piece, and what
//! is written at once becomes one message. Control frames are answered by whichever side of the stream is used: writing
//! reads ahead, one message at most, so that a client which only publishes still answers pings.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream as _;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{
    ClientBuilder, CloseCode, Config, Error, Limits, Message, Payload, ServerBuilder, WebSocketStream,
};

use super::both_wakers::{BothWakers, Way};
use super::pieces::Pieces;
use super::rewound::Rewound;
use crate::websocket_error::WebSocketError;

/// So many pings are answered before what answers them has to be written: else a peer that reads nothing could have us keep any
/// number of answers.
const PONGS_MAX: usize = 16;

/// Which side of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// An open WebSocket over `S`.
pub(crate) struct Framed<S> {
    frames: WebSocketStream<Pieces<Rewound<S>>>,
    frame_bytes_max: usize,
    waiting: Arc<BothWakers>,
    /// Wakes all that wait.
    waker: Waker,
    /// What is left of the message that came last.
    incoming: Bytes,
    /// What is to be told to the reader when the message is read.
    failure: Option<io::Error>,
    /// Answers to pings that may not be written yet.
    pongs: usize,
    /// There is nothing to read any more.
    has_ended: bool,
    /// We have said that we write no more.
    is_closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    /// Over a stream whose handshake is done, and of which `read_ahead` was read already.
    pub(crate) fn new(
        stream: S,
        read_ahead: Bytes,
        side: Side,
        message_bytes_max: usize,
        frame_bytes_max: usize,
    ) -> Self {
        let stream = Pieces::new(Rewound { stream, before: read_ahead }, message_bytes_max);
        let limits = Limits::default().max_payload_len(Some(message_bytes_max));
        // With 1 nothing is taken as long as something waits to be written: one frame is all that is ever kept.
        let config = Config::default().frame_size(frame_bytes_max).flush_threshold(1);
        let frames = match side {
            Side::Client => ClientBuilder::new().limits(limits).config(config).take_over(stream),
            Side::Server => ServerBuilder::new().limits(limits).config(config).serve(stream),
        };
        let waiting = Arc::<BothWakers>::default();
        Self {
            frames,
            frame_bytes_max,
            waker: Waker::from(waiting.clone()),
            waiting,
            incoming: Bytes::new(),
            failure: None,
            pongs: 0,
            has_ended: false,
            is_closing: false,
        }
    }

    pub(super) fn carrier(&self) -> &S {
        &self.frames.get_ref().carrier().stream
    }

    pub(super) fn into_carrier(self) -> S {
        self.frames.into_inner().into_inner().stream
    }

    /// Has a message ready to be read, or the end, or a failure.
    fn poll_message(&mut self) -> Poll<()> {
        while self.incoming.is_empty() && !self.has_ended {
            if self.pongs >= PONGS_MAX {
                ready!(self.poll_frames_flush());
            }
            let mut cx = Context::from_waker(&self.waker);
            match ready!(Pin::new(&mut self.frames).poll_next(&mut cx)) {
                Some(Ok(message)) => self.on_message(message),
                Some(Err(error)) => self.fail(failure_of(error)),
                None => self.has_ended = true,
            }
        }
        Poll::Ready(())
    }

    fn on_message(&mut self, message: Message) {
        if message.is_binary() {
            self.incoming = Payload::into(message.into_payload());
        } else if message.is_ping() {
            self.pongs += 1;
            // The reader may stop here; the answer must not wait for it.
            let _written = self.poll_frames_flush();
        } else if message.is_text() {
            // [MQTT-6.0.0-1] [MQTT-6.0.0-1 of 3.1.1]
            let close = Message::close(Some(CloseCode::UNSUPPORTED_DATA), "mqtt is binary");
            let _queued = Pin::new(&mut self.frames).start_send(close);
            self.fail(WebSocketError::Text.into());
        } else if message.is_close() {
            // The library has queued the answer.
            self.has_ended = true;
            let _written = self.poll_frames_flush();
        }
    }

    /// The end, with what the reader is to be told. What the other side is to be told is written as far as it goes now.
    fn fail(&mut self, failure: io::Error) {
        self.failure = Some(failure);
        self.has_ended = true;
        let _written = self.poll_frames_flush();
    }

    /// Writes what is queued. A failure is told to the reader.
    fn poll_frames_flush(&mut self) -> Poll<()> {
        let mut cx = Context::from_waker(&self.waker);
        if let Err(error) = ready!(Pin::new(&mut self.frames).poll_flush(&mut cx)) {
            self.failure.get_or_insert_with(|| failure_of(error));
            self.has_ended = true;
        }
        self.pongs = 0;
        Poll::Ready(())
    }

    /// Answers control frames while somebody writes; a message that comes is kept for the reader.
    fn read_ahead(&mut self) {
        let had_nothing = self.incoming.is_empty() && !self.has_ended;
        if had_nothing && self.poll_message().is_ready() {
            // The reader may wait in another task.
            self.waker.wake_by_ref();
        }
    }

    fn poll_send(&mut self, bufs: &[IoSlice<'_>], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        self.waiting.wait(Way::Write, cx.waker());
        self.read_ahead();
        if self.is_closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(self.frame_bytes_max);
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut cx = Context::from_waker(&self.waker);
        ready!(Pin::new(&mut self.frames).poll_ready(&mut cx)).map_err(failure_of)?;
        let mut bytes = BytesMut::with_capacity(count);
        for buf in bufs {
            bytes.extend_from_slice(&buf[..buf.len().min(count - bytes.len())]);
        }
        Pin::new(&mut self.frames).start_send(Message::binary(bytes)).map_err(failure_of)?;
        // They are taken; what cannot leave now leaves with the next call.
        match Pin::new(&mut self.frames).poll_flush(&mut cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(failure_of(error))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Framed<S> {
    // [MQTT-6.0.0-2] [MQTT-6.0.0-2 of 3.1.1]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.waiting.wait(Way::Read, cx.waker());
        ready!(this.poll_message());
        let count = this.incoming.len().min(buf.remaining());
        buf.put_slice(&this.incoming[..count]);
        this.incoming.advance(count);
        if this.incoming.is_empty() {
            // The library's buffer can be used again once nothing points into it.
            this.incoming = Bytes::new();
        }
        match this.failure.take_if(|_| count == 0) {
            Some(failure) => Poll::Ready(Err(failure)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(&[IoSlice::new(buf)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(bufs, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.waiting.wait(Way::Write, cx.waker());
        this.read_ahead();
        let mut cx = Context::from_waker(&this.waker);
        let flushed = ready!(Pin::new(&mut this.frames).poll_flush(&mut cx)).map_err(failure_of);
        this.pongs = 0;
        Poll::Ready(flushed)
    }

    /// Says that we write no more, which the other side answers by the end of its own direction.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.waiting.wait(Way::Write, cx.waker());
        let mut cx = Context::from_waker(&this.waker);
        if !this.is_closing {
            this.is_closing = true;
            let close = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
            // Whoever was told by the other side has answered already.
            let _queued = Pin::new(&mut this.frames).start_send(close);
        }
        ready!(Pin::new(&mut this.frames).poll_flush(&mut cx)).map_err(failure_of)?;
        if this.has_ended {
            // Both sides have said it, so there is nothing left for the stream beneath.
            return Pin::new(&mut this.frames.get_mut().carrier_mut().stream).poll_shutdown(&mut cx);
        }
        Poll::Ready(Ok(()))
    }
}

fn failure_of(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        Error::PayloadTooLong { len, max_len } => {
            WebSocketError::TooLong { bytes: len, bytes_max: max_len }.into()
        }
        error => WebSocketError::Violation { problem: error.to_string() }.into(),
    }
}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
