//! Messages that change hands: because a filter or a stream ends, or because a stream comes that wants what is held for
//! nobody (rules 7 and 8 of the inbound rules). Knows no connection.

use crate::client::config::Unmatched;
use crate::client::context::Context;
use crate::client::event::{Delivery, Event, StreamEnd};
use crate::client::streams::UNROUTED;
use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::session::stored::Entry;
use crate::session::subscriptions::WantedSubscription;
use crate::session::{DeliveryId, StreamSet};
use crate::types::{SubscriptionIds, TopicFilter};

impl Context {
    /// A filter is unsubscribed: what matched only it and was not taken is acknowledged, so that nothing stalls for a
    /// stream that has no further use for it.
    // [MQTT-4.5.0-2] [MQTT-4.5.0-2 of 3.1.1] [MQTT-3.10.4-3] [MQTT-3.10.4-3 of 3.1.1]
    pub(crate) fn unsubscribe(&mut self, filter: &TopicFilter) {
        let wanted = self.forget_filter(filter, &StreamEnd::Unsubscribed);
        // The broker may have it from an earlier process of ours that was killed before it could unsubscribe.
        self.ended.add(filter.clone(), wanted.as_ref().map(|wanted| wanted.subscription_id));
        if wanted.is_none() {
            self.let_go_of_unrouted(filter);
        }
        for stream in wanted.into_iter().flat_map(|wanted| wanted.streams) {
            for delivery in self.inbound.untaken_by(stream) {
                if !self.inbound.is_in_hand(delivery, stream) && self.matched_only(delivery, stream, filter) {
                    self.emit(Event::Withdrawn { stream, delivery });
                    // A filter without a stream only gets what no stream got.
                    let is_for_later = !self.inbound.was_handed_to_another(delivery, stream);
                    if is_for_later && self.is_wanted_later(delivery) {
                        self.inbound.add_taker(delivery, UNROUTED);
                        if self.streams.unrouted_is_open() {
                            self.hand_out_again(delivery, UNROUTED);
                        }
                    } else {
                        self.stats.unsubscribed_acknowledged += 1;
                    }
                    self.take(delivery, stream, ReasonCode::Success);
                }
            }
        }
        self.let_go_of_abandoned(filter);
    }

    /// What a stream let go of before it was dropped would hold up all that came after it until it comes again. Without the
    /// filter that it came for, that stream does not wait for it.
    fn let_go_of_abandoned(&mut self, filter: &TopicFilter) {
        for delivery in self.inbound.abandoned() {
            let Some(held) = self.inbound.held(delivery) else { continue };
            let streams: StreamSet = held.abandoned().filter(|stream| *stream != UNROUTED).collect();
            if self.is_wanted_later(delivery) {
                continue;
            }
            for stream in streams.iter() {
                if self.matched_only(delivery, stream, filter) {
                    self.finish_abandoned(delivery, stream);
                }
            }
        }
    }

    /// A stream that had a message in its hands when its filter was unsubscribed has let go of it: it would hold up all that came
    /// after it as well, and later be held for nobody.
    pub(crate) fn let_go_of_ended(&mut self, delivery: DeliveryId, stream: StreamId) {
        let Some(held) = self.inbound.held(delivery) else { return };
        let topic = &held.message.topic;
        if stream == UNROUTED || !self.ended.match_topic(topic, &mut self.matched) {
            return;
        }
        self.routes.matches(topic, &mut self.matched);
        if !self.matched.contains(&stream) && !self.is_wanted_later(delivery) {
            self.finish_abandoned(delivery, stream);
        }
    }

    /// A stream that let go of a message does not get it again; one that came later may want it.
    fn finish_abandoned(&mut self, delivery: DeliveryId, stream: StreamId) {
        if !self.hand_to_matching(delivery) {
            self.stats.unsubscribed_acknowledged += 1;
        }
        self.take(delivery, stream, ReasonCode::Success);
    }

    /// A filter is wanted no longer: no stream gets its messages, and one without another filter ends.
    pub(crate) fn forget_filter(
        &mut self,
        filter: &TopicFilter,
        reason: &StreamEnd,
    ) -> Option<WantedSubscription> {
        let wanted = self.subscriptions.remove(filter)?;
        self.journal.record(Entry::Unwanted { filter: filter.clone() });
        for &stream in &wanted.streams {
            self.routes.remove(filter, stream);
            if self.streams.lose_filter(stream) {
                self.emit(Event::StreamEnded { stream, reason: reason.clone() });
            }
        }
        self.let_go_of_unrouted(filter);
        Some(wanted)
    }

    /// What is held for nobody and matches a filter that is wanted no longer is acknowledged.
    fn let_go_of_unrouted(&mut self, filter: &TopicFilter) {
        if self.streams.unrouted_is_open() {
            return;
        }
        for delivery in self.inbound.untaken_by(UNROUTED) {
            let is_in_hand = self.inbound.is_in_hand(delivery, UNROUTED);
            if !is_in_hand && self.matched_only(delivery, UNROUTED, filter) && !self.is_wanted_later(delivery)
            {
                self.stats.unsubscribed_acknowledged += 1;
                self.take(delivery, UNROUTED, ReasonCode::Success);
            }
        }
    }

    /// Whether a message matches a filter, and no other filter of the stream.
    fn matched_only(&mut self, delivery: DeliveryId, stream: StreamId, filter: &TopicFilter) -> bool {
        let Some(held) = self.inbound.held(delivery) else { return false };
        self.routes.matches(&held.message.topic, &mut self.matched);
        filter.matches(&held.message.topic) && !self.matched.contains(&stream)
    }

    /// Whether a message matches a filter that is subscribed although it has no stream at the moment.
    fn is_wanted_later(&self, delivery: DeliveryId) -> bool {
        let Some(held) = self.inbound.held(delivery) else { return false };
        let waits = |wanted: &WantedSubscription| {
            wanted.streams.is_empty() && wanted.filter.matches(&held.message.topic)
        };
        self.subscriptions.iter().any(waits)
    }

    /// Messages that were held for nobody and that a new stream wants.
    pub(crate) fn hand_over_unrouted(&mut self, stream: StreamId) {
        if self.streams.unrouted_is_open() {
            return;
        }
        for delivery in self.inbound.untaken_by(UNROUTED) {
            // Whoever took it out of the unrouted stream before that was dropped still finishes with it.
            if self.inbound.is_in_hand(delivery, UNROUTED) {
                continue;
            }
            let Some(held) = self.inbound.held(delivery) else { continue };
            self.routes.matches(&held.message.topic, &mut self.matched);
            if self.matched.contains(&stream) {
                self.inbound.add_taker(delivery, stream);
                self.take(delivery, UNROUTED, ReasonCode::Success);
                self.hand_out_again(delivery, stream);
            }
        }
    }

    /// What was held for nobody in sessions that are gone must not keep others out: no later session gives it back, and
    /// every loss of a session would add to it.
    pub(crate) fn forget_unread_orphans(&mut self) {
        if !self.streams.unrouted_is_open() {
            let forgotten = self.inbound.forget_orphans_of(UNROUTED);
            self.stats.unmatched_forgotten += u64::try_from(forgotten).unwrap_or(u64::MAX);
        }
    }

    /// Unmatched messages have no stream any more: what it has not taken goes to the streams that came after it and match;
    /// the rest follows the policy for messages without a stream.
    pub(crate) fn close_unrouted(&mut self) {
        if !self.streams.close(UNROUTED) {
            return;
        }
        for delivery in self.inbound.untaken_by(UNROUTED) {
            if self.inbound.is_in_hand(delivery, UNROUTED) {
                continue;
            }
            self.hand_on_unrouted(delivery);
        }
    }

    /// A message that waits in the stream of unmatched ones, or for it, goes to the streams that match by now, else to that
    /// stream if it is open; else it follows the policy for messages without a stream.
    fn hand_on_unrouted(&mut self, delivery: DeliveryId) {
        let has_other =
            self.hand_to_matching(delivery) || self.inbound.is_waited_for_by_another(delivery, UNROUTED);
        let unmatched = self.config.unmatched;
        match unmatched {
            _ if has_other => {}
            _ if self.streams.unrouted_is_open() => return self.hand_out_again(delivery, UNROUTED),
            Unmatched::Acknowledge => self.stats.unmatched_acknowledged += 1,
            // A stream that has had it would get it a second time.
            Unmatched::Leave if self.inbound.was_handed_to_another(delivery, UNROUTED) => return,
            Unmatched::Leave => {
                self.stats.unmatched_left += 1;
                return self.inbound.leave(delivery);
            }
            Unmatched::Hold if self.is_of_ended_filter(delivery) => {
                self.stats.unsubscribed_acknowledged += 1;
            }
            Unmatched::Hold => return,
        }
        self.take(delivery, UNROUTED, ReasonCode::Success);
    }

    /// Whether a message matches a filter that is unsubscribed, and none that is wanted.
    fn is_of_ended_filter(&mut self, delivery: DeliveryId) -> bool {
        let Some(held) = self.inbound.held(delivery) else { return false };
        let topic = &held.message.topic;
        self.ended.match_topic(topic, &mut self.matched)
            && !self.subscriptions.iter().any(|wanted| wanted.filter.matches(topic))
    }

    /// A dropped stream's message goes to whoever else wants it.
    pub(crate) fn pass_on(&mut self, delivery: DeliveryId, from: StreamId, ends_with_connection: bool) {
        if !self.inbound.is_waited_for_by(delivery, from) {
            return;
        }
        let has_other =
            self.hand_to_matching(delivery) || self.inbound.is_waited_for_by_another(delivery, from);
        if !has_other && self.streams.unrouted_is_open() {
            self.inbound.add_taker(delivery, UNROUTED);
            self.hand_out_again(delivery, UNROUTED);
        } else if !has_other && ends_with_connection {
            self.stats.unsubscribed_acknowledged += 1;
        } else if !has_other {
            self.inbound.add_taker(delivery, UNROUTED);
        }
        self.take(delivery, from, ReasonCode::Success);
    }

    /// A message came again that applications had let go of: it goes to them again, or to whoever wants it now.
    pub(crate) fn hand_out_abandoned(&mut self, delivery: DeliveryId) {
        let ends_with_connection = !self.config.session.outlives_connection();
        for stream in self.inbound.take_abandoned(delivery).iter() {
            if stream == UNROUTED {
                self.hand_on_unrouted(delivery);
                continue;
            }
            let Some(held) = self.inbound.held(delivery) else { return };
            self.routes.matches(&held.message.topic, &mut self.matched);
            if self.matched.contains(&stream) {
                self.hand_out_again(delivery, stream);
            } else {
                self.pass_on(delivery, stream, ends_with_connection);
            }
        }
    }

    /// Hands a message to the streams that match and did not have it yet; whether there was one.
    fn hand_to_matching(&mut self, delivery: DeliveryId) -> bool {
        let Some(held) = self.inbound.held(delivery) else { return false };
        self.routes.matches(&held.message.topic, &mut self.matched);
        // A stream that had it must not get it twice.
        let inbound = &self.inbound;
        self.matched.retain(|&stream| !inbound.was_handed_to(delivery, stream));
        for stream in self.matched.clone() {
            self.inbound.add_taker(delivery, stream);
            self.hand_out_again(delivery, stream);
        }
        !self.matched.is_empty()
    }

    pub(crate) fn hand_out_again(&mut self, delivery: DeliveryId, stream: StreamId) {
        if let Some(held) = self.inbound.held_mut(delivery) {
            held.wait_again(stream);
            let message = held.message.clone();
            let packet_id = Some(held.packet_id);
            self.emit(Event::Message(Delivery {
                message,
                dup: false,
                delivery: Some(delivery),
                packet_id,
                streams: StreamSet::from(stream),
                subscription_ids: SubscriptionIds::new(),
            }));
        }
    }
}
