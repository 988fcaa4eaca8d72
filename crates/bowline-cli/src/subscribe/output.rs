//! Writes messages to a stream of bytes, many at a time. Knows nothing of acknowledgements.

use std::io;
use std::time::SystemTime;

use bowline::Delivery;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::subscribe::format::Format;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

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
    format: Format,
    has_newline: bool,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    pub(super) const fn new(writer: W, format: Format, has_newline: bool) -> Self {
        Self { writer, format, has_newline, buffer: Vec::new() }
    }

    /// Writes all of them, and returns when they have left the process.
    pub(super) async fn write<'a>(
        &mut self,
        batch: impl Iterator<Item = &'a Delivery>,
    ) -> Result<(), WriteEnd> {
        let written = self.write_all(batch).await;
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => WriteEnd::Closed,
            _ => WriteEnd::Failed(error),
        })
    }

    async fn write_all<'a>(&mut self, batch: impl Iterator<Item = &'a Delivery>) -> io::Result<()> {
        for delivery in batch {
            self.format.write(delivery.message(), SystemTime::now(), &mut self.buffer);
            if self.has_newline {
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
