//! Sending unanswered packets again on the same connection, in the versions that know it. Off unless asked for.
//!
//! Each list of flows is in the order of sending, and a flow goes out again only when all before it have: so the first of
//! each list has the deadline, or the one at which a round has stopped, and a message costs nothing but a note of its own. What
//! was sent behind a large message cannot be answered before it either.

use crate::client::context::Context;
use crate::client::state::Active;
use crate::packet::Ack;
use crate::session::outbound::Leg;
use crate::time::Timestamp;

impl Active {
    /// When to look again. Without room for more, the next written buffer has the engine look.
    pub(super) fn retry_deadline(&self, cx: &Context) -> Option<Timestamp> {
        if cx.config.retry.is_none() || self.is_held || !self.link.has_room() {
            return None;
        }
        let flows = [cx.outbound.again_at(Leg::Publish), cx.outbound.again_at(Leg::Pubrel)];
        flows.into_iter().flatten().chain(cx.requests.first_retry()).min()
    }

    /// Sends again what is due.
    // [MQTT-4.4.0-1 of 3.1.1] [MQTT-4.6.0-1 of 3.1.1] [MQTT-4.6.0-4 of 3.1.1]
    pub(super) fn send_due_again(&mut self, cx: &mut Context, now: Timestamp) {
        if self.retry_deadline(cx).is_none_or(|due| now < due) {
            return;
        }
        self.send_flows_again(cx, Leg::Pubrel, now);
        self.send_flows_again(cx, Leg::Publish, now);
        for number in cx.requests.due_again(now) {
            if !self.link.has_room() {
                return;
            }
            self.send_request_again(cx, number, now);
        }
    }

    /// Goes on with a round, as far as there is room and flows are due.
    fn send_flows_again(&mut self, cx: &mut Context, leg: Leg, now: Timestamp) {
        let mut next = cx.outbound.next_again(leg, now);
        while self.link.has_room()
            && let Some(slot) = next.filter(|&slot| cx.outbound.flow(slot).is_due_again(now))
        {
            next = cx.outbound.next(slot);
            self.note_retry(cx);
            match leg {
                Leg::Publish => self.send_publish(cx, slot, now),
                Leg::Pubrel => self.release(cx, slot, cx.rules.pubrel_carries_dup, now),
            }
        }
        cx.outbound.stop_again(leg, next);
    }

    /// Sends the PUBREL of a flow whose PUBREC is durable.
    pub(super) fn release(&mut self, cx: &mut Context, slot: u32, dup: bool, now: Timestamp) {
        let packet_id = cx.outbound.flow(slot).packet_id;
        self.send_pubrel(Ack::success(packet_id), dup);
        note_flow(cx, slot, 0, now);
    }

    /// A broker that answers nothing is found out by PINGREQ, which must not wait for us to fall silent.
    pub(super) const fn note_retry(&mut self, cx: &mut Context) {
        cx.stats.sent_again += 1;
        self.retry_is_encoded = true;
    }
}

/// A packet of a flow was written: when to write it again.
pub(super) fn note_flow(cx: &mut Context, slot: u32, bytes: usize, now: Timestamp) {
    let Some(retry) = cx.config.retry.filter(|_| cx.rules.may_retry_on_timer) else { return };
    let flow = cx.outbound.flow_mut(slot);
    flow.retry_at = Some(now + retry.delay(flow.repetitions, bytes, &mut cx.jitter));
    flow.repetitions = flow.repetitions.saturating_add(1);
}
