//! SUBSCRIBE and UNSUBSCRIBE: what is granted, and the retained messages that follow.

use bowline_proto::packet::{AckProperties, Subscribe, Subscription, Unsubscribe};
use bowline_proto::types::{RetainHandling, SubscriptionId};
use bowline_proto::{QoS, ReasonCode, Timestamp};

use crate::core::BrokerCore;
use crate::core::keys::{ConnectionId, SessionKey};
use crate::core::subscriptions::Subscriber;

impl BrokerCore {
    /// Each filter by itself, in order [MQTT-3.8.4-5]. SUBACK goes before the retained messages.
    pub(super) fn on_subscribe(&mut self, id: ConnectionId, subscribe: &Subscribe, now: Timestamp) {
        let Some(key) = self.connections.get(&id).and_then(|connection| connection.session) else { return };
        let mut reasons = Vec::with_capacity(subscribe.subscriptions.len());
        let mut retained_for = Vec::new();
        for subscription in &subscribe.subscriptions {
            match self.grant(key, subscription, subscribe.subscription_id) {
                Ok(granted) => {
                    reasons.push(granted_reason(granted.subscriber.options.qos));
                    retained_for.push((&subscription.filter, granted));
                }
                Err(reason) => reasons.push(reason),
            }
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // Fails only if SUBACK is larger than the client takes; then it gets none, and what it subscribed to all the same.
        let _ = connection.engine.subscribe_result(subscribe.packet_id, reasons, AckProperties::default());
        for (filter, granted) in retained_for {
            if !granted.wants_retained {
                continue;
            }
            for message in self.retained.matching(filter, now) {
                let target = granted.subscriber.retained_target(&message);
                self.hand_over_or_drop(&target, &message, now);
            }
        }
        self.touch(id);
    }

    /// Every filter by itself, in order [MQTT-3.10.4-6].
    pub(super) fn on_unsubscribe(&mut self, id: ConnectionId, unsubscribe: &Unsubscribe) {
        let Some(key) = self.connections.get(&id).and_then(|connection| connection.session) else { return };
        let subscriptions = &mut self.subscriptions;
        let remove = |filter| match subscriptions.remove(key, filter) {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        };
        let reasons = unsubscribe.filters.iter().map(remove).collect();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // Fails only if UNSUBACK is larger than the client takes.
        let _ =
            connection.engine.unsubscribe_result(unsubscribe.packet_id, reasons, AckProperties::default());
        self.touch(id);
    }

    /// Adds one subscription, or says why not.
    // [MQTT-3.2.2-10] [MQTT-3.8.4-7] [MQTT-3.8.3-2 of 3.1.1]
    fn grant(
        &mut self,
        key: SessionKey,
        subscription: &Subscription,
        subscription_id: Option<SubscriptionId>,
    ) -> Result<Granted, ReasonCode> {
        let (config, filter) = (&self.config, &subscription.filter);
        let is_shared = filter.share_name().is_some();
        // A client of 5.0 was told and is in the wrong; that was seen to before.
        if filter.has_wildcard() && !config.wildcard_subscriptions {
            return Err(ReasonCode::WildcardSubscriptionsNotSupported);
        }
        if is_shared && !config.shared_subscriptions {
            return Err(ReasonCode::SharedSubscriptionsNotSupported);
        }
        let is_new = !self.subscriptions.contains(key, filter);
        if is_new && self.subscriptions.len_of(key) >= config.subscriptions_max {
            return Err(ReasonCode::QuotaExceeded);
        }
        let mut options = subscription.options;
        options.qos = options.qos.min(config.maximum_qos);
        let subscriber = Subscriber { session: key, options, id: subscription_id };
        self.subscriptions.insert(filter, subscriber);
        // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4] [MQTT-3.3.1-6 of 3.1.1]
        let wants_retained = !is_shared
            && match options.retain_handling {
                RetainHandling::OnSubscribe => true,
                RetainHandling::OnNewSubscription => is_new,
                RetainHandling::Never => false,
            };
        Ok(Granted { subscriber, wants_retained })
    }
}

struct Granted {
    subscriber: Subscriber,
    wants_retained: bool,
}

const fn granted_reason(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    }
}
