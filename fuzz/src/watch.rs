//! Watches the PUBLISHes that an engine sends on one connection: identifiers and Receive Maximum. Knows no engine.

use std::collections::BTreeSet;

use bowline_proto::PacketId;
use bowline_proto::packet::Packet;

/// What is sent and not answered.
#[derive(Debug)]
pub(crate) struct Watch {
    open: BTreeSet<PacketId>,
    receive_maximum: usize,
    /// The peer answered what it cannot have seen: from then on nothing can be said.
    is_confused: bool,
}

impl Watch {
    /// A new connection to a peer that takes as many as this.
    pub(crate) const fn new(receive_maximum: usize) -> Self {
        Self { open: BTreeSet::new(), receive_maximum, is_confused: false }
    }

    /// The peer answers.
    pub(crate) fn on_answer(&mut self, packet: &Packet) {
        match packet {
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.is_confused |= !self.open.remove(&ack.packet_id)
            }
            Packet::PubRec(ack) if ack.reason.is_failure() => {
                self.is_confused |= !self.open.remove(&ack.packet_id);
            }
            Packet::PubRec(ack) => self.is_confused |= !self.open.contains(&ack.packet_id),
            _ => {}
        }
    }

    /// The engine sends.
    pub(crate) fn on_sent(&mut self, packet: &Packet) {
        if let Packet::Publish(publish) = packet
            && let Some(packet_id) = publish.packet_id
            && !self.is_confused
        {
            assert!(self.open.insert(packet_id), "identifier {packet_id} is sent twice on one connection");
            let (open, most) = (self.open.len(), self.receive_maximum);
            assert!(open <= most, "{open} are open, {most} may be");
        }
    }
}
