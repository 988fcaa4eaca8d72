//! The order in which acknowledgements of received messages leave: PUBACKs in the arrival order of the QoS 1 messages
//! [MQTT-4.6.0-2], PUBRECs in that of the QoS 2 messages [MQTT-4.6.0-3].

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::packet::{Ack, PacketType};
use crate::session::DeliveryId;
use crate::session::held::HeldState;
use crate::session::inbound::Inbound;
use crate::time::Timestamp;
use crate::types::{PacketId, QoS};

/// Messages of this connection whose acknowledgement has not left, in arrival order.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    at_least_once: VecDeque<DeliveryId>,
    exactly_once: VecDeque<Turn>,
    /// Who is first in either order and not taken, QoS 1 and QoS 2.
    holders: [Option<Holder>; 2],
}

/// A message whose turn it is and that nobody has taken, so that all behind it wait.
#[derive(Clone, Copy, Debug)]
struct Holder {
    delivery: DeliveryId,
    since: Timestamp,
    is_told: bool,
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

    /// Notes who holds up each order now: whose turn it is and who is not taken.
    pub(crate) fn note_holders(&mut self, inbound: &Inbound, now: Timestamp) {
        let exactly_once = match self.exactly_once.front() {
            Some(Turn::Delivery(delivery)) => Some(*delivery),
            Some(Turn::Recorded(_)) | None => None,
        };
        let is_waiting = |delivery: &DeliveryId| {
            inbound.held(*delivery).is_some_and(|held| held.state == HeldState::Waiting)
        };
        let first = [self.at_least_once.front().copied(), exactly_once].map(|first| first.filter(is_waiting));
        for (holder, first) in self.holders.iter_mut().zip(first) {
            if holder.map(|holder| holder.delivery) != first {
                *holder = first.map(|delivery| Holder { delivery, since: now, is_told: false });
            }
        }
    }

    /// When a holder is to be told about.
    pub(crate) fn deadline(&self, stall_after: Duration) -> Option<Timestamp> {
        let untold = self.holders.iter().flatten().filter(|holder| !holder.is_told);
        untold.map(|holder| holder.since + stall_after).min()
    }

    /// A holder that has held up its order for so long, once.
    pub(crate) fn poll_stall(&mut self, stall_after: Duration, now: Timestamp) -> Option<Stall> {
        let waiting = [self.at_least_once.len(), self.exactly_once.len()];
        let is_due = |holder: &Holder| !holder.is_told && now >= holder.since + stall_after;
        let (held, holder) = waiting
            .into_iter()
            .zip(self.holders.iter_mut().map(Option::as_mut))
            .find_map(|(held, holder)| holder.filter(|holder| is_due(holder)).map(|holder| (held, holder)))?;
        holder.is_told = true;
        Some(Stall { delivery: holder.delivery, since: holder.since, held })
    }
}

/// A holder that is to be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) delivery: DeliveryId,
    /// Since when it is first in its order.
    pub(crate) since: Timestamp,
    /// How many acknowledgements wait, its own included.
    pub(crate) held: usize,
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
    // [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
    let ack = Ack::new(held.packet_id, reason);
    inbound.acknowledge(delivery, reason);
    Due::Now(ack)
}
