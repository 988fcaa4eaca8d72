//! The write side of a connection: the encoder and the bytes that are on their way.

use crate::codec::{EncodeError, Encoder, Outgoing};
use crate::packet::PublishHeader;
use crate::types::Message;

/// Above this many bytes waiting to be written, nothing but what must leave is encoded.
pub(crate) const HIGH_WATER_BYTES: usize = 256 * 1024;

/// Above this many bytes of anything but publications a peer that makes us answer and does not read is given up.
pub(crate) const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is encoded and not written yet.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) encoder: Encoder,
    /// Where packets are encoded to.
    pub(crate) out: Outgoing,
    /// An empty buffer that came back.
    spare: Option<Outgoing>,
    /// How much of `out` are publications, which we send of our own accord and only while there is room.
    publication_bytes: usize,
    /// Bytes that the driver is writing.
    being_written: Option<usize>,
}

impl Link {
    pub(crate) fn new(encoder: Encoder) -> Self {
        Self { encoder, out: Outgoing::new(), spare: None, publication_bytes: 0, being_written: None }
    }

    /// Bytes that wait to be written, those at the driver included.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.out.len() + self.being_written.unwrap_or(0)
    }

    /// Whether the peer makes us answer, and does not read the answers.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.out.len() - self.publication_bytes > OUTPUT_BYTES_MAX
    }

    /// Encodes a PUBLISH.
    pub(crate) fn publish(
        &mut self,
        message: &Message,
        header: &PublishHeader<'_>,
    ) -> Result<(), EncodeError> {
        let before = self.out.len();
        self.encoder.publish(&mut self.out, message, header)?;
        self.publication_bytes += self.out.len() - before;
        Ok(())
    }

    /// Whether more may be encoded that could also wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting_bytes() < HIGH_WATER_BYTES
    }

    /// Whether everything is written.
    pub(crate) fn is_drained(&self) -> bool {
        self.out.is_empty() && self.being_written.is_none()
    }

    /// What to write next, if there is something and the driver is not writing.
    pub(crate) fn poll_transmit(&mut self) -> Option<Outgoing> {
        if self.out.is_empty() || self.being_written.is_some() {
            return None;
        }
        self.being_written = Some(self.out.len());
        self.publication_bytes = 0;
        Some(core::mem::replace(&mut self.out, self.spare.take().unwrap_or_default()))
    }

    /// The driver has written all of it and gives the buffer back.
    pub(crate) fn on_transmitted(&mut self, mut buffer: Outgoing) {
        self.being_written = None;
        buffer.clear();
        self.spare = Some(buffer);
    }
}
