//! A client's session as the broker keeps it between connections: what waits for the client, what is on its way, and
//! which of its messages are not finished. Subscriptions are the broker's; knows no connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::error::{PublishError, PublishErrorKind, RequestError};
use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::rules::Rules;
use crate::session::inbound::{Inbound, Taken};
use crate::session::outbound::{FlowPhase, Outbound};
use crate::session::queued::Queued;
use crate::session::send_queue::SendQueue;
use crate::session::{DeliveryId, PublicationId, QueueLimits, Stale};
use crate::time::Timestamp;
use crate::types::varint::VARINT_MAX;
use crate::types::{Message, PacketId, QoS, SubscriptionIds};

/// The session state of one client (section 4.1).
///
/// Bounds: the queue's limits; 65,519 publications on their way; the Receive Maximum of the connections that it had for
/// messages that the broker has not acknowledged.
#[derive(Debug)]
pub struct ServerSession {
    pub(crate) outbound: Outbound,
    pub(crate) inbound: Inbound,
    pub(crate) queue: SendQueue,
    /// Subscription Identifiers of publications that have some and are not finished.
    pub(crate) subscription_ids: BTreeMap<PublicationId, SubscriptionIds>,
    pub(crate) last_publication: PublicationId,
}

impl ServerSession {
    /// A new session with nothing in it. `queue` bounds what waits for the client.
    pub fn new(queue: QueueLimits) -> Self {
        Self {
            outbound: Outbound::new(FIRST_PACKET_ID),
            inbound: Inbound::new(),
            queue: SendQueue::new(queue),
            subscription_ids: BTreeMap::new(),
            last_publication: PublicationId::default(),
        }
    }

    /// Queues a message for the client; while it is connected, use
    /// [`ServerEngine::publish`](crate::server::ServerEngine::publish).
    ///
    /// # Errors
    /// [`PublishError`], with the message in it: the queue is full, or the message is larger than any packet.
    pub fn publish(
        &mut self,
        message: Message,
        subscription_ids: SubscriptionIds,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        let (message, deadline) = admit(message, now)?;
        self.enqueue(message, subscription_ids, deadline)
    }

    /// The broker has finished with a message; its acknowledgement leaves when the client is connected and it is its
    /// turn. A reason that PUBACK and PUBREC cannot carry is said as Unspecified error or Success.
    ///
    /// # Errors
    /// [`Stale`] if no acknowledgement is due: it was given before, or the identifier carries another message by now.
    pub fn acknowledge(&mut self, delivery: DeliveryId, reason: ReasonCode) -> Result<(), Stale> {
        let reason = reason.said_in_acknowledgement();
        match self.inbound.take(delivery, BROKER, reason) {
            Taken::Stale | Taken::Partly => Err(Stale),
            Taken::ByAll { .. } => {
                self.inbound.settle(delivery, reason);
                Ok(())
            }
        }
    }

    /// Publications that wait to be sent: messages and bytes.
    pub const fn queued(&self) -> (usize, usize) {
        (self.queue.messages(), self.queue.bytes())
    }

    /// QoS 1 and 2 publications that have a packet identifier.
    pub fn in_flight(&self) -> usize {
        self.outbound.len()
    }

    /// Messages from the client that the broker has not acknowledged.
    pub const fn unacknowledged(&self) -> usize {
        self.inbound.messages()
    }

    /// The publication to the client that waits for a PUBACK or PUBREC with this packet identifier.
    pub fn unacknowledged_publication(&self, packet_id: PacketId) -> Option<PublicationId> {
        let flow = self.outbound.flow(self.outbound.slot(packet_id)?);
        (flow.was_sent && flow.phase == FlowPhase::Acknowledge).then_some(flow.publication)
    }

    /// Whether client and server have no unfinished exchange, as in a new session. Messages may wait in the queue.
    pub fn is_new(&self) -> bool {
        self.outbound.len() == 0 && self.inbound.is_empty()
    }

    pub(crate) const fn next_publication(&mut self) -> PublicationId {
        self.last_publication = self.last_publication.next();
        self.last_publication
    }

    /// Adds an admitted message to the queue.
    pub(crate) fn enqueue(
        &mut self,
        message: Message,
        subscription_ids: SubscriptionIds,
        deadline: Option<Timestamp>,
    ) -> Result<PublicationId, Box<PublishError>> {
        if !self.queue.has_room_for(message.content_bytes()) {
            let (messages, bytes) = self.queued();
            return Err(Box::new(PublishError { message, kind: PublishErrorKind::Full { messages, bytes } }));
        }
        let publication = self.next_publication();
        self.remember_ids(publication, subscription_ids);
        self.queue.push(Queued::new(publication, message, deadline), false, None);
        Ok(publication)
    }

    pub(crate) fn remember_ids(&mut self, publication: PublicationId, subscription_ids: SubscriptionIds) {
        if !subscription_ids.is_empty() {
            self.subscription_ids.insert(publication, subscription_ids);
        }
    }

    /// The Subscription Identifiers to send with a publication.
    // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
    pub(crate) fn ids_for(&self, rules: &Rules, publication: PublicationId) -> Option<&SubscriptionIds> {
        self.subscription_ids.get(&publication).filter(|_| rules.has_properties)
    }

    /// Holds a new message of the client until the broker acknowledges it.
    pub(crate) fn hold(&mut self, packet_id: PacketId, message: Message) -> DeliveryId {
        self.inbound.hold(packet_id, message, BROKER.into())
    }
}

/// Checks a message and finds when it expires.
pub(crate) fn admit(
    message: Message,
    now: Timestamp,
) -> Result<(Message, Option<Timestamp>), Box<PublishError>> {
    let (value, most) = (message.content_bytes(), VARINT_MAX as usize);
    if value > most {
        let error = RequestError::OutOfRange { option: "message (bytes)", value, least: 0, most };
        return Err(Box::new(PublishError { message, kind: PublishErrorKind::Request(error) }));
    }
    let deadline = message.expiry_secs().map(|secs| now + Duration::from_secs(u64::from(secs)));
    Ok((message, deadline))
}

/// Whether a message has an outcome to wait for.
pub(crate) fn is_acknowledged(message: &Message) -> bool {
    message.qos != QoS::AtMostOnce
}

/// The one taker of what a client sends.
const BROKER: StreamId = StreamId::new(0);

const FIRST_PACKET_ID: PacketId = PacketId::new(1).expect("1 is not 0");
