//! The order in which acknowledgements of received messages leave: PUBACKs in the arrival order of the QoS 1 messages
//! [MQTT-4.6.0-2], PUBRECs in that of the QoS 2 messages [MQTT-4.6.0-3].

use alloc::collections::VecDeque;

use crate::session::DeliveryId;
use crate::types::PacketId;

/// Messages of this connection whose acknowledgement has not left, in arrival order.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) at_least_once: VecDeque<DeliveryId>,
    pub(crate) exactly_once: VecDeque<Turn>,
}

/// One turn among the QoS 2 messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A message that the application has.
    Delivery(DeliveryId),
    /// A repeated message that was recorded before: PUBREC again, but not before its turn.
    Recorded(PacketId),
}
