//! When what was just written is written again, where that is asked for. Writes nothing itself.

use crate::client::context::Context;
use crate::time::Timestamp;

/// A packet of a flow was written: when to write it again.
pub(super) fn note_flow(cx: &mut Context, slot: u32, bytes: usize, now: Timestamp) {
    let Some(retry) = cx.config.retry.filter(|_| cx.rules.may_retry_on_timer) else { return };
    let flow = cx.outbound.flow_mut(slot);
    flow.retry_at = Some(now + retry.delay(flow.repetitions, bytes, &mut cx.jitter));
    flow.repetitions = flow.repetitions.saturating_add(1);
}

/// A SUBSCRIBE or UNSUBSCRIBE was written: when to write it again.
pub(super) fn note_request(cx: &mut Context, number: u32, now: Timestamp) {
    let Some(retry) = cx.config.retry.filter(|_| cx.rules.may_retry_requests) else { return };
    let sent = cx.requests.packet_mut(number);
    sent.retry_at = Some(now + retry.delay(sent.repetitions, 0, &mut cx.jitter));
    sent.repetitions = sent.repetitions.saturating_add(1);
}
