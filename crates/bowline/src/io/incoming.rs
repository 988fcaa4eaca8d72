//! From bytes to packets, and packets that must wait while reading is paused. Knows no socket.

use std::collections::VecDeque;

use bowline_proto::codec::{DecodeError, Decoder, PacketSummary};
use bowline_proto::packet::Packet;
use tracing::{Level, debug, enabled};

use crate::io::read_buffer::BATCH_PACKETS_MAX;

/// The receiving side of one connection.
#[derive(Debug)]
pub(super) struct Incoming {
    decoder: Decoder,
    /// Decoded before reading was paused.
    waiting: VecDeque<Packet>,
    failed: Option<DecodeError>,
}

impl Incoming {
    pub(super) const fn new(decoder: Decoder) -> Self {
        Self { decoder, waiting: VecDeque::new(), failed: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// Adds what is there to a batch.
    pub(super) fn fill(&mut self, batch: &mut Vec<Packet>) {
        if !self.waiting.is_empty() {
            batch.extend(self.waiting.drain(..));
            self.waiting = VecDeque::new();
        }
        while batch.len() < BATCH_PACKETS_MAX && self.failed.is_none() {
            match self.decoder.next_packet() {
                Ok(Some(packet)) => {
                    log(&packet);
                    batch.push(packet);
                }
                Ok(None) => return,
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Whether nothing more can be decoded.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// The error that follows the packets before it, once.
    pub(super) const fn take_failure(&mut self) -> Option<DecodeError> {
        self.failed.take()
    }

    /// Keeps packets that the engine must not get yet.
    pub(super) fn keep(&mut self, packets: impl Iterator<Item = Packet>) {
        self.waiting.extend(packets);
    }
}

/// `<== PUBACK (id=7)`: what arrived, without its content.
fn log(packet: &Packet) {
    if enabled!(target: "bowline", Level::DEBUG) {
        debug!(target: "bowline", "<== {}", PacketSummary::of_packet(packet));
    }
}
