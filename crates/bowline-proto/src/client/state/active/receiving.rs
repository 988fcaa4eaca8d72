//! Incoming publications on a connection: alias, classification, routing, and acknowledgements in their turn.

use crate::client::config::Unmatched;
use crate::client::context::Context;
use crate::client::event::{Delivery, DisconnectCause, Event, Qos0Dropped};
use crate::client::state::Active;
use crate::client::streams::{Admission, UNROUTED};
use crate::connection::turns::Stall;
use crate::error::ProtocolError;
use crate::packet::{Ack, PacketType, Publish};
use crate::reason::{ReasonCode, Role};
use crate::routing::StreamId;
use crate::session::held::HeldState;
use crate::session::inbound::{Arrival, Release, Taken};
use crate::session::journal::Gated;
use crate::session::stored::Entry;
use crate::session::{DeliveryId, StreamSet};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS, SubscriptionIds};

impl Active {
    // [MQTT-3.3.4-1] [MQTT-3.3.4-1 of 3.1.1]
    pub(super) fn on_publish(
        &mut self,
        cx: &mut Context,
        mut publish: Publish,
    ) -> Result<(), DisconnectCause> {
        let dup = publish.dup;
        let packet_id = publish.packet_id;
        let subscription_ids = core::mem::take(&mut publish.subscription_ids);
        // [MQTT-3.3.2-10] [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
        let topic = self.aliases.resolve(publish.topic.take(), publish.topic_alias).map_err(protocol)?;
        let message = publish.into_message(topic);
        // [MQTT-3.8.4-8] [MQTT-3.8.4-6 of 3.1.1]: the packet says which QoS it is, whatever was granted.
        match packet_id {
            None => self.on_at_most_once(cx, message, subscription_ids),
            Some(packet_id) => self.on_acknowledged(cx, message, packet_id, dup, subscription_ids)?,
        }
        Ok(())
    }

    fn on_at_most_once(&self, cx: &mut Context, message: Message, subscription_ids: SubscriptionIds) {
        let may_pause = Self::may_pause(cx);
        cx.route(&message, &subscription_ids);
        if cx.matched.is_empty() && cx.streams.unrouted_is_open() {
            cx.matched.push(UNROUTED);
        } else if cx.matched.is_empty() {
            cx.stats.qos0_unmatched += 1;
        }
        let mut streams = StreamSet::new();
        for index in 0..cx.matched.len() {
            let stream = cx.matched[index];
            let admission = cx.streams.admit(stream, may_pause);
            if admission != Admission::Dropped {
                streams.insert(stream);
            }
            let which = match admission {
                Admission::Fits => continue,
                Admission::DisplacesOldest => Qos0Dropped::Oldest,
                Admission::Dropped => Qos0Dropped::Newest,
            };
            cx.stats.qos0_dropped += 1;
            cx.emit(Event::Qos0Dropped { stream, which });
        }
        if !streams.is_empty() {
            cx.emit(Event::Message(Delivery {
                message,
                dup: false,
                delivery: None,
                packet_id: None,
                streams,
                subscription_ids,
            }));
        }
    }

    fn on_acknowledged(
        &mut self,
        cx: &mut Context,
        message: Message,
        packet_id: PacketId,
        dup: bool,
        subscription_ids: SubscriptionIds,
    ) -> Result<(), DisconnectCause> {
        let arrival = cx.inbound.classify(packet_id, &message, dup);
        match arrival {
            // [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
            Arrival::Recorded => self.turns.push_recorded(packet_id),
            Arrival::RecordedInTurn => {}
            Arrival::Joined(delivery) => {
                if cx.inbound.join(delivery) {
                    self.turns.push(message.qos, delivery);
                    cx.hand_out_abandoned(delivery);
                }
            }
            Arrival::IdInUse => return Err(protocol(ProtocolError::PacketIdInUse { packet_id })),
            // [MQTT-4.3.2-5] [MQTT-3.3.1-3] [MQTT-4.3.2-2 of 3.1.1] [MQTT-3.3.1-3 of 3.1.1]: a DUP flag alone never makes
            // a message a copy.
            Arrival::New | Arrival::Replacing => {
                if arrival == Arrival::Replacing {
                    cx.journal.record(Entry::Released { packet_id });
                }
                cx.route(&message, &subscription_ids);
                let mut streams: StreamSet = cx.matched.iter().copied().collect();
                if streams.is_empty() && cx.is_unsubscribed(&message, &subscription_ids) {
                    self.make_room(cx, &message)?;
                    return self.pass_over(cx, message, packet_id);
                }
                if streams.is_empty() {
                    match cx.config.unmatched {
                        Unmatched::Leave if !cx.streams.unrouted_is_open() => {
                            cx.stats.unmatched_left += 1;
                            return Ok(());
                        }
                        // [MQTT-3.1.2-5 of 3.1.1]: what waited at the broker may come before any stream is there.
                        _ => streams.insert(UNROUTED),
                    }
                }
                self.make_room(cx, &message)?;
                self.hold(cx, message, packet_id, dup, streams, subscription_ids);
            }
        }
        Self::check_receive_maximum(cx, 0)
    }

    /// Rule 7: a late message of an unsubscribed filter is acknowledged in its turn and handed to nobody.
    fn pass_over(
        &mut self,
        cx: &mut Context,
        message: Message,
        packet_id: PacketId,
    ) -> Result<(), DisconnectCause> {
        let qos = message.qos;
        let delivery = cx.inbound.hold(packet_id, message, StreamSet::from(UNROUTED));
        self.turns.push(qos, delivery);
        cx.stats.unsubscribed_acknowledged += 1;
        cx.take(delivery, UNROUTED, ReasonCode::Success);
        Self::check_receive_maximum(cx, 0)
    }

    /// Holds a message until it is taken, and hands it out.
    fn hold(
        &mut self,
        cx: &mut Context,
        message: Message,
        packet_id: PacketId,
        dup: bool,
        streams: StreamSet,
        subscription_ids: SubscriptionIds,
    ) {
        let is_unmatched = streams.contains(UNROUTED);
        let qos = message.qos;
        let delivery = cx.inbound.hold(packet_id, message.clone(), streams.clone());
        self.turns.push(qos, delivery);
        if is_unmatched && !cx.streams.unrouted_is_open() {
            if cx.config.unmatched == Unmatched::Acknowledge {
                cx.stats.unmatched_acknowledged += 1;
                cx.take(delivery, UNROUTED, ReasonCode::Success);
            }
            return;
        }
        let delivery = Some(delivery);
        // [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]: events leave in the order of arrival.
        cx.emit(Event::Message(Delivery {
            message,
            dup,
            delivery,
            packet_id: Some(packet_id),
            streams,
            subscription_ids,
        }));
    }

    /// Rule 3: what is received and not acknowledged has a bound in messages and in bytes, over all streams. A message
    /// beyond it is neither handed out nor acknowledged: in a kept session it comes again.
    // [MQTT-4.8.0-2 of 3.1.1]
    fn make_room(&mut self, cx: &mut Context, message: &Message) -> Result<(), DisconnectCause> {
        let limits = cx.config.inbound;
        Self::check_receive_maximum(cx, 1)?;
        let messages = cx.inbound.messages() + 1;
        let bytes = cx.inbound.bytes().saturating_add(message.content_bytes());
        if messages < usize::from(limits.messages_max) && bytes < limits.bytes_max {
            return Ok(());
        }
        cx.forget_unread_orphans();
        if cx.inbound.messages() < usize::from(limits.messages_max) && bytes <= limits.bytes_max {
            return Ok(());
        }
        // What was taken must not keep others out, whether its acknowledgement can go now or waits for it to come again.
        self.acknowledge_due(cx);
        cx.inbound.forget_unclaimed();
        let messages = cx.inbound.messages() + 1;
        let bytes = cx.inbound.bytes().saturating_add(message.content_bytes());
        let too_many = messages > usize::from(limits.messages_max);
        // Nobody sends again what a session that ends with its connection does not take: there the message that crosses the
        // bound passes, and reading pauses after it.
        let is_last_before_pause =
            !cx.config.session.outlives_connection() && cx.inbound.bytes() < limits.bytes_max;
        // A single message that is larger than the bound must pass, or it could never arrive.
        if too_many || (bytes > limits.bytes_max && messages > 1 && !is_last_before_pause) {
            return Err(DisconnectCause::InboundOverflow { messages, bytes });
        }
        Ok(())
    }

    // [MQTT-3.3.4-9]
    fn check_receive_maximum(cx: &Context, more: usize) -> Result<(), DisconnectCause> {
        let limit = cx.config.inbound.messages_max;
        if cx.rules.has_properties && cx.inbound.open() + more > usize::from(limit) {
            return Err(protocol(ProtocolError::ReceiveMaximumExceeded { limit }));
        }
        Ok(())
    }

    /// Rule 2: acknowledgements leave in the order in which the messages arrived, as far as they are due.
    // [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-2 of 3.1.1] [MQTT-4.6.0-3 of 3.1.1]
    pub(super) fn pump_acknowledgements(&mut self, cx: &mut Context, now: Timestamp) {
        self.acknowledge_due(cx);
        self.turns.note_holders(&cx.inbound, now);
    }

    fn acknowledge_due(&mut self, cx: &mut Context) {
        while !self.is_held
            && self.link.has_room()
            && let Some((packet, ack)) = self.turns.next_due(&mut cx.inbound)
        {
            self.send_acknowledgement(packet, ack);
        }
    }

    /// Rule 2: names the message that holds up the acknowledgements of others.
    pub(super) fn tell_stalls(&mut self, cx: &mut Context, now: Timestamp) {
        while let Some(stall) = self.turns.poll_stall(cx.config.stall_after, now) {
            let Some(held) = cx.inbound.held(stall.delivery) else { continue };
            let streams: StreamSet = held.waiting().collect();
            let topic = &held.message.topic;
            let filters = streams
                .iter()
                .filter_map(|stream| cx.routes.filters(stream).find(|filter| filter.matches(topic)).cloned());
            let filter = filters.min();
            let topic = topic.clone();
            let Stall { delivery, since, held } = stall;
            cx.emit(Event::Stalled { delivery, streams, topic, filter, held, since });
        }
    }

    // [MQTT-4.3.3-11] [MQTT-3.7.2-1] [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
    // [MQTT-4.3.3-13] [MQTT-4.8.2-4]
    pub(super) fn on_pubrel(&mut self, cx: &mut Context, ack: &Ack) -> Result<(), DisconnectCause> {
        let packet_id = ack.packet_id;
        match cx.inbound.on_pubrel(packet_id) {
            Release::Recorded => {
                if cx
                    .journal
                    .record_before(Entry::Released { packet_id }, Gated::Pubcomp(packet_id))
                    .is_some()
                {
                    self.send_pubcomp(cx, packet_id);
                }
            }
            Release::Repeated => {}
            Release::Unknown => {
                let reason = if cx.rules.has_ack_reasons {
                    ReasonCode::PacketIdentifierNotFound
                } else {
                    ReasonCode::Success
                };
                self.send_acknowledgement(PacketType::PubComp, Ack::new(packet_id, reason));
            }
            Release::OutOfPlace => {
                let packet = PacketType::PubRel;
                return Err(protocol(ProtocolError::WrongAcknowledgement { packet, packet_id }));
            }
        }
        Ok(())
    }

    /// B5 is passed.
    pub(super) fn send_pubcomp(&mut self, cx: &mut Context, packet_id: PacketId) {
        cx.inbound.complete(packet_id);
        self.send_acknowledgement(PacketType::PubComp, Ack::success(packet_id));
    }

    fn send_acknowledgement(&mut self, packet: PacketType, ack: Ack) {
        // An acknowledgement without properties has at most 5 bytes; a broker that announces less gets none.
        let _ = self.link.encoder.ack(&mut self.link.out, packet, &ack, false);
    }
}

impl Context {
    /// Finds the streams for a message: by its Subscription Identifiers if we know them, else by its topic. The result
    /// is in `matched`.
    // Copies come as the broker likes, and also before SUBACK. [MQTT-3.3.4-2] [MQTT-3.3.4-5] [MQTT-3.3.2-3]
    // [MQTT-3.1.2-5 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1] [MQTT-3.3.2-3 of 3.1.1] [MQTT-3.3.5-1 of 3.1.1]
    pub(crate) fn route(&mut self, message: &Message, ids: &SubscriptionIds) {
        self.matched.clear();
        for id in ids.iter() {
            match self.subscriptions.streams_of_id(id) {
                // A subscription lists each stream once: only a second one can repeat them.
                Some(streams) if self.matched.is_empty() => self.matched.extend_from_slice(streams),
                Some(streams) => {
                    for &stream in streams {
                        if !self.matched.contains(&stream) {
                            self.matched.push(stream);
                        }
                    }
                }
                // A copy for a subscription that has ended is not one for those that have not.
                None if self.ended.has_id(id) => {}
                None => {
                    self.routes.matches(&message.topic, &mut self.matched);
                    return;
                }
            }
        }
        if ids.is_empty() {
            self.routes.matches(&message.topic, &mut self.matched);
        }
    }

    /// Whether a message that no stream wants was sent for filters that are unsubscribed, and for no other.
    fn is_unsubscribed(&mut self, message: &Message, ids: &SubscriptionIds) -> bool {
        if !ids.is_empty() && ids.iter().all(|id| self.ended.has_id(id)) {
            return true;
        }
        // An identifier that is wanted keeps the message; one that nobody knows is of an earlier process.
        if ids.iter().any(|id| self.subscriptions.streams_of_id(id).is_some()) {
            return false;
        }
        self.ended.match_topic(&message.topic, &mut self.matched)
            && !self.subscriptions.iter().any(|wanted| wanted.filter.matches(&message.topic))
    }

    /// A stream has taken, acknowledged or refused a message. Returns whether that means anything (else: stale).
    pub(crate) fn take(&mut self, delivery: DeliveryId, stream: StreamId, reason: ReasonCode) -> bool {
        let (packet_id, qos, mut reason) = match self.inbound.take(delivery, stream, reason) {
            Taken::Stale => return false,
            Taken::Partly => return true,
            Taken::ByAll { packet_id, qos, reason } => (packet_id, qos, reason),
        };
        // Rule 13: before 5.0 there is no way to refuse.
        if reason.is_failure() && !self.rules.has_ack_reasons {
            self.emit(Event::RefusalNotTold { delivery, reason });
            reason = ReasonCode::Success;
        }
        // [MQTT-3.4.2-1] [MQTT-3.5.2-1]: whatever the application says, the broker gets an answer that is legal.
        if !reason.is_allowed_in(PacketType::PubAck, Role::Client) {
            reason = ReasonCode::UnspecifiedError;
        }
        // [MQTT-4.3.3-8] [MQTT-4.3.3-9]
        let must_record = qos == QoS::ExactlyOnce && !reason.is_failure() && self.journal.is_durable();
        if must_record {
            self.inbound.set_state(delivery, HeldState::Recording);
            self.journal.record_before(Entry::Received { packet_id }, Gated::Pubrec(delivery));
        } else {
            self.inbound.settle(delivery, reason);
        }
        true
    }

    /// B4 is passed: the message will not be handed out again. That is so even if the session is gone meanwhile or the
    /// identifier carries another message.
    pub(crate) fn on_received_stored(&mut self, delivery: DeliveryId) {
        self.inbound.settle(delivery, ReasonCode::Success);
        self.emit(Event::AcknowledgementStored(delivery));
    }
}

fn protocol(error: impl Into<ProtocolError>) -> DisconnectCause {
    DisconnectCause::Protocol(error.into())
}
