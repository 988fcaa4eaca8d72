//! The sending side of a raw end: PUBLISH packets made before, as many as the window allows. Counts, decodes nothing.

use std::io::{self, Write};

use bowline::QoS;

use crate::plan::{Plan, WINDOW};

/// Bytes of one write at most, unless a packet is larger.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Messages on their way out.
#[derive(Debug)]
pub(crate) struct Flood {
    /// One window of packets of the same size.
    packets: Vec<u8>,
    packet_bytes: usize,
    /// The packet to send next.
    at: usize,
    left: u64,
    in_flight: u64,
    is_qos0: bool,
}

impl Flood {
    pub(crate) fn new(plan: &Plan) -> Self {
        let packets = plan.window_of_packets();
        let packet_bytes = packets.len() / usize::from(WINDOW);
        let is_qos0 = plan.workload.qos() == QoS::AtMostOnce;
        Self { packets, packet_bytes, at: 0, left: plan.messages, in_flight: 0, is_qos0 }
    }

    /// So many of them have been acknowledged to the end.
    pub(crate) fn on_completed(&mut self, messages: u64) {
        self.in_flight -= messages;
    }

    /// Whether everything is sent and acknowledged.
    pub(crate) const fn is_over(&self) -> bool {
        self.left == 0 && self.in_flight == 0
    }

    /// The packets of the next write, as many as the window allows and one write takes.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let per_write = (WRITE_BYTES_MAX / self.packet_bytes).max(1);
        let room = if self.is_qos0 { self.left } else { u64::from(WINDOW) - self.in_flight };
        let to_ring_end = usize::from(WINDOW) - self.at;
        let count = per_write.min(to_ring_end).min(room.min(self.left) as usize);
        if count == 0 {
            return None;
        }
        let begin = self.at * self.packet_bytes;
        self.at = (self.at + count) % usize::from(WINDOW);
        self.left -= count as u64;
        if !self.is_qos0 {
            self.in_flight += count as u64;
        }
        Some(&self.packets[begin..begin + count * self.packet_bytes])
    }

    /// Sends what the window allows; without acknowledgements that is all.
    pub(crate) fn send(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(packets) = self.next() {
            to.write_all(packets)?;
        }
        Ok(())
    }
}
