//! What the broker asks for: accept, refuse, publish, acknowledge, answer, disconnect. Each checks, changes the state, and
//! sends at once what can be sent at once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{PublishError, PublishErrorKind, RequestError};
use crate::packet::{AckProperties, ConnAckProperties, Disconnect, SubAck, UnsubAck};
use crate::reason::ReasonCode;
use crate::server::engine::ServerEngine;
use crate::server::event::EndCause;
use crate::server::session::ServerSession;
use crate::server::state::{Active, ServerState, Transition, refuse_in};
use crate::session::{DeliveryId, PublicationId, Stale};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, SubscriptionIds};
use crate::version::Version;

impl ServerEngine {
    /// Accepts the client. `session_present` says that `session` is the one that the client had before; after a clean
    /// start it must be a new one. What is unfinished or queued in it goes out at once.
    ///
    /// `properties` are what the broker grants. Receive Maximum and Topic Alias Maximum come from the settings if they
    /// are absent, Maximum Packet Size always does. Before 5.0 nothing of it can be said, so nothing of it holds.
    ///
    /// # Errors
    /// [`AcceptError`], with the session in it, and nothing is changed: no client waits, the session is not what
    /// `session_present` and CONNECT say, an assigned client identifier is missing, or the will is beyond the grants
    /// ([`RequestError::Limit`], whose reason is the one to refuse with).
    pub fn accept(
        &mut self,
        session: ServerSession,
        session_present: bool,
        properties: ConnAckProperties,
        now: Timestamp,
    ) -> Result<(), Box<AcceptError>> {
        let state = self.state.name();
        let ServerState::AwaitDecision(waiting) = &mut self.state else {
            return Err(Box::new(AcceptError { session, kind: RequestError::OutOfPlace { state } }));
        };
        let context = &mut self.context;
        match waiting.accept(&context.config, &session, session_present, properties) {
            Ok(agreed) => {
                let connect = (*waiting.connect).clone();
                let active = Active::start(connect, agreed, session, now);
                self.state = ServerState::Active(active);
                context.has_changed = true;
                Ok(())
            }
            Err(kind) => Err(Box::new(AcceptError { session, kind })),
        }
    }

    /// Refuses the client; before 5.0 the reason is told as the return code that is nearest. `properties` are for
    /// people, or name another server; before 5.0 they are left out.
    ///
    /// # Errors
    /// [`RequestError`], and nothing is changed: no client waits, or the reason is not one that CONNACK may have.
    pub fn refuse(
        &mut self,
        reason: ReasonCode,
        properties: ConnAckProperties,
        now: Timestamp,
    ) -> Result<(), RequestError> {
        let ServerState::AwaitDecision(waiting) = &self.state else { return Err(self.out_of_place()) };
        let link = waiting.refuse(reason, properties)?;
        let transition = Transition::Refuse(Box::new(link), EndCause::Refused(reason));
        self.state.follow(&mut self.context, transition, now);
        Ok(())
    }

    /// Refuses the client for its version of MQTT, with a CONNACK as `form` has it: a server that does not know the client's
    /// version answers in one that it knows.
    ///
    /// # Errors
    /// [`RequestError::OutOfPlace`], and nothing is changed: no client waits.
    pub fn refuse_version(&mut self, form: Version, now: Timestamp) -> Result<(), RequestError> {
        let ServerState::AwaitDecision(_) = &self.state else { return Err(self.out_of_place()) };
        let reason = ReasonCode::UnsupportedProtocolVersion;
        let transition = refuse_in(form, reason, EndCause::Refused(reason));
        self.state.follow(&mut self.context, transition, now);
        Ok(())
    }

    /// Sends a message to the client, or queues it in the session. Its outcome comes as
    /// [`ServerEvent::PublishEnded`](crate::server::ServerEvent::PublishEnded); QoS 0 tells only of what was dropped.
    ///
    /// The message is sent with the QoS and RETAIN that it has. Before 5.0 its properties and the Subscription
    /// Identifiers are left out. A message that is larger than the client takes is dropped [MQTT-3.1.2-25].
    ///
    /// # Errors
    /// [`PublishError`], with the message in it: the queue is full, the message is larger than any packet, or there is
    /// no session (any more).
    pub fn publish(
        &mut self,
        message: Message,
        subscription_ids: SubscriptionIds,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        if let ServerState::Active(active) = &mut self.state {
            return active.publish(&mut self.context, message, subscription_ids, now);
        }
        match &mut self.context.session {
            Some(session) => session.publish(message, subscription_ids, now),
            None => {
                let kind = PublishErrorKind::Request(self.out_of_place());
                Err(Box::new(PublishError { message, kind }))
            }
        }
    }

    /// The broker has finished with a message. Its acknowledgement leaves in its turn: after those of all messages of
    /// the same QoS that came before it. A reason that PUBACK and PUBREC cannot carry is said as Unspecified error or
    /// Success; before 5.0 every reason is.
    ///
    /// # Errors
    /// [`Stale`] if no acknowledgement is due: it was given before, the session was taken, or the identifier carries
    /// another message by now.
    pub fn acknowledge(&mut self, delivery: DeliveryId, reason: ReasonCode) -> Result<(), Stale> {
        self.context.has_changed = true;
        match &mut self.state {
            ServerState::Active(active) => active.acknowledge(&mut self.context, delivery, reason),
            _ => self.context.session.as_mut().ok_or(Stale)?.acknowledge(delivery, reason),
        }
    }

    /// Answers a SUBSCRIBE with one reason code per filter, in order.
    ///
    /// # Errors
    /// [`RequestError`], and the request is still unanswered: it is not there, the count is wrong, a reason code is
    /// not one that SUBACK may have, or the packet is larger than the client takes.
    pub fn subscribe_result(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), RequestError> {
        let ServerState::Active(active) = &mut self.state else { return Err(self.out_of_place()) };
        active.answer_subscribe(SubAck { packet_id, reasons, properties })?;
        self.context.has_changed = true;
        Ok(())
    }

    /// Answers an UNSUBSCRIBE with one reason code per filter, in order, in every version.
    ///
    /// # Errors
    /// As [`subscribe_result`](Self::subscribe_result).
    pub fn unsubscribe_result(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), RequestError> {
        let ServerState::Active(active) = &mut self.state else { return Err(self.out_of_place()) };
        active.answer_unsubscribe(UnsubAck { packet_id, reasons, properties })?;
        self.context.has_changed = true;
        Ok(())
    }

    /// Ends the connection, in 5.0 with this DISCONNECT, after what is already encoded. A client that was not accepted
    /// yet is told nothing [MQTT-3.14.0-1]. The will is published as after any loss.
    ///
    /// Another connection of the same client takes over with Session taken over [MQTT-3.1.4-3].
    ///
    /// # Errors
    /// [`RequestError`], and nothing is changed: a server may not say this reason or a session expiry
    /// [MQTT-3.14.2-2], or the connection is over.
    pub fn disconnect(&mut self, disconnect: &Disconnect, now: Timestamp) -> Result<(), RequestError> {
        let context = &mut self.context;
        match &mut self.state {
            ServerState::Active(active) => {
                active.check_disconnect(disconnect)?;
                active.say_disconnect(context, disconnect);
            }
            ServerState::AwaitConnect(_) | ServerState::AwaitDecision(_) => {}
            ServerState::Closing(_) | ServerState::Ended => return Err(self.out_of_place()),
        }
        let cause = EndCause::ByServer(disconnect.reason);
        self.state.follow(context, Transition::End(cause), now);
        Ok(())
    }

    const fn out_of_place(&self) -> RequestError {
        RequestError::OutOfPlace { state: self.state.name() }
    }
}

/// A client that was not accepted; the session is handed back.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "to be taken apart")]
pub struct AcceptError {
    /// What was to be its session.
    pub session: ServerSession,
    /// Why it was not accepted.
    pub kind: RequestError,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl core::error::Error for AcceptError {}
