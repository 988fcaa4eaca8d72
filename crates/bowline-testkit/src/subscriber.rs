//! What a subscribing application does on the bench: opens streams, takes messages, publishes. Knows the rig only from
//! outside.

use bowline_proto::client::{ClientConfig, DisconnectCause, Event, Qos0Limits, SessionPolicy, Stale, Stats};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{Disconnect, Packet, Subscribe, Subscription};
use bowline_proto::routing::StreamId;
use bowline_proto::session::{DeliveryId, PublicationId};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, PacketId, QoS, ReasonCode, Text, Version};

use crate::client_rig::ClientRig;
use crate::packets::{filter, suback, topic, unsuback};

/// A client whose session ends with the connection.
///
/// # Panics
/// Never: the client identifier is legal.
pub fn clean(version: Version) -> ClientConfig {
    ClientConfig::new(version, Text::from_static("c").expect("a legal client identifier"))
}

/// A client whose session outlives the connection, in memory, and that takes over what the broker has.
pub fn kept(version: Version) -> ClientConfig {
    let mut config = clean(version);
    config.session = SessionPolicy::InMemory { expiry_secs: EXPIRY_NEVER, adopt: true };
    config
}

/// A client whose session outlives the process.
pub fn durable(version: Version) -> ClientConfig {
    let mut config = clean(version);
    config.session = SessionPolicy::Durable { expiry_secs: EXPIRY_NEVER, adopt: true };
    config
}

impl ClientRig {
    /// Opens a stream for a filter; the broker grants it, and the rig forgets the exchange.
    ///
    /// # Panics
    /// If the client refuses, or does not send the SUBSCRIBE of a new filter.
    pub fn subscribed(&mut self, text: &'static str, qos: QoS) -> StreamId {
        self.subscribed_with(text, qos, Qos0Limits::default())
    }

    /// As [`ClientRig::subscribed`], with a bound for QoS 0.
    ///
    /// # Panics
    /// As [`ClientRig::subscribed`].
    pub fn subscribed_with(&mut self, text: &'static str, qos: QoS, limits: Qos0Limits) -> StreamId {
        let stream = self.asks_for(&[text], qos, limits);
        self.grant_all();
        self.events();
        stream
    }

    /// Opens a stream for filters; the broker does not answer yet.
    ///
    /// # Panics
    /// If the client refuses.
    pub fn asks_for(&mut self, filters: &[&'static str], qos: QoS, limits: Qos0Limits) -> StreamId {
        let options = SubscriptionOptions::new(qos);
        let subscriptions =
            filters.iter().map(|text| Subscription { filter: filter(text), options }).collect();
        let asked = self.engine.subscribe(subscriptions, limits, Vec::new());
        self.settle();
        asked.expect("a legal subscription").1
    }

    /// The broker grants everything that was asked for with SUBSCRIBE and UNSUBSCRIBE since the last look.
    pub fn grant_all(&mut self) {
        for packet in self.sent() {
            match packet {
                Packet::Subscribe(subscribe) => self.broker(granted(&subscribe)),
                Packet::Unsubscribe(unsubscribe) => {
                    let reasons = vec![ReasonCode::Success; unsubscribe.filters.len()];
                    let has_reasons = self.version().rules().has_unsuback_reasons;
                    self.broker(unsuback(unsubscribe.packet_id, if has_reasons { &reasons } else { &[] }));
                }
                _ => {}
            }
        }
    }

    /// The broker grants every SUBSCRIBE since the last look; their Subscription Identifiers, in order.
    pub fn granted_ids(&mut self) -> Vec<u32> {
        let mut ids = Vec::new();
        for packet in self.sent() {
            if let Packet::Subscribe(subscribe) = packet {
                ids.extend(subscribe.subscription_id.map(|id| id.as_u32()));
                self.broker(granted(&subscribe));
            }
        }
        ids
    }

    /// Ends a subscription; the broker does not answer yet.
    ///
    /// # Panics
    /// If the client refuses.
    pub fn unsubscribe(&mut self, text: &'static str) {
        self.engine.unsubscribe(vec![filter(text)], Vec::new()).expect("a legal request");
        self.settle();
    }

    /// A stream takes a message.
    ///
    /// # Errors
    /// [`Stale`] if it is not to be acknowledged any more.
    pub fn take(&mut self, delivery: DeliveryId, stream: StreamId) -> Result<(), Stale> {
        self.refuse(delivery, stream, ReasonCode::Success)
    }

    /// A stream finishes with a message, for this reason.
    ///
    /// # Errors
    /// [`Stale`] if it is not to be acknowledged any more.
    pub fn refuse(
        &mut self,
        delivery: DeliveryId,
        stream: StreamId,
        reason: ReasonCode,
    ) -> Result<(), Stale> {
        let taken = self.engine.take(delivery, stream, reason);
        self.settle();
        taken
    }

    /// The names of the QoS 1 and 2 messages that came since the last look, in order; other events are dropped.
    pub fn arrived(&mut self) -> Vec<DeliveryId> {
        self.deliveries().into_iter().filter_map(|delivery| delivery.delivery).collect()
    }

    /// The payloads that came since the last look, in order; other events are dropped.
    pub fn payloads(&mut self) -> Vec<String> {
        let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
        self.deliveries().iter().map(|delivery| text(&delivery.message.payload)).collect()
    }

    /// The application publishes.
    ///
    /// # Panics
    /// If the client refuses.
    pub fn publishes(&mut self, text: &'static str, qos: QoS) -> PublicationId {
        let message = Message::new(topic(text), "out").with_qos(qos);
        let publication = self.engine.publish(message, self.now).expect("a legal publication");
        self.settle();
        publication
    }

    /// Why the connection ended, if it did since the last look; other events are dropped.
    pub fn disconnected(&mut self) -> Option<DisconnectCause> {
        let mut events = self.events().into_iter();
        events.find_map(|event| if let Event::Disconnected(cause) = event { Some(*cause) } else { None })
    }

    /// Asserts that the client has just closed the connection for this: in 5.0 after DISCONNECT with the reason, before
    /// without a word, so that the broker publishes the will.
    ///
    /// # Panics
    /// If it has not.
    pub fn assert_closed_for(&mut self, expected: &ProtocolError, reason: ReasonCode) {
        assert_eq!(self.disconnected(), Some(DisconnectCause::Protocol(expected.clone())));
        self.assert_said(reason);
    }

    /// Asserts that the last packet was DISCONNECT with this reason in 5.0, and that there was none before.
    ///
    /// # Panics
    /// If it was not.
    pub fn assert_said(&mut self, reason: ReasonCode) {
        let sent = self.sent();
        if self.version().rules().has_disconnect_reason {
            let said = Packet::Disconnect(Box::new(Disconnect::new(reason)));
            assert_eq!(sent.last(), Some(&said), "{}", self.version());
        } else {
            let said = sent.iter().any(|packet| matches!(packet, Packet::Disconnect(_)));
            assert!(!said, "{} has no DISCONNECT with a reason: {sent:?}", self.version());
        }
        assert_eq!(self.closes(), 1, "the transport is closed once");
    }

    /// What the engine counted.
    pub fn stats(&self) -> Stats {
        *self.engine.stats()
    }
}

/// The SUBACK that grants what was asked for.
pub fn granted(subscribe: &Subscribe) -> Packet {
    let reason = |qos| match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    };
    let reasons: Vec<ReasonCode> =
        subscribe.subscriptions.iter().map(|one| reason(one.options.qos)).collect();
    suback(subscribe.packet_id, &reasons)
}

/// The packet identifier of a request.
///
/// # Panics
/// If it is no SUBSCRIBE and no UNSUBSCRIBE.
pub fn request_id(packet: &Packet) -> PacketId {
    match packet {
        Packet::Subscribe(subscribe) => subscribe.packet_id,
        Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id,
        other => panic!("{} is no request", other.packet_type()),
    }
}
