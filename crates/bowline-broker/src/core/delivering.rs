//! From a publication to everyone who gets it: retained message, targets, full queues, acknowledgement.

use bowline_proto::error::PublishErrorKind;
use bowline_proto::server::Received;
use bowline_proto::{Message, QoS, ReasonCode, Timestamp};

use crate::core::BrokerCore;
use crate::core::connection::{Blocked, Receipt};
use crate::core::keys::{ConnectionId, SessionKey};
use crate::core::sessions::{Place, Session};
use crate::core::subscriptions::{Readiness, Target};
use crate::core::timers::Timer;

/// What became of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    /// It is in the session, or nobody will ever get it.
    Over,
    /// The session's queue is full.
    Full,
}

impl BrokerCore {
    /// Publishes a message to all who subscribe, and keeps it if it is retained. Returns how many get it.
    ///
    /// It is nobody's message: the No Local option does not concern it, and it does not wait for full queues.
    pub fn publish(&mut self, message: &Message, now: Timestamp) -> usize {
        // What is not kept for lack of room is sent all the same: nobody waits for an answer.
        let _ = self.keep_if_retained(message, now);
        self.send_to_all(message, None, now)
    }

    /// A client has published a message.
    // [MQTT-4.5.0-1] [MQTT-4.5.0-1 of 3.1.1]
    pub(super) fn on_message(&mut self, id: ConnectionId, received: Received, now: Timestamp) {
        let Received { mut message, delivery, .. } = received;
        self.counters.messages_in += 1;
        let Some(connection) = self.connections.get(&id) else { return };
        let Some(publisher) = connection.session else { return };
        let packet_id = connection.arriving;
        let receipt = delivery.zip(packet_id).map(|(delivery, packet_id)| Receipt { delivery, packet_id });
        message.qos = message.qos.min(self.config.maximum_qos);
        let may_publish = !message.topic.as_bytes().starts_with(SYSTEM_TOPICS);
        let kept = if may_publish { self.keep_if_retained(&message, now) } else { Ok(()) };
        if !may_publish || kept.is_err() {
            let refusal = if may_publish { ReasonCode::QuotaExceeded } else { ReasonCode::NotAuthorized };
            return self.queue_behind(
                id,
                Blocked { message, receipt, targets: Vec::new(), answer: refusal },
                now,
            );
        }
        let mut targets = std::mem::take(&mut self.targets);
        self.find_targets(&message, Some(publisher), &mut targets);
        let answer = if targets.is_empty() { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success };
        let is_first = self.connections.get(&id).is_some_and(|connection| connection.blocked.is_empty());
        if is_first {
            targets.retain(|target| self.hand_over_or_wait(target, &message, id, now) == Handed::Full);
        }
        if is_first && targets.is_empty() {
            self.acknowledge(id, receipt, answer);
            self.targets = targets;
        } else {
            self.queue_behind(id, Blocked { message, receipt, targets, answer }, now);
        }
    }

    /// A publication gets its turn after those of the same client that still wait, so that their order stays.
    // [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]
    fn queue_behind(&mut self, id: ConnectionId, blocked: Blocked, now: Timestamp) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.blocked.push_back(blocked);
            if connection.blocked.len() == 1 {
                self.unblock(id, now);
            }
        }
    }

    /// Goes on with the publications of a client that waited, as far as there is room.
    pub(super) fn unblock(&mut self, id: ConnectionId, now: Timestamp) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let Some(mut front) = connection.blocked.pop_front() else { return };
            let message = &front.message;
            front.targets.retain(|target| self.hand_over_or_wait(target, message, id, now) == Handed::Full);
            if front.targets.is_empty() {
                self.acknowledge(id, front.receipt, front.answer);
            } else {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.blocked.push_front(front);
                }
                return;
            }
        }
    }

    /// The connection of a publisher is over: what waited goes to everyone who has room, and is dropped for the others.
    pub(super) fn unblock_all(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        for blocked in std::mem::take(&mut connection.blocked) {
            for target in &blocked.targets {
                self.hand_over_or_drop(target, &blocked.message, now);
            }
            self.acknowledge(id, blocked.receipt, blocked.answer);
        }
    }

    /// A message that nobody waits for, to all who subscribe.
    pub(super) fn send_to_all(
        &mut self,
        message: &Message,
        publisher: Option<SessionKey>,
        now: Timestamp,
    ) -> usize {
        let mut targets = std::mem::take(&mut self.targets);
        self.find_targets(message, publisher, &mut targets);
        for target in &targets {
            self.hand_over_or_drop(target, message, now);
        }
        let count = targets.len();
        self.targets = targets;
        count
    }

    // [MQTT-3.3.1-8] [MQTT-3.3.1-12 of 3.1.1]
    pub(super) fn keep_if_retained(&mut self, message: &Message, now: Timestamp) -> Result<(), ReasonCode> {
        if !message.retain || !self.config.retain_available {
            return Ok(());
        }
        if self.retained.set(message, now).is_ok() {
            return Ok(());
        }
        self.retained.remove_expired(now);
        self.retained.set(message, now).map_err(|_| ReasonCode::QuotaExceeded)
    }

    /// Who gets a message.
    fn find_targets(&mut self, message: &Message, publisher: Option<SessionKey>, targets: &mut Vec<Target>) {
        let (sessions, queue) = (&self.sessions, self.config.queue);
        let has_room = |(messages, bytes): (usize, usize)| {
            messages < queue.messages_max && bytes + message.content_bytes() <= queue.bytes_max
        };
        let connections = &self.connections;
        let readiness = |key: SessionKey| match sessions.at(key).map(|session| &session.place) {
            Some(Place::Connected(id)) => {
                let session = connections.get(id).and_then(|connection| connection.engine.session());
                match session {
                    Some(session) if has_room(session.queued()) => Readiness::Ready,
                    _ => Readiness::Full,
                }
            }
            Some(Place::Away(session)) if message.qos > QoS::AtMostOnce && has_room(session.queued()) => {
                Readiness::Away
            }
            _ => Readiness::Never,
        };
        self.subscriptions.targets(message, publisher, readiness, targets);
    }

    /// Hands a copy to a session, or has the publisher wait for it.
    fn hand_over_or_wait(
        &mut self,
        target: &Target,
        message: &Message,
        publisher: ConnectionId,
        now: Timestamp,
    ) -> Handed {
        if self.hand_over(target, message, now) == Handed::Over {
            return Handed::Over;
        }
        let wait = self.config.full_queue_wait;
        let Some(session) = self.sessions.at_mut(target.session) else { return Handed::Over };
        if matches!(session.place, Place::Connected(_)) {
            let full_since = *session.full_since.get_or_insert(now);
            let deadline = full_since + wait;
            if now < deadline {
                if !session.waiters.contains(&publisher) {
                    session.waiters.push(publisher);
                }
                self.timers.set_if_earlier(Timer::FullQueue(target.session), deadline);
                return Handed::Full;
            }
        }
        self.counters.dropped += 1;
        Handed::Over
    }

    pub(super) fn hand_over_or_drop(&mut self, target: &Target, message: &Message, now: Timestamp) {
        if self.hand_over(target, message, now) == Handed::Full {
            self.counters.dropped += 1;
        }
    }

    fn hand_over(&mut self, target: &Target, message: &Message, now: Timestamp) -> Handed {
        let Some(session) = self.sessions.at_mut(target.session) else { return Handed::Over };
        let copy = Message { qos: target.qos, retain: target.retain, ..message.clone() };
        let (result, connection) = match &mut session.place {
            Place::Connected(id) => match self.connections.get_mut(id) {
                Some(connection) => (connection.engine.publish(copy, target.ids.clone(), now), Some(*id)),
                None => return Handed::Over,
            },
            Place::Away(_) if target.qos == QoS::AtMostOnce => return Handed::Over,
            Place::Away(session) => (session.publish(copy, target.ids.clone(), now), None),
        };
        match result {
            Ok(_) => {
                self.counters.messages_out += 1;
                if let Some(id) = connection {
                    self.touch(id);
                }
                Handed::Over
            }
            Err(error) if matches!(error.kind, PublishErrorKind::Full { .. }) => Handed::Full,
            // Larger than any packet can be: nobody will ever get it.
            Err(_) => {
                self.counters.oversized += 1;
                Handed::Over
            }
        }
    }

    /// The publisher's answer; in its turn, which the engine sees to.
    fn acknowledge(&mut self, id: ConnectionId, receipt: Option<Receipt>, reason: ReasonCode) {
        let Some(Receipt { delivery, packet_id }) = receipt else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let is_told = connection.version().is_some_and(|version| version.rules().has_ack_reasons);
        if reason.is_failure()
            && is_told
            && let Some(session) = connection.session.and_then(|key| self.sessions.at_mut(key))
        {
            // [MQTT-4.3.3-9]
            session.ledger.forget(packet_id);
        }
        // Stale if the client has published something else under the identifier; then that is what it waits for.
        let _ = connection.engine.acknowledge(delivery, reason);
        self.touch(id);
    }

    /// A connection has done what it could: its session may have room again.
    pub(super) fn wake_waiters_of(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let Some(key) = connection.session else { return };
        let Some(session) = self.sessions.at_mut(key) else { return };
        if session.full_since.is_none() {
            return;
        }
        let (messages, bytes) = connection.engine.session().map_or((0, 0), |session| session.queued());
        // Half empty, so that waiting and going on come in batches.
        if messages <= self.config.queue.messages_max / 2 && bytes <= self.config.queue.bytes_max / 2 {
            session.full_since = None;
            self.timers.clear(Timer::FullQueue(key));
            self.wake_waiters(key);
        }
    }

    /// Those who wait for a session try again.
    pub(super) fn wake_waiters(&mut self, key: SessionKey) {
        let waiters = self.sessions.at_mut(key).map(Session::take_waiters).unwrap_or_default();
        for id in waiters {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.is_to_retry = true;
                self.touch(id);
            }
        }
    }
}

/// Topics that only brokers publish to.
pub(super) const SYSTEM_TOPICS: &[u8] = b"$SYS/";
