//! Writes messages to a stream of bytes, many at a time. Knows nothing of acknowledgements.

use std::io;

use bowline::Delivery;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// What is written around a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) has_topic: bool,
    pub(super) has_newline: bool,
}

/// Why nothing more can be written.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// Nobody reads it any more.
    Closed,
    Failed(io::Error),
}

/// Where messages are written to.
#[derive(Debug)]
pub(super) struct Output<W> {
    writer: W,
    style: Style,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    pub(super) const fn new(writer: W, style: Style) -> Self {
        Self { writer, style, buffer: Vec::new() }
    }

    /// Writes all of them, and returns when they have left the process.
    pub(super) async fn write(&mut self, batch: &[Delivery]) -> Result<(), WriteEnd> {
        let written = self.write_all(batch).await;
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => WriteEnd::Closed,
            _ => WriteEnd::Failed(error),
        })
    }

    async fn write_all(&mut self, batch: &[Delivery]) -> io::Result<()> {
        for delivery in batch {
            let message = delivery.message();
            if self.style.has_topic {
                self.buffer.extend_from_slice(message.topic().as_bytes());
                self.buffer.push(b' ');
            }
            self.buffer.extend_from_slice(message.payload());
            if self.style.has_newline {
                self.buffer.push(b'\n');
            }
            if self.buffer.len() >= BUFFER_BYTES {
                self.drain().await?;
            }
        }
        self.drain().await?;
        self.writer.flush().await
    }

    async fn drain(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        Ok(())
    }
}
