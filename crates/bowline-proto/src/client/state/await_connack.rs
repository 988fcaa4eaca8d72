//! AwaitConnack: the transport is open and CONNECT is (about to be) written [MQTT-3.1.0-1]. Next: `Active`, on success;
//! `Closing` and then `Dialing`, if the connection was only to discard an old session; `Dialing`, if the broker refuses this
//! version and another one may be tried; lost, on refusal, on any other
//! packet [MQTT-3.2.0-1], on loss and at the connect timeout.

use alloc::boxed::Box;

use crate::client::connect::Purpose;
use crate::client::context::Context;
use crate::client::event::DisconnectCause;
use crate::client::io::Input;
use crate::client::state::closing::{self, AfterClosing, Closing};
use crate::client::state::{Active, ClientState, Transition};
use crate::client::versions::VersionRefusal;
use crate::codec::Encoder;
use crate::connection::Limits;
use crate::connection::link::Link;
use crate::error::ProtocolError;
use crate::packet::{ConnAck, Connect, Disconnect, Packet};
use crate::reason::{ReasonCode, Role};
use crate::session::journal::Gated;
use crate::time::Timestamp;

/// Waits for CONNACK.
#[derive(Debug)]
pub(crate) struct AwaitConnack {
    pub(crate) deadline: Timestamp,
    pub(crate) link: Link,
    purpose: Purpose,
    connect: Connect,
    /// Whether CONNECT is encoded; before, no answer to it can come and nothing else may be.
    has_said_connect: bool,
    /// Whether the broker has sent anything.
    has_heard: bool,
    /// Neither we nor, after a clean start, the broker has a session.
    expects_no_session: bool,
}

impl AwaitConnack {
    /// Writes CONNECT, or has it wait for what must be durable before it (B6, B9).
    pub(crate) fn start(cx: &mut Context, purpose: Purpose, deadline: Timestamp) -> Transition {
        let expects_no_session = cx.starts_anew();
        let connect = cx.connect_packet(purpose);
        if connect.clean_start && cx.config.session.is_durable() {
            cx.reset_session();
        }
        // Once this CONNECT is said the broker may have a session again, whether or not we hear its answer.
        if purpose == Purpose::Use {
            cx.standing.discarded_at = None;
        }
        cx.standing.unanswered_connects = cx.standing.unanswered_connects.saturating_add(1);
        let encoder = Encoder::new(cx.rules.version, Role::Client, u32::MAX);
        let mut state = Self {
            deadline,
            link: Link::new(encoder),
            purpose,
            connect,
            has_said_connect: false,
            has_heard: false,
            expects_no_session,
        };
        match cx.journal.wait_for_identity(Gated::Connect) {
            Some(gated) => match state.on_released(gated) {
                Transition::Stay => Transition::To(ClientState::AwaitConnack(Box::new(state))),
                lost => lost,
            },
            None => Transition::To(ClientState::AwaitConnack(Box::new(state))),
        }
    }

    pub(crate) fn on_released(&mut self, gated: Gated) -> Transition {
        if gated != Gated::Connect {
            return Transition::Stay;
        }
        self.has_said_connect = true;
        // [MQTT-3.1.0-1] [MQTT-3.1.0-1 of 3.1.1]
        match self.link.encoder.connect(&mut self.link.out, &self.connect) {
            Ok(()) => Transition::Stay,
            Err(error) => Transition::Lost(DisconnectCause::ConnectNotEncoded(error)),
        }
    }

    pub(crate) fn handle(&mut self, cx: &mut Context, input: Input, now: Timestamp) -> Transition {
        match input {
            Input::Packet(Packet::ConnAck(connack)) if self.has_said_connect => {
                self.on_connack(cx, connack, now)
            }
            // [MQTT-3.2.0-1] [MQTT-3.14.0-1] [MQTT-3.2.0-1 of 3.1.1]
            Input::Packet(packet) => {
                let state =
                    if self.has_said_connect { "CONNACK was awaited" } else { "CONNECT had not been sent" };
                let error = ProtocolError::UnexpectedPacket { packet: packet.packet_type(), state };
                self.violated(cx, error, now)
            }
            Input::BytesReceived => {
                self.has_heard = true;
                Transition::Stay
            }
            Input::Malformed(error) => self.violated(cx, ProtocolError::Decode(error), now),
            Input::Transmitted(buffer) => {
                self.link.on_transmitted(buffer);
                Transition::Stay
            }
            // [MQTT-3.1.4-1] [MQTT-3.1.4-1 of 3.1.1]
            Input::Closed => Transition::Lost(DisconnectCause::ClosedBeforeConnack),
            Input::TransportFailed => Transition::Lost(DisconnectCause::TransportFailed),
            _ => Transition::Stay,
        }
    }

    /// Whether this end of the attempt is an answer to the version. A stream that ends before CONNECT is written, or after a
    /// part of an answer, says nothing; nor does one that fails.
    pub(crate) fn version_refusal(&self, cause: &DisconnectCause) -> Option<VersionRefusal> {
        let has_written_connect = self.has_said_connect && self.link.waiting_bytes() == 0;
        match cause {
            // [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
            DisconnectCause::Refused(connack) if connack.reason == ReasonCode::UnsupportedProtocolVersion => {
                Some(VersionRefusal::Told)
            }
            DisconnectCause::ClosedBeforeConnack if has_written_connect && !self.has_heard => {
                Some(VersionRefusal::Closed)
            }
            _ => None,
        }
    }

    fn on_connack(&mut self, cx: &mut Context, connack: Box<ConnAck>, now: Timestamp) -> Transition {
        // [MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-3.2.2-5 of 3.1.1]: the session flag of a refusal means nothing
        // [MQTT-3.2.2-6].
        if connack.reason != ReasonCode::Success {
            cx.standing.unanswered_connects -= 1;
            return Transition::Lost(DisconnectCause::Refused(connack));
        }
        // [MQTT-3.2.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-1 of 3.1.1]
        if (self.connect.clean_start || self.expects_no_session) && connack.session_present == Some(true) {
            return self.violated(cx, ProtocolError::SessionPresentAfterCleanStart, now);
        }
        // [MQTT-4.12.0-6]
        if connack.properties.authentication_method.is_some() {
            return self.violated(cx, ProtocolError::AuthenticationNotAsked, now);
        }
        cx.on_version_accepted();
        if self.purpose == Purpose::DiscardOldSession {
            return self.on_old_session_discarded(cx, now);
        }
        if self.connect.client_id.is_empty() && cx.rules.has_properties {
            // [MQTT-3.1.3-7] [MQTT-3.2.2-16]
            match &connack.properties.assigned_client_id {
                Some(assigned) => cx.standing.client_id = assigned.clone(),
                None => return self.violated(cx, ProtocolError::AssignedClientIdMissing, now),
            }
        }
        let limits = Limits::new(&connack, &self.connect);
        let encoder = Encoder::new(cx.rules.version, Role::Client, limits.maximum_packet_size);
        let mut link = core::mem::replace(&mut self.link, Link::new(encoder));
        link.encoder = encoder;
        // 3.1 cannot say: what was not thrown away is treated as kept.
        let is_resumed =
            connack.session_present.unwrap_or(!self.connect.clean_start && !self.expects_no_session);
        Active::start(cx, link, limits, connack, is_resumed, now)
    }

    fn on_old_session_discarded(&mut self, cx: &mut Context, now: Timestamp) -> Transition {
        cx.standing.discarded_at = Some(cx.rotation.current());
        let encoder = self.link.encoder;
        let link = core::mem::replace(&mut self.link, Link::new(encoder));
        let disconnect = Disconnect::new(ReasonCode::Success);
        let closing = Closing::start(cx, link, Some(&disconnect), AfterClosing::DialAgain, now);
        Transition::To(ClientState::Closing(Box::new(closing)))
    }

    /// The broker broke the protocol: it is told in 5.0, once CONNECT, which comes first, is on its way.
    fn violated(&mut self, cx: &mut Context, error: ProtocolError, now: Timestamp) -> Transition {
        let cause = DisconnectCause::Protocol(error);
        if !self.has_said_connect {
            return Transition::Lost(cause);
        }
        closing::close(cx, &mut self.link, cause, now)
    }
}
