//! Care with what may be why the broker closes the connection: it is sent alone, and given up if the broker closes again.
//!
//! A publication is a suspect once the broker has closed two connections on which it was sent and unanswered. As long as there
//! is one, flows are sent one at a time, and nothing else while one is unanswered, so that the next close names the culprit. So that
//! a broker that closes every connection names nobody, it must first have sent something after CONNACK; a PINGREQ asks it to.

use alloc::vec::Vec;

use crate::client::context::Context;
use crate::client::event::{Event, Outcome};
use crate::client::state::Active;
use crate::session::stored::Entry;
use crate::time::Timestamp;

impl Active {
    /// Whether there are suspects and this connection has not outlived one of them.
    pub(super) const fn is_careful(&self, cx: &Context) -> bool {
        cx.suspects.is_careful() && !self.is_trusted
    }

    /// Whether a flow is on trial: nothing else of ours may be sent until it is answered.
    pub(super) fn is_trying(&self, cx: &Context) -> bool {
        self.is_careful(cx) && self.quota.in_use() > 0
    }

    /// Whether something may be sent while there are suspects. If it waits for an answer, it waits no longer than for CONNACK:
    /// some brokers take what they do not like without a word, and all else would wait for ever.
    pub(super) fn may_go_on_with_care(&mut self, cx: &mut Context, now: Timestamp) -> bool {
        let may_go_on = self.may_go_on_now(cx, now);
        let waits = !may_go_on && self.has_heard;
        self.trial_until = waits.then(|| self.trial_until.unwrap_or(now + cx.config.connect_timeout));
        may_go_on
    }

    /// The trial has taken too long: the broker has left this connection open, and nothing has to be sent with care on it.
    pub(super) fn end_trial(&mut self, cx: &mut Context, now: Timestamp) {
        if self.trial_until.is_some_and(|until| until <= now) {
            self.trial_until = None;
            self.is_trusted = true;
            cx.has_changed = true;
        }
    }

    /// The PUBRELs that wait are sent here, one by one.
    fn may_go_on_now(&mut self, cx: &mut Context, now: Timestamp) -> bool {
        if !self.has_heard {
            if !core::mem::replace(&mut self.has_asked, true) {
                self.ping(now);
            }
            return false;
        }
        if self.is_trying(cx) {
            return false;
        }
        // Requests are no suspects, and could be the reason all the same: they are answered first.
        self.pump_requests(cx, now);
        cx.requests.is_empty() && !self.release_next(cx, now)
    }

    /// Sends a PINGREQ, unless one is unanswered.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        if !self.keep_alive.is_asking() {
            self.ping(now);
        }
    }

    /// Sends a PINGREQ now.
    fn ping(&mut self, now: Timestamp) {
        self.link.encoder.pingreq(&mut self.link.out);
        self.ping_is_encoded = true;
        self.keep_alive.on_asked(now);
    }

    /// The broker closed the connection, perhaps because of something that is unanswered. If that is one flow alone, and it is
    /// not the first time, it is not sent again.
    pub(crate) fn blame(&mut self, cx: &mut Context) {
        // Nothing was sent yet on this connection; what the flows say of themselves is about an earlier one.
        if self.is_held {
            return;
        }
        let unanswered: Vec<u32> = cx.outbound.unanswered().collect();
        // No request is unanswered beside one that is on trial.
        let is_alone = unanswered.len() == 1 && !self.is_trusted;
        let is_news = !unanswered.is_empty();
        for slot in unanswered {
            let publication = cx.outbound.flow(slot).publication;
            if let Some(closes) = cx.suspects.blame(publication)
                && is_alone
            {
                self.give_up(cx, slot, closes);
            }
        }
        // A program that is started again after each close must come to the third one too.
        if is_news && cx.journal.is_durable() {
            cx.journal.record(Entry::Blamed(cx.suspects.to_stored()));
        }
    }

    fn give_up(&mut self, cx: &mut Context, slot: u32, closes: u32) {
        let (flow, retired) = self.finish_sent(cx, slot);
        let publication = flow.publication;
        let (topic, qos) = (flow.message.topic.clone(), flow.message.qos);
        cx.spent.message(flow.message);
        cx.emit(Event::Poison { publication, topic, qos, closes });
        cx.fail(publication, retired, Outcome::Poison { closes });
    }
}
