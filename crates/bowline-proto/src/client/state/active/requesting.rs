//! SUBSCRIBE and UNSUBSCRIBE on a connection, and their answers.

use alloc::vec::Vec;

use crate::client::context::Context;
use crate::client::event::{DisconnectCause, StreamEnd};
use crate::client::requests::{ItemState, Operation, RequestItem, RequestKind, SentPacket};
use crate::client::state::Active;
use crate::codec::EncodeError;
use crate::error::ProtocolError;
use crate::packet::{AckProperties, PacketType, Subscribe, Subscription, Unsubscribe};
use crate::reason::ReasonCode;
use crate::session::packet_ids::Holder;
use crate::session::subscriptions::Subscriptions;
use crate::time::Timestamp;
use crate::types::{PacketId, SubscriptionOptions, TopicFilter, UserProperties};

/// Most filters in one packet, so that a packet stays well below what brokers accept.
const FILTERS_PER_PACKET_MAX: usize = 64;

impl Active {
    pub(super) fn pump_requests(&mut self, cx: &mut Context, now: Timestamp) {
        while self.link.has_room()
            && let Some(slot) = cx.requests.next_unsent()
        {
            if self.refuse_forbidden(cx, slot) || end_overtaken(cx, slot) {
                finish_if_done(cx, slot);
                continue;
            }
            if !self.send_request(cx, slot, now) {
                return;
            }
        }
    }

    /// Answers filters that the broker said it would refuse, or that cannot be asked for in this version; whether there were
    /// any.
    fn refuse_forbidden(&self, cx: &mut Context, slot: u32) -> bool {
        let operation = cx.requests.operation(slot);
        if operation.kind == RequestKind::Unsubscribe {
            return false;
        }
        let has_user_properties = !operation.user_properties.is_empty();
        let unsent = operation.items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Unsent);
        let unsent: Vec<_> = unsent.map(|(index, item)| (index, item.filter.clone())).collect();
        let mut has_refused = false;
        for (index, filter) in unsent {
            let reason = match self.limits.check_filter(&filter) {
                Err(limit) => limit.reason(),
                Ok(()) if cx.is_unsayable(&filter, has_user_properties) => {
                    ReasonCode::UnsupportedProtocolVersion
                }
                Ok(()) => continue,
            };
            cx.requests.operation(slot).items[index].state = ItemState::Answered(reason);
            // Another request may say less, and get it or have got it.
            let wanted = cx.subscriptions.find(&filter);
            let is_granted = wanted.is_some_and(|wanted| wanted.granted.is_some());
            if !is_granted && !cx.requests.asks_for(&filter) {
                cx.on_refused(&filter, reason);
            }
            has_refused = true;
        }
        has_refused
    }

    /// Sends the next packet of an operation; whether there was a packet identifier for it.
    fn send_request(&mut self, cx: &mut Context, slot: u32, now: Timestamp) -> bool {
        let number = cx.requests.next_packet();
        let kind = cx.requests.operation(slot).kind;
        let holder = match kind {
            RequestKind::Subscribe => Holder::Subscribe(number),
            RequestKind::Unsubscribe => Holder::Unsubscribe(number),
        };
        let Some(packet_id) = cx.outbound.ids.take(holder) else { return false };
        let has_ids = kind == RequestKind::Subscribe && self.limits.subscription_ids;
        let most = if has_ids { 1 } else { FILTERS_PER_PACKET_MAX };
        let mut items = cx.requests.operation(slot).unsent_items(most);
        let mut is_written = self.encode_request(cx, slot, packet_id, &items, false).is_ok();
        // [MQTT-3.2.2-15]: fewer filters may fit into what the broker takes.
        while !is_written && items.len() > 1 {
            items.truncate(items.len() / 2);
            is_written = self.encode_request(cx, slot, packet_id, &items, false).is_ok();
        }
        if is_written {
            cx.requests.sent(SentPacket {
                operation: slot,
                packet_id,
                items,
                retry_at: None,
                repetitions: 0,
            });
            note_request(cx, number, now);
        } else {
            cx.outbound.ids.free(packet_id);
            let reasons = alloc::vec![ReasonCode::PacketTooLarge; items.len()];
            answer(cx, slot, &items, &reasons);
            finish_if_done(cx, slot);
        }
        true
    }

    /// Sends a SUBSCRIBE or UNSUBSCRIBE again. If the application has changed its mind about one of its filters meanwhile, a later
    /// request says so and must not be undone: that one is over, and the rest goes into a new packet.
    pub(super) fn send_request_again(&mut self, cx: &mut Context, number: u32, now: Timestamp) {
        let sent = cx.requests.packet(number);
        let (slot, packet_id, items) = (sent.operation, sent.packet_id, sent.items.clone());
        let operation = cx.requests.operation(slot);
        let kind = operation.kind;
        let undone: Vec<usize> = items
            .iter()
            .copied()
            .filter(|&item| !is_meant(&cx.subscriptions, kind, &operation.items[item].filter))
            .collect();
        if undone.is_empty() {
            self.note_retry(cx);
            note_request(cx, number, now);
            // It fitted the first time.
            let _ = self.encode_request(cx, slot, packet_id, &items, true);
            return;
        }
        let packet = cx.requests.take_back(number);
        // [MQTT-2.3.1-2 of 3.1.1]: its answer, if it comes, must find no other request.
        cx.outbound.ids.assign(packet.packet_id, Holder::TakenBack);
        for item in undone {
            cx.requests.operation(slot).items[item].state = ItemState::Answered(kind.overtaken());
        }
        finish_if_done(cx, slot);
        cx.has_changed = true;
    }

    // [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.10.4-1] [MQTT-3.10.4-1 of 3.1.1]
    // [MQTT-3.8.1-1 of 3.1.1] [MQTT-3.10.1-1 of 3.1.1]
    fn encode_request(
        &mut self,
        cx: &mut Context,
        slot: u32,
        packet_id: PacketId,
        items: &[usize],
        dup: bool,
    ) -> Result<(), EncodeError> {
        // Each filter has a Subscription Identifier of its own, and a packet can carry one.
        let has_ids = self.limits.subscription_ids;
        let has_properties = cx.rules.has_properties;
        let operation = cx.requests.operation(slot);
        // What goes out without those that it was given is to: a SUBSCRIBE that is not is refused before. An UNSUBSCRIBE has
        // had its effect here and must not fail for them.
        let user_properties =
            if has_properties { operation.user_properties.clone() } else { UserProperties::new() };
        let filters: Vec<TopicFilter> =
            items.iter().map(|&item| operation.items[item].filter.clone()).collect();
        if operation.kind == RequestKind::Unsubscribe {
            let unsubscribe = Unsubscribe { packet_id, filters, user_properties };
            return self.link.encoder.unsubscribe(&mut self.link.out, &unsubscribe, dup);
        }
        let mut subscription_id = None;
        let mut subscriptions = Vec::with_capacity(filters.len());
        for filter in filters {
            // One that was unsubscribed meanwhile is subscribed all the same; its UNSUBSCRIBE follows.
            let wanted = cx.subscriptions.find(&filter);
            subscription_id = wanted.map(|wanted| wanted.subscription_id).filter(|_| has_ids);
            let options = wanted.map(|wanted| wanted.options).unwrap_or_default();
            let options = if has_properties { options } else { SubscriptionOptions::new(options.qos) };
            subscriptions.push(Subscription { filter, options });
        }
        let subscribe = Subscribe { packet_id, subscriptions, subscription_id, user_properties };
        self.link.encoder.subscribe(&mut self.link.out, &subscribe, dup)
    }

    // [MQTT-3.8.4-6] [MQTT-3.10.4-6] [MQTT-2.2.1-6] [MQTT-3.8.4-5 of 3.1.1] [MQTT-2.3.1-7 of 3.1.1]
    // [MQTT-3.10.4-5 of 3.1.1]
    pub(super) fn on_answer(
        &mut self,
        cx: &mut Context,
        packet: PacketType,
        packet_id: PacketId,
        mut reasons: Vec<ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), DisconnectCause> {
        let number = match (packet, cx.outbound.ids.holder(packet_id)) {
            (PacketType::SubAck, Some(Holder::Subscribe(number))) => number,
            (PacketType::UnsubAck, Some(Holder::Unsubscribe(number))) => number,
            (_, Some(Holder::TakenBack)) => {
                cx.outbound.ids.free(packet_id);
                cx.stats.unknown_acknowledgements += 1;
                return Ok(());
            }
            _ => {
                cx.stats.unknown_acknowledgements += 1;
                return Ok(());
            }
        };
        let expected = cx.requests.packet(number).items.len();
        // [MQTT-3.10.4-5 of 3.1.1]: it comes whether or not there was a subscription, and does not say.
        if packet == PacketType::UnsubAck && !cx.rules.has_unsuback_reasons {
            reasons = alloc::vec![ReasonCode::Success; expected];
        }
        if reasons.len() != expected {
            let error = ProtocolError::ReasonCount { packet, expected, found: reasons.len() };
            return Err(DisconnectCause::Protocol(error));
        }
        cx.outbound.ids.free(packet_id);
        let sent = cx.requests.answered(number);
        if !properties.is_empty() {
            cx.requests.operation(sent.operation).properties = properties;
        }
        answer(cx, sent.operation, &sent.items, &reasons);
        finish_if_done(cx, sent.operation);
        Ok(())
    }
}

impl Context {
    /// Asks for every wanted subscription again that is not being asked for anyway: the broker has none of them, or did
    /// not say.
    // A filter that the broker still has is only asked for again. [MQTT-3.8.4-3 of 3.1.1]
    pub(crate) fn subscribe_again(&mut self) {
        // What an earlier one was answered for is as lost as the rest.
        self.requests.drop_resubscription();
        let asked = self.requests.unanswered_filters();
        let wanted = self.subscriptions.iter().filter(|wanted| !asked.contains(&wanted.filter));
        let items: Vec<RequestItem> = wanted.map(|wanted| RequestItem::new(wanted.filter.clone())).collect();
        if !items.is_empty() {
            self.requests.add_first(Operation {
                id: None,
                kind: RequestKind::Subscribe,
                items,
                user_properties: Vec::new(),
                properties: AckProperties::default(),
                is_gated: false,
            });
        }
    }

    /// The broker refuses a filter: it is wanted no longer, and streams that have no other end.
    // [MQTT-3.8.4-7] [MQTT-3.8.3-2 of 3.1.1]
    pub(crate) fn on_refused(&mut self, filter: &TopicFilter, reason: ReasonCode) {
        self.forget_filter(filter, &StreamEnd::Refused(reason));
    }
}

/// Ends what was asked for on an earlier connection, or in a packet that was taken back, and what the application has undone
/// since with a request that was answered; whether there was any. What follows with a later request is not ended: order
/// is kept.
fn end_overtaken(cx: &mut Context, slot: u32) -> bool {
    let operation = cx.requests.operation(slot);
    let kind = operation.kind;
    let unsent = operation.items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Unsent);
    let undone = unsent.filter(|(_, item)| !is_meant(&cx.subscriptions, kind, &item.filter));
    let mut undone: Vec<(usize, TopicFilter)> =
        undone.map(|(index, item)| (index, item.filter.clone())).collect();
    undone.retain(|(_, filter)| !cx.requests.will_ask(kind.opposite(), filter));
    for (index, _) in &undone {
        cx.requests.operation(slot).items[*index].state = ItemState::Answered(kind.overtaken());
    }
    !undone.is_empty()
}

/// Whether a request still says what the application wants.
fn is_meant(subscriptions: &Subscriptions, kind: RequestKind, filter: &TopicFilter) -> bool {
    subscriptions.find(filter).is_some() == (kind == RequestKind::Subscribe)
}

/// Notes the answers to some filters of an operation: each filter has its own result, by position.
// [MQTT-3.8.4-5] [MQTT-3.8.4-8] [MQTT-3.8.4-4 of 3.1.1] [MQTT-3.8.4-6 of 3.1.1] [MQTT-3.9.3-1 of 3.1.1]
// [MQTT-3.10.4-5 of 3.1.1]
// [MQTT-3.9.3-1] [MQTT-3.11.3-1]
fn answer(cx: &mut Context, slot: u32, items: &[usize], reasons: &[ReasonCode]) {
    for (&item, &reason) in items.iter().zip(reasons) {
        let operation = cx.requests.operation(slot);
        operation.items[item].state = ItemState::Answered(reason);
        if operation.kind == RequestKind::Unsubscribe {
            continue;
        }
        let filter = operation.items[item].filter.clone();
        if reason.is_failure() {
            // A SUBSCRIBE that is still unanswered decides: the filter may have been given up and wanted anew.
            if !cx.requests.asks_for(&filter) {
                cx.on_refused(&filter, reason);
            }
        } else if let Some(wanted) = cx.subscriptions.find_mut(&filter) {
            wanted.granted = Some(reason);
        }
    }
}

/// Tells the result of an operation whose filters are all answered.
pub(super) fn finish_if_done(cx: &mut Context, slot: u32) {
    let Some(operation) = cx.requests.take_if_done(slot) else { return };
    if let Some(id) = operation.id {
        cx.emit(operation.into_event(id));
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE was written: when to write it again.
fn note_request(cx: &mut Context, number: u32, now: Timestamp) {
    let Some(retry) = cx.config.retry.filter(|_| cx.rules.may_retry_requests) else { return };
    let sent = cx.requests.packet_mut(number);
    sent.retry_at = Some(now + retry.delay(sent.repetitions, 0, &mut cx.jitter));
    sent.repetitions = sent.repetitions.saturating_add(1);
}
