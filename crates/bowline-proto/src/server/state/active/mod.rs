//! Active: CONNACK said success. Owns everything that dies with the connection, and the session while it lasts. Next:
//! `Closing`, on `disconnect` and when the client breaks the protocol; `Ended`, when the client disconnects and on loss.

mod publishing;
mod receiving;
mod requesting;

use alloc::boxed::Box;

use crate::codec::{EncodeError, Outgoing};
use crate::connection::link::Link;
use crate::connection::silence::Silence;
use crate::connection::turns::Turns;
use crate::connection::{InboundAliases, Limits, Quota};
use crate::error::ProtocolError;
use crate::packet::{Connect, Disconnect, Packet, PacketType, Will};
use crate::reason::{ReasonCode, Role};
use crate::rules::Rules;
use crate::server::config::ServerConfig;
use crate::server::context::Context;
use crate::server::event::{Disconnected, EndCause, ServerEvent};
use crate::server::io::ServerInput;
use crate::server::requests::Requests;
use crate::server::session::ServerSession;
use crate::server::state::Transition;
use crate::server::state::await_decision::Agreed;
use crate::time::Timestamp;

/// A usable connection.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) session: ServerSession,
    /// What we announced, and hold the client to.
    pub(crate) limits: Limits,
    rules: &'static Rules,
    link: Link,
    quota: Quota,
    silence: Silence,
    aliases: InboundAliases,
    turns: Turns,
    requests: Requests,
    terms: Terms,
    is_reading_paused: bool,
}

/// What the client said in CONNECT that matters later.
#[derive(Debug)]
struct Terms {
    will: Option<Will>,
    session_expiry_secs: u32,
    /// Whether it wants Reason Strings and User Properties everywhere.
    wants_problem_information: bool,
}

impl Active {
    /// Takes over the connection after CONNACK, and goes on where the session left off.
    pub(crate) fn start(
        connect: Connect,
        agreed: Agreed,
        session: ServerSession,
        now: Timestamp,
    ) -> Box<Self> {
        let Agreed { link, limits } = agreed;
        let receive_maximum = connect.properties.receive_maximum.map_or(u16::MAX, |maximum| maximum.get());
        let mut state = Box::new(Self {
            session,
            rules: connect.version.rules(),
            link,
            // [MQTT-3.3.4-9]
            quota: Quota::new(receive_maximum),
            // [MQTT-3.2.2-22]
            silence: Silence::new(limits.keep_alive_secs, now),
            // [MQTT-3.3.2-7]
            aliases: InboundAliases::new(limits.topic_alias_maximum),
            turns: Turns::default(),
            requests: Requests::default(),
            terms: Terms {
                will: connect.will,
                session_expiry_secs: limits.session_expiry_secs,
                wants_problem_information: connect.properties.request_problem_information.unwrap_or(true),
            },
            limits,
            is_reading_paused: false,
        });
        state.resume();
        state
    }

    pub(crate) fn handle(&mut self, cx: &mut Context, input: ServerInput, now: Timestamp) -> Transition {
        let result = match input {
            ServerInput::Packet(packet) => {
                self.silence.on_received(now);
                self.on_packet(cx, packet)
            }
            ServerInput::Malformed(error) => Err(EndCause::Protocol(ProtocolError::Decode(error))),
            ServerInput::Transmitted(buffer) => {
                self.link.on_transmitted(buffer);
                Ok(())
            }
            ServerInput::Closed => Err(EndCause::ClosedByPeer),
            ServerInput::TransportFailed => Err(EndCause::TransportFailed),
        };
        match result {
            Ok(()) => {
                cx.has_changed = true;
                Transition::Stay
            }
            Err(cause) => Transition::End(cause),
        }
    }

    fn on_packet(&mut self, cx: &mut Context, packet: Packet) -> Result<(), EndCause> {
        match packet {
            Packet::Publish(publish) => self.on_publish(cx, publish),
            Packet::PubAck(ack) => self.on_puback(cx, ack),
            Packet::PubRec(ack) => self.on_pubrec(cx, ack),
            Packet::PubRel(ack) => self.on_pubrel(&ack),
            Packet::PubComp(ack) => self.on_pubcomp(cx, ack),
            Packet::Subscribe(subscribe) => self.on_subscribe(cx, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(cx, unsubscribe),
            // [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
            Packet::PingReq => {
                self.link.encoder.pingresp(&mut self.link.out);
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.on_disconnect(disconnect)),
            // [MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1] [MQTT-4.12.0-6]
            Packet::Connect(_)
            | Packet::Auth(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {
                let packet = packet.packet_type();
                Err(protocol(ProtocolError::UnexpectedPacket { packet, state: "connected" }))
            }
        }
    }

    /// The client leaves, and may say how long its session lives on.
    // [MQTT-3.14.2-2] [MQTT-3.14.4-3]
    fn on_disconnect(&mut self, disconnect: Box<Disconnect>) -> EndCause {
        let said = disconnect.properties.as_deref().and_then(|properties| properties.session_expiry_secs);
        match said {
            Some(secs) if secs > 0 && self.terms.session_expiry_secs == 0 => {
                protocol(ProtocolError::SessionExpiryInDisconnect { secs })
            }
            Some(secs) => {
                self.terms.session_expiry_secs = secs;
                EndCause::ByClient(disconnect)
            }
            None => EndCause::ByClient(disconnect),
        }
    }

    /// Does what has become possible, and checks the bounds.
    pub(crate) fn after_change(&mut self, cx: &mut Context, now: Timestamp) -> Transition {
        self.pump_acknowledgements();
        self.pump_publications(cx, now);
        self.update_reading(&cx.config, now);
        if self.link.is_overflowing() {
            return Transition::End(EndCause::OutputOverflow { bytes: self.link.waiting_bytes() });
        }
        Transition::Stay
    }

    /// Reading pauses while the broker is behind; the broker never waits for the client's packets to catch up.
    fn update_reading(&mut self, config: &ServerConfig, now: Timestamp) {
        if self.holds_too_much(config) {
            // What the broker is done with and waits only to come again must not keep others out for ever.
            self.session.inbound.forget_unclaimed();
        }
        self.is_reading_paused = self.requests.is_full() || self.holds_too_much(config);
        self.silence.set_paused(self.is_reading_paused, now);
    }

    fn holds_too_much(&self, config: &ServerConfig) -> bool {
        let inbound = &self.session.inbound;
        // In 5.0 the client was told, and one more is its error.
        let has_too_many =
            !self.rules.has_properties && inbound.messages() >= usize::from(config.receive_maximum);
        has_too_many || inbound.bytes() >= config.inbound_bytes_max
    }

    pub(crate) const fn is_reading_paused(&self) -> bool {
        self.is_reading_paused
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.silence.deadline()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.link.poll_transmit()
    }

    /// Whether a DISCONNECT with this content can be said to this client. Too large is no error: it is left unsaid.
    pub(crate) fn check_disconnect(&self, disconnect: &Disconnect) -> Result<(), EncodeError> {
        if !self.rules.has_disconnect_reason {
            return Ok(());
        }
        match self.link.encoder.disconnect(&mut Outgoing::new(), disconnect) {
            Ok(()) | Err(EncodeError::PacketTooLarge { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Appends what was checked before.
    pub(crate) fn say_disconnect(&mut self, cx: &mut Context, disconnect: &Disconnect) {
        if !self.rules.has_disconnect_reason {
            return;
        }
        // [MQTT-4.13.2-1]: closing matters more than saying why.
        let said = self.link.encoder.disconnect(&mut self.link.out, disconnect);
        cx.stats.disconnects_unsaid += u64::from(said.is_err());
    }

    /// Leaves the connection: the session goes back, the end is told. Returns the link if something is to be written
    /// before the transport is closed.
    pub(crate) fn end(mut self: Box<Self>, cx: &mut Context, cause: EndCause) -> Option<Link> {
        let is_ordered = matches!(cause, EndCause::ByServer(_));
        if !is_ordered && let Some(reason) = cause.disconnect_reason() {
            // [MQTT-4.13.1-1] [MQTT-4.13.2-1]
            let otherwise = ReasonCode::ProtocolError;
            let reason = reason.said_in(PacketType::Disconnect, Role::Server, otherwise);
            self.say_disconnect(cx, &Disconnect::new(reason));
        }
        // Before 5.0 nothing can be said; what we owe a client that did no wrong is written all the same.
        let writes = is_ordered || (self.rules.has_disconnect_reason && cause.disconnect_reason().is_some());
        let Self { mut session, link, terms, .. } = *self;
        session.inbound.on_connection_lost();
        cx.session = Some(session);
        let will = terms.will.filter(|_| !cause.drops_will());
        let session_expiry_secs = terms.session_expiry_secs;
        cx.emit(ServerEvent::Disconnected(Box::new(Disconnected { cause, will, session_expiry_secs })));
        writes.then_some(link)
    }
}

fn protocol(error: impl Into<ProtocolError>) -> EndCause {
    EndCause::Protocol(error.into())
}
