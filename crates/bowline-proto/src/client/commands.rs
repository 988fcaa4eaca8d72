//! What the application asks for: publish, cancel, subscribe, unsubscribe, take. Each checks, changes the session, and
//! sends at once what can be sent at once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::client::context::Context;
use crate::client::engine::ClientEngine;
use crate::client::event::{OperationId, Outcome};
use crate::client::requests::{Operation, RequestItem, RequestKind};
use crate::client::state::ClientState;
use crate::client::state::active::FlowSource;
use crate::client::streams::{Qos0Limits, STREAMS_MAX, UNROUTED};
use crate::error::{PublishError, PublishErrorKind, RequestError};
use crate::packet::{AckProperties, PublishHeader, Subscription};
use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::session::journal::Gated;
use crate::session::queued::Queued;
use crate::session::stored::{Entry, Wanted};
use crate::session::{DeliveryId, PublicationId, Stale};
use crate::time::Timestamp;
use crate::types::varint::VARINT_MAX;
use crate::types::{Message, MessageProperties, QoS, TopicFilter, UserProperties};

impl ClientEngine {
    /// Accepts a message for publication. With QoS 1 and 2 its outcome comes as [`Event::PublishEnded`]; with QoS 0 it
    /// is over when it is accepted, unless it turns out later that the broker forbids it.
    ///
    /// May be called in any state: without a connection the message waits, within the queue's limits. In a durable
    /// session a QoS 1 or 2 message is accepted once [`Event::PublishAccepted`] says that it is stored. Beyond the queue's
    /// limits [`on_full`](crate::client::ClientConfig::on_full) decides.
    ///
    /// [`Event::PublishEnded`]: crate::client::Event::PublishEnded
    /// [`Event::PublishAccepted`]: crate::client::Event::PublishAccepted
    ///
    /// # Errors
    /// [`PublishError`], with the message in it: the queue is full, the store is failed, or the message cannot be sent
    /// as it is (needs 5.0, too large, not allowed by what the broker said in CONNACK).
    pub fn publish(
        &mut self,
        mut message: Message,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        let refuse = |message, kind| Err(Box::new(PublishError { message, kind }));
        if let Err(error) = self.context.check_message(&message) {
            return refuse(message, PublishErrorKind::Request(error));
        }
        let deadline = message.expiry_secs().map(|secs| now + Duration::from_secs(u64::from(secs)));
        let stores = self.context.journal.is_durable() && message.qos != QoS::AtMostOnce;
        if stores && self.context.journal.is_failed(now) {
            return refuse(message, PublishErrorKind::StoreFailed);
        }
        self.context.drop_due(now);
        let publication = self.context.last_publication.next();
        let on_session_loss = self.context.config.on_session_loss;
        if let ClientState::Active(active) = &self.state {
            self.context.strip(&mut message);
            if let Err(limit) = active.check(&message) {
                return refuse(message, PublishErrorKind::Request(RequestError::Limit(limit)));
            }
        }
        if let ClientState::Active(active) = &mut self.state {
            let context = &mut self.context;
            context.has_changed |= active.keep_alive_is_paused();
            if active.may_publish_at_once(context, message.qos) {
                context.last_publication = publication;
                context.drop_overtaken(&message);
                let queued = Queued { publication, message, deadline, is_in_doubt: false, on_session_loss };
                match queued.message.qos {
                    QoS::AtMostOnce => active.send_at_most_once(context, queued, now),
                    QoS::AtLeastOnce | QoS::ExactlyOnce => {
                        active.start_flow(context, queued, FlowSource::Caller, now);
                    }
                }
                return Ok(publication);
            }
        }
        let queued = Queued { publication, message, deadline, is_in_doubt: false, on_session_loss };
        self.context.enqueue(queued, stores, now)?;
        Ok(publication)
    }

    /// As [`publish`](Self::publish) for a QoS 0 message that can be written at once, without taking it: it is over then. `None`,
    /// and nothing is done, if it has another QoS, has to wait or cannot be sent: `publish` says which. Needs no time.
    pub fn publish_at_once(&mut self, message: &Message) -> Option<PublicationId> {
        let context = &mut self.context;
        let ClientState::Active(active) = &mut self.state else { return None };
        // What has properties may have to be stripped of them, or to expire.
        if message.qos != QoS::AtMostOnce
            || message.properties.is_some()
            || !active.may_publish_at_once(context, QoS::AtMostOnce)
            || context.check_message(message).is_err()
            || active.check(message).is_err()
        {
            return None;
        }
        context.has_changed |= active.keep_alive_is_paused();
        active.link.publish(message, &PublishHeader::default()).ok()?;
        context.drop_overtaken(message);
        context.last_publication = context.last_publication.next();
        Some(context.last_publication)
    }

    /// Whether [`publish`](Self::publish) looks at its time for this message. If not, any that has been will do: a driver need not
    /// look at a clock.
    pub fn is_timed(&self, message: &Message) -> bool {
        let Context { config, queue, journal, .. } = &self.context;
        message.expiry_secs().is_some()
            || config.queue_age_max.is_some()
            || config.retry.is_some()
            || journal.is_durable()
            || queue.next_due().is_some()
    }

    /// Takes back a publication that was never given a packet identifier and is in memory; whether it was there. It
    /// ends with [`Outcome::Cancelled`]. One that lost its identifier with the session may have arrived, and goes out again.
    pub fn cancel(&mut self, publication: PublicationId) -> bool {
        let Some(queued) = self.context.queue.remove_unsent(publication) else { return false };
        self.context.fail_queued(queued, |message| Outcome::Cancelled { message });
        true
    }

    /// Opens a stream for one or more filters, and asks the broker for those that it has not granted yet. The result
    /// comes as [`Event::Subscribed`]; messages may come before it [MQTT-3.8.4-1].
    ///
    /// [`Event::Subscribed`]: crate::client::Event::Subscribed
    ///
    /// # Errors
    /// [`RequestError`]: no filters, options of 5.0 in an older version, No Local with a shared subscription, a filter
    /// that another stream has with other options, or one that the broker said it would refuse.
    pub fn subscribe(
        &mut self,
        subscriptions: Vec<Subscription>,
        qos0: Qos0Limits,
        user_properties: UserProperties,
    ) -> Result<(OperationId, StreamId), RequestError> {
        self.check_subscriptions(&subscriptions, &user_properties)?;
        let context = &mut self.context;
        let too_many = RequestError::TooManyStreams { most: STREAMS_MAX - 1 };
        let distinct = subscriptions.iter().enumerate().filter(|(index, one)| {
            !subscriptions[..*index].iter().any(|earlier| earlier.filter == one.filter)
        });
        let stream = context.streams.open(qos0, distinct.count()).ok_or(too_many)?;
        let has_ids = context.may_have_properties();
        let mut items = Vec::with_capacity(subscriptions.len());
        for Subscription { filter, options } in subscriptions {
            // [MQTT-3.8.4-3 of 3.1.1]: a filter that others have is shared, and their delivery goes on.
            let wanted = context.subscriptions.want(&filter, options, stream);
            let mut item = RequestItem::new(filter.clone());
            if let Some(reason) = wanted.granted {
                item.answer(reason);
            } else {
                let id = has_ids.then_some(wanted.subscription_id);
                let wanted = Wanted { filter: filter.clone(), options, subscription_id: id };
                context.journal.record(Entry::Wanted(wanted));
            }
            // [MQTT-3.8.4-1] [MQTT-3.8.4-1 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1]: messages may come before SUBACK.
            context.routes.insert(&filter, stream);
            items.push(item);
        }
        let operation = context.request(RequestKind::Subscribe, items, user_properties);
        context.hand_over_unrouted(stream);
        self.context.has_changed = true;
        Ok((operation, stream))
    }

    /// Ends subscriptions, and the streams that have no other filter. The result comes as [`Event::Unsubscribed`].
    /// Messages that matched only these filters and that no stream has taken are acknowledged and counted, those that
    /// come later included; [`Event::Withdrawn`] says which the driver takes out of a stream (rule 7 of the inbound
    /// rules).
    ///
    /// [`Event::Unsubscribed`]: crate::client::Event::Unsubscribed
    /// [`Event::Withdrawn`]: crate::client::Event::Withdrawn
    ///
    /// # Errors
    /// [`RequestError::NoFilters`] if there is none, [`RequestError::NeedsVersion5`] for user properties before 5.0.
    pub fn unsubscribe(
        &mut self,
        filters: Vec<TopicFilter>,
        user_properties: UserProperties,
    ) -> Result<OperationId, RequestError> {
        // [MQTT-3.10.3-2] [MQTT-3.10.3-2 of 3.1.1]
        if filters.is_empty() {
            return Err(RequestError::NoFilters);
        }
        if !user_properties.is_empty() && !self.context.takes_v5_options() {
            return Err(RequestError::NeedsVersion5 { option: "user_properties" });
        }
        let context = &mut self.context;
        for filter in &filters {
            context.unsubscribe(filter);
        }
        let items = filters.into_iter().map(RequestItem::new).collect();
        let operation = context.request(RequestKind::Unsubscribe, items, user_properties);
        self.context.has_changed = true;
        Ok(operation)
    }

    /// A stream has finished with a QoS 1 or 2 message: taken it, acknowledged it, or (5.0) refused it with a reason of
    /// 0x80 or above. The acknowledgement leaves when all its streams have, in its turn. A refused message of a shared
    /// subscription is lost for all: the broker gives it to no other subscriber [MQTT-4.8.2-6].
    ///
    /// # Errors
    /// [`Stale`] if no acknowledgement is due: the session is gone, the identifier carries another message by now, or
    /// this stream has taken it before.
    pub fn take(&mut self, delivery: DeliveryId, stream: StreamId, reason: ReasonCode) -> Result<(), Stale> {
        let is_due = self.context.take(delivery, stream, reason);
        self.context.has_changed = true;
        if is_due { Ok(()) } else { Err(Stale) }
    }

    /// The application has a QoS 1 or 2 message in its hands and will [`take`](Self::take) it for this stream later,
    /// when it has finished with it: from now on unsubscribing does not acknowledge it in its place.
    pub fn hand_over(&mut self, delivery: DeliveryId, stream: StreamId) {
        self.context.inbound.hand_over(delivery, stream);
    }

    /// The application has let go of a QoS 1 or 2 message without finishing with it. It stays unacknowledged, and holds up
    /// those behind it, until the broker sends it again on a later connection of the session: then it is handed out again. If
    /// its filter was unsubscribed, nobody would get it again, and it is acknowledged instead.
    ///
    /// # Errors
    /// [`Stale`] as with [`take`](Self::take).
    pub fn abandon(&mut self, delivery: DeliveryId, stream: StreamId) -> Result<(), Stale> {
        if !self.context.inbound.abandon(delivery, stream) {
            return Err(Stale);
        }
        self.context.let_go_of_ended(delivery, stream);
        self.context.has_changed = true;
        Ok(())
    }

    /// A stream has taken a QoS 0 message.
    pub fn take_qos0(&mut self, stream: StreamId) {
        self.context.streams.take(stream);
        self.context.has_changed = true;
    }

    /// From now on messages that no stream wants are handed out to [`UNROUTED`]; those that are held come first.
    /// `qos0` bounds the QoS 0 messages among them.
    pub fn open_unrouted(&mut self, qos0: Qos0Limits) {
        let context = &mut self.context;
        if context.streams.open_unrouted(qos0) {
            for delivery in context.inbound.untaken_by(UNROUTED) {
                if !context.inbound.is_in_hand(delivery, UNROUTED) {
                    context.hand_out_again(delivery, UNROUTED);
                }
            }
        }
        self.context.has_changed = true;
    }

    /// The application has dropped a stream. `untaken` are the messages that were in it: other streams and unrouted get
    /// those that they match and do not have; the rest is acknowledged and counted if the session ends with the
    /// connection, and held if it does not. The last stream of a filter unsubscribes it only in the former case.
    pub fn close_stream(&mut self, stream: StreamId, untaken: &[DeliveryId]) {
        let context = &mut self.context;
        if stream == UNROUTED {
            context.close_unrouted();
            self.context.has_changed = true;
            return;
        }
        context.routes.remove_stream(stream);
        context.streams.close(stream);
        let unused = context.subscriptions.remove_stream(stream);
        let ends_with_connection = !context.config.session.outlives_connection();
        for &delivery in untaken {
            context.pass_on(delivery, stream, ends_with_connection);
        }
        if ends_with_connection && !unused.is_empty() {
            for filter in &unused {
                context.unsubscribe(filter);
            }
            let items = unused.into_iter().map(RequestItem::new).collect();
            context.request(RequestKind::Unsubscribe, items, Vec::new());
        }
        self.context.has_changed = true;
    }

    fn check_subscriptions(
        &self,
        subscriptions: &[Subscription],
        user_properties: &UserProperties,
    ) -> Result<(), RequestError> {
        let context = &self.context;
        // [MQTT-3.8.3-2] [MQTT-3.8.3-3 of 3.1.1]
        if subscriptions.is_empty() {
            return Err(RequestError::NoFilters);
        }
        if !user_properties.is_empty() && !context.takes_v5_options() {
            return Err(RequestError::NeedsVersion5 { option: "user_properties" });
        }
        for (index, Subscription { filter, options }) in subscriptions.iter().enumerate() {
            // [MQTT-3.8.3-4 of 3.1.1]
            if options.needs_version_5() && !context.takes_v5_options() {
                return Err(RequestError::NeedsVersion5 { option: "subscription options" });
            }
            // [MQTT-3.8.3-4]
            if options.no_local && filter.share_name().is_some() {
                return Err(RequestError::SharedWithNoLocal);
            }
            let differs_from_wanted = context
                .subscriptions
                .find(filter)
                .is_some_and(|wanted| !wanted.streams.is_empty() && wanted.options != *options);
            let differs_from_earlier = subscriptions[..index]
                .iter()
                .any(|earlier| earlier.filter == *filter && earlier.options != *options);
            if differs_from_wanted || differs_from_earlier {
                return Err(RequestError::FilterOptionsDiffer);
            }
            if let Some(limits) = self.limits() {
                limits.check_filter(filter)?;
            }
        }
        Ok(())
    }
}

impl Context {
    /// Checks a message against the version. Before 5.0 an expiry interval is ours alone; nothing else has a meaning.
    #[inline]
    fn check_message(&self, message: &Message) -> Result<(), RequestError> {
        let needs_version_5 = message.properties.as_deref().is_some_and(MessageProperties::needs_version_5);
        if needs_version_5 && !self.takes_v5_options() {
            return Err(RequestError::NeedsVersion5 { option: "message properties" });
        }
        let (value, most) = (message.content_bytes(), VARINT_MAX as usize);
        if value > most {
            return Err(RequestError::OutOfRange { option: "message (bytes)", value, least: 0, most });
        }
        Ok(())
    }

    /// Notes a request; it is sent once everything recorded so far is durable (B8).
    fn request(
        &mut self,
        kind: RequestKind,
        items: Vec<RequestItem>,
        user_properties: UserProperties,
    ) -> OperationId {
        let id = self.requests.next_id();
        let operation = Operation {
            id: Some(id),
            kind,
            items,
            user_properties,
            properties: AckProperties::default(),
            is_gated: true,
        };
        if operation.is_answered() {
            self.emit(operation.into_event(id));
            return id;
        }
        let slot = self.requests.add(operation);
        if self.journal.wait(Gated::Request(slot)).is_some() {
            self.requests.open_gate(slot);
        }
        id
    }
}
