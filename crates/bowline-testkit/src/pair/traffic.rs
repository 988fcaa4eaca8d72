//! Watches the packets of one sender: packet identifiers and Receive Maximum. Sees the wire only, never an engine.

use std::collections::BTreeSet;

use bowline_proto::QoS;
use bowline_proto::packet::Packet;

/// What one sender has on the wire.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Identifiers of PUBLISHes without a last answer, over all connections of the session.
    live: BTreeSet<u16>,
    /// The same of this connection: what Receive Maximum counts.
    open: BTreeSet<u16>,
    /// Identifiers of unanswered requests of this connection.
    requests: BTreeSet<u16>,
    receive_maximum: usize,
}

impl Traffic {
    /// A connection begins on which the receiver takes so many.
    pub(crate) fn on_connected(&mut self, is_new_session: bool, receive_maximum: usize) {
        self.open.clear();
        self.requests.clear();
        self.receive_maximum = receive_maximum;
        if is_new_session {
            self.live.clear();
        }
    }

    /// Identifiers of PUBLISHes without a last answer.
    pub(crate) fn live(&self) -> impl Iterator<Item = u16> + '_ {
        self.live.iter().copied()
    }

    /// The sender sends a packet; the complaint about it, if there is one.
    pub(crate) fn on_sent(&mut self, packet: &Packet) -> Option<String> {
        match packet {
            Packet::Publish(publish) if publish.qos != QoS::AtMostOnce => {
                let id = publish.packet_id.map_or(0, |id| id.as_u16());
                if id == 0 || self.requests.contains(&id) || (!publish.dup && self.live.contains(&id)) {
                    return Some(format!("PUBLISH with identifier {id}, which is in use"));
                }
                self.live.insert(id);
                self.open.insert(id);
                let (open, most) = (self.open.len(), self.receive_maximum);
                (open > most).then(|| format!("{open} PUBLISHes are open, Receive Maximum is {most}"))
            }
            Packet::Subscribe(subscribe) => self.on_request(subscribe.packet_id.as_u16()),
            Packet::Unsubscribe(unsubscribe) => self.on_request(unsubscribe.packet_id.as_u16()),
            _ => None,
        }
    }

    fn on_request(&mut self, id: u16) -> Option<String> {
        let is_used = self.live.contains(&id) || !self.requests.insert(id);
        is_used.then(|| format!("a request with identifier {id}, which is in use"))
    }

    /// An answer has reached the sender.
    pub(crate) fn on_answer(&mut self, packet: &Packet) {
        match packet {
            Packet::PubAck(ack) | Packet::PubComp(ack) => self.finish(ack.packet_id.as_u16()),
            Packet::PubRec(ack) if ack.reason.is_failure() => self.finish(ack.packet_id.as_u16()),
            Packet::SubAck(suback) => _ = self.requests.remove(&suback.packet_id.as_u16()),
            Packet::UnsubAck(unsuback) => _ = self.requests.remove(&unsuback.packet_id.as_u16()),
            _ => {}
        }
    }

    fn finish(&mut self, id: u16) {
        self.live.remove(&id);
        self.open.remove(&id);
    }
}
