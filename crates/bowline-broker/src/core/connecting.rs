//! How clients come and go: CONNECT, take-over, sessions that end, wills.

use std::time::Duration;

use bowline_proto::error::RequestError;
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{ConnAckProperties, Connect, Disconnect, Will};
use bowline_proto::server::{Disconnected, ServerSession};
use bowline_proto::types::Text;
use bowline_proto::{QoS, ReasonCode, Timestamp, Version};

use crate::core::BrokerCore;
use crate::core::conduct::{Conduct, Terms};
use crate::core::config::VersionRefusal;
use crate::core::delivering::SYSTEM_TOPICS;
use crate::core::event::{BrokerEvent, BrokerOutput};
use crate::core::keys::{ConnectionId, SessionKey};
use crate::core::sessions::{Place, Session};
use crate::core::timers::Timer;

impl BrokerCore {
    /// The client of a [`BrokerOutput::Authenticate`] may connect.
    pub fn allow(&mut self, connection: ConnectionId, now: Timestamp) {
        if let Some(connect) = self.take_undecided(connection, now) {
            self.admit(connection, &connect, now);
            self.touch(connection);
        }
    }

    /// The client of a [`BrokerOutput::Authenticate`] may not connect, for this reason. One that CONNACK cannot carry is
    /// said as Not authorized.
    pub fn deny(&mut self, connection: ConnectionId, reason: ReasonCode, now: Timestamp) {
        if self.take_undecided(connection, now).is_some() {
            self.refuse(connection, reason, now);
        }
    }

    /// The CONNECT that a decision is about, if the client is still there.
    fn take_undecided(&mut self, id: ConnectionId, now: Timestamp) -> Option<Box<Connect>> {
        self.settle(id, now);
        self.connections.get_mut(&id)?.undecided.take()
    }

    pub(super) fn on_connect(&mut self, id: ConnectionId, connect: Box<Connect>, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.client_id = connect.client_id.clone();
        if !self.config.versions.contains(&connect.version) {
            return self.refuse_version(id, now);
        }
        if self.is_shutting_down {
            return self.refuse(id, ReasonCode::ServerUnavailable, now);
        }
        // [MQTT-4.12.0-1]
        if connect.properties.authentication_method.is_some() {
            return self.refuse(id, ReasonCode::BadAuthenticationMethod, now);
        }
        if self.config.asks_authentication {
            connection.undecided = Some(connect.clone());
            self.outputs.push_back(BrokerOutput::Authenticate { connection: id, connect });
        } else {
            self.admit(id, &connect, now);
        }
    }

    /// Gives an authenticated client its session, or a new one.
    fn admit(&mut self, id: ConnectionId, connect: &Connect, now: Timestamp) {
        let client_id =
            if connect.client_id.is_empty() { self.assign_client_id() } else { connect.client_id.clone() };
        self.take_over(&client_id, now);
        // [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.1.2-6 of 3.1.1]
        if connect.clean_start
            && let Some(key) = self.sessions.find(&client_id)
        {
            self.end_session(key, now);
        }
        // [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-4 of 3.1.1]
        let existing = self.sessions.find(&client_id);
        if existing.is_none() && self.sessions.len() >= self.config.sessions_max {
            return self.refuse(id, ReasonCode::QuotaExceeded, now);
        }
        let resumed = existing.and_then(|key| self.take_state(key, id));
        let session_present = resumed.is_some();
        let state = resumed.unwrap_or_else(|| Box::new(ServerSession::new(self.config.queue)));
        let grants = self.grants(connect, &client_id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.engine.accept(*state, session_present, grants, now) {
            Ok(()) => {
                connection.client_id = client_id.clone();
                let key = existing.unwrap_or_else(|| self.sessions.insert(client_id.clone(), id));
                connection.session = Some(key);
                connection.conduct = Some(Conduct::new(terms(connect, session_present)));
                self.on_accepted(key);
                let version = connect.version;
                let event = BrokerEvent::Connected { client_id, version, session_present };
                self.outputs.push_back(BrokerOutput::Event(event));
            }
            Err(error) => {
                if let Some(session) = existing.and_then(|key| self.sessions.at_mut(key)) {
                    session.place = Place::Away(Box::new(error.session));
                }
                self.refuse(id, refusal(&error.kind), now);
            }
        }
    }

    /// The client is back: nothing that waited for its absence happens.
    // [MQTT-3.1.3-9]
    fn on_accepted(&mut self, key: SessionKey) {
        self.timers.clear(Timer::Will(key));
        self.timers.clear(Timer::SessionEnd(key));
        if let Some(session) = self.sessions.at_mut(key) {
            session.will = None;
        }
    }

    /// Another connection of this client, if there is one, ends now and leaves its session.
    // [MQTT-3.1.4-3] [MQTT-3.1.4-2 of 3.1.1]
    fn take_over(&mut self, client_id: &Text, now: Timestamp) {
        let session = self.sessions.find(client_id).and_then(|key| self.sessions.at(key));
        let Some(Place::Connected(other)) = session.map(|session| &session.place) else { return };
        let other = *other;
        if let Some(connection) = self.connections.get_mut(&other) {
            // An error means that it is over already; then only its end is left to be seen to.
            let _ = connection.engine.disconnect(&Disconnect::new(ReasonCode::SessionTakenOver), now);
            self.settle(other, now);
        }
    }

    /// Takes the protocol state of a session for a connection.
    fn take_state(&mut self, key: SessionKey, id: ConnectionId) -> Option<Box<ServerSession>> {
        let session = self.sessions.at_mut(key)?;
        match std::mem::replace(&mut session.place, Place::Connected(id)) {
            Place::Away(state) => Some(state),
            Place::Connected(_) => None,
        }
    }

    // [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] [MQTT-3.1.3-6 of 3.1.1]
    fn assign_client_id(&mut self) -> Text {
        loop {
            let number = self.next_assigned_id;
            self.next_assigned_id += 1;
            let client_id = Text::try_from(format!("assigned-{number}")).expect("letters and digits");
            if self.sessions.find(&client_id).is_none() {
                return client_id;
            }
        }
    }

    /// What CONNACK says besides success.
    // [MQTT-3.2.2-9]
    fn grants(&self, connect: &Connect, client_id: &Text) -> ConnAckProperties {
        let config = &self.config;
        let expiry_max = config.session_expiry_secs_max;
        let asked_expiry = connect.properties.session_expiry_secs.unwrap_or(0);
        ConnAckProperties {
            session_expiry_secs: (asked_expiry > expiry_max).then_some(expiry_max),
            maximum_qos: Some(config.maximum_qos).filter(|maximum| *maximum != QoS::ExactlyOnce),
            retain_available: unless(config.retain_available),
            wildcard_subscription_available: unless(config.wildcard_subscriptions),
            subscription_ids_available: unless(config.subscription_ids),
            shared_subscription_available: unless(config.shared_subscriptions),
            server_keep_alive_secs: config.server_keep_alive_secs,
            assigned_client_id: connect.client_id.is_empty().then(|| client_id.clone()),
            ..ConnAckProperties::default()
        }
    }

    fn refuse(&mut self, id: ConnectionId, reason: ReasonCode, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let refused = connection.engine.refuse(reason, ConnAckProperties::default(), now);
        if refused.is_err() {
            let refused =
                connection.engine.refuse(ReasonCode::NotAuthorized, ConnAckProperties::default(), now);
            refused.expect("CONNACK can say Not authorized, and a decision is awaited");
        }
        self.touch(id);
    }

    // [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
    fn refuse_version(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let refused = match self.config.version_refusal {
            VersionRefusal::InClientsVersion => {
                return self.refuse(id, ReasonCode::UnsupportedProtocolVersion, now);
            }
            VersionRefusal::InV3_1_1 => connection.engine.refuse_version(Version::V3_1_1, now),
            VersionRefusal::Close => {
                let reason = ReasonCode::UnsupportedProtocolVersion;
                connection.engine.disconnect(&Disconnect::new(reason), now)
            }
        };
        refused.expect("a decision is awaited");
        self.touch(id);
    }

    /// A connection is over.
    pub(super) fn on_disconnected(&mut self, id: ConnectionId, end: Disconnected, now: Timestamp) {
        self.report_if_violation(id, &end.cause);
        self.unblock_all(id, now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let client_id = connection.client_id.clone();
        connection.undecided = None;
        let (key, state) = (connection.session.take(), connection.engine.take_session());
        self.outputs
            .push_back(BrokerOutput::Event(BrokerEvent::Disconnected { client_id, cause: end.cause }));
        if let (Some(key), Some(state)) = (key, state) {
            let expiry_secs = end.session_expiry_secs.min(self.config.session_expiry_secs_max);
            self.leave_session(key, Box::new(state));
            self.settle_will(key, end.will, expiry_secs, now);
            self.expire_session(key, expiry_secs, now);
        }
    }

    /// The session goes on without a connection. Who waited for it waits no more.
    fn leave_session(&mut self, key: SessionKey, state: Box<ServerSession>) {
        if let Some(session) = self.sessions.at_mut(key) {
            session.place = Place::Away(state);
            session.full_since = None;
            self.timers.clear(Timer::FullQueue(key));
            self.wake_waiters(key);
        }
    }

    // [MQTT-3.1.2-8] [MQTT-3.1.2-8 of 3.1.1]
    fn settle_will(&mut self, key: SessionKey, will: Option<Will>, expiry_secs: u32, now: Timestamp) {
        let Some(will) = will else { return };
        let delay_secs = will.delay_secs.unwrap_or(0);
        if delay_secs == 0 || expiry_secs == 0 {
            return self.publish_will(key, &will, now);
        }
        if let Some(session) = self.sessions.at_mut(key) {
            session.will = Some(will);
            self.timers.set(Timer::Will(key), now + Duration::from_secs(u64::from(delay_secs)));
        }
    }

    // [MQTT-4.1.0-2]
    fn expire_session(&mut self, key: SessionKey, expiry_secs: u32, now: Timestamp) {
        match expiry_secs {
            0 => self.end_session(key, now),
            EXPIRY_NEVER => {}
            secs => self.timers.set(Timer::SessionEnd(key), now + Duration::from_secs(u64::from(secs))),
        }
    }

    /// A session without a connection ends, and its will is no longer delayed.
    pub(super) fn end_session(&mut self, key: SessionKey, now: Timestamp) {
        self.subscriptions.remove_session(key);
        self.timers.clear(Timer::Will(key));
        self.timers.clear(Timer::SessionEnd(key));
        // Nobody waits for its queue: that ended with its connection.
        if let Some(Session { will: Some(will), .. }) = self.sessions.remove(key) {
            self.publish_will(key, &will, now);
        }
    }

    /// The delay of a will is over.
    pub(super) fn publish_delayed_will(&mut self, key: SessionKey, now: Timestamp) {
        let will = self.sessions.at_mut(key).and_then(|session| session.will.take());
        if let Some(will) = will {
            self.publish_will(key, &will, now);
        }
    }

    // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.2-16 of 3.1.1] [MQTT-3.1.2-17 of 3.1.1]
    fn publish_will(&mut self, key: SessionKey, will: &Will, now: Timestamp) {
        let mut message = will.message.clone();
        message.qos = message.qos.min(self.config.maximum_qos);
        if message.topic.as_bytes().starts_with(SYSTEM_TOPICS) {
            return;
        }
        // What is not kept for lack of room is sent all the same: nobody is left to be told.
        let _ = self.keep_if_retained(&message, now);
        self.send_to_all(&message, Some(key), now);
    }
}

/// Absent means available.
fn unless(is_available: bool) -> Option<bool> {
    (!is_available).then_some(false)
}

/// The terms of a connection that is accepted. A client can know that its session is new if it wanted it so, or if CONNACK
/// says so and it has to heed it, which only 5.0 demands.
const fn terms(connect: &Connect, session_present: bool) -> Terms {
    let rules = connect.version.rules();
    Terms {
        is_known_to_be_new: connect.clean_start || !session_present && rules.has_properties,
        is_clean_start: connect.clean_start,
        may_retry: rules.may_retry_on_timer,
    }
}

/// What a client is told whose will is beyond the grants; nothing else can be wrong with an acceptance of ours.
// [MQTT-3.2.2-12] [MQTT-3.2.2-13]
fn refusal(error: &RequestError) -> ReasonCode {
    match error {
        RequestError::Limit(limit) => limit.reason(),
        _ => ReasonCode::UnspecifiedError,
    }
}
