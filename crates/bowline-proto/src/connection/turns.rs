//! The order in which acknowledgements of received messages leave: PUBACKs in the arrival order of the QoS 1 messages
//! [MQTT-4.6.0-2], PUBRECs in that of the QoS 2 messages [MQTT-4.6.0-3].

use alloc::collections::VecDeque;

use crate::packet::{Ack, PacketType};
use crate::session::DeliveryId;
use crate::session::inbound::{HeldState, Inbound};
use crate::types::{PacketId, QoS};

/// Messages of this connection whose acknowledgement has not left, in arrival order.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    at_least_once: VecDeque<DeliveryId>,
    exactly_once: VecDeque<Turn>,
}

/// One turn among the QoS 2 messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// A message that the application has.
    Delivery(DeliveryId),
    /// A repeated message that was recorded before: PUBREC again, but not before its turn.
    Recorded(PacketId),
}

impl Turns {
    /// A message has arrived: its turn comes after all that are there.
    pub(crate) fn push(&mut self, qos: QoS, delivery: DeliveryId) {
        match qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => self.at_least_once.push_back(delivery),
            QoS::ExactlyOnce => self.exactly_once.push_back(Turn::Delivery(delivery)),
        }
    }

    /// A copy of a QoS 2 message that is recorded has arrived.
    pub(crate) fn push_recorded(&mut self, packet_id: PacketId) {
        self.exactly_once.push_back(Turn::Recorded(packet_id));
    }

    /// Takes out the next acknowledgement that may be written, which the caller then does; `None` while those whose
    /// turn it is are not due.
    // [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-2 of 3.1.1] [MQTT-4.6.0-3 of 3.1.1]
    pub(crate) fn next_due(&mut self, inbound: &mut Inbound) -> Option<(PacketType, Ack)> {
        while let Some(&delivery) = self.at_least_once.front() {
            match due(inbound, delivery) {
                Due::NotYet => break,
                Due::Now(ack) => {
                    self.at_least_once.pop_front();
                    return Some((PacketType::PubAck, ack));
                }
                Due::Never => self.at_least_once.pop_front(),
            };
        }
        while let Some(&turn) = self.exactly_once.front() {
            let due = match turn {
                Turn::Recorded(packet_id) if inbound.take_turn(packet_id) => {
                    Due::Now(Ack::success(packet_id))
                }
                // A PUBREL that came meanwhile has ended it.
                Turn::Recorded(_) => Due::Never,
                Turn::Delivery(delivery) => due(inbound, delivery),
            };
            match due {
                Due::NotYet => break,
                Due::Now(ack) => {
                    self.exactly_once.pop_front();
                    return Some((PacketType::PubRec, ack));
                }
                Due::Never => self.exactly_once.pop_front(),
            };
        }
        None
    }
}

enum Due {
    NotYet,
    Now(Ack),
    /// The session or the identifier is gone: there is no acknowledgement.
    Never,
}

fn due(inbound: &mut Inbound, delivery: DeliveryId) -> Due {
    let Some(held) = inbound.held(delivery) else { return Due::Never };
    let HeldState::Settled(reason) = held.state else { return Due::NotYet };
    let ack = Ack::new(held.packet_id, reason);
    inbound.acknowledge(delivery, reason);
    Due::Now(ack)
}
