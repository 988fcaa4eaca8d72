//! Active: CONNACK said success. Owns everything that dies with the connection. Next: `Closing`, on `disconnect` and when
//! the peer breaks the protocol; lost, when the peer disconnects, on loss and without a sign of life.

mod publishing;
mod receiving;
mod requesting;
mod retrying;
mod trial;

use alloc::boxed::Box;
use alloc::collections::VecDeque;

pub(crate) use publishing::FlowSource;

use crate::client::context::Context;
use crate::client::event::{Connected, DisconnectCause, Event};
use crate::client::io::Input;
use crate::client::state::closing::{self, AfterClosing, Closing};
use crate::client::state::{ClientState, Transition};
use crate::codec::Outgoing;
use crate::connection::link::Link;
use crate::connection::turns::Turns;
use crate::connection::{InboundAliases, KeepAlive, KeepAliveAction, Limits, Quota};
use crate::error::ProtocolError;
use crate::packet::{ConnAck, Disconnect, Packet, PacketType};
use crate::session::PublicationId;
use crate::session::journal::Gated;
use crate::time::Timestamp;

/// A usable connection.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) link: Link,
    pub(crate) limits: Limits,
    quota: Quota,
    keep_alive: KeepAlive,
    aliases: InboundAliases,
    turns: Turns,
    /// Flows whose identifier became durable (B2) while the output was full, in order.
    stored: VecDeque<(u32, PublicationId)>,
    /// What the session's state on this connection rests on is not durable yet: nothing is sent or acknowledged (B6).
    is_held: bool,
    /// Whether keep alive was told that reading pauses.
    keep_alive_is_paused: bool,
    /// Whether a PINGREQ is encoded that the driver does not have yet.
    ping_is_encoded: bool,
    /// Whether the driver is writing a PINGREQ.
    ping_is_at_driver: bool,
    /// Whether the broker has sent anything after CONNACK: it does not close every connection at once.
    has_heard: bool,
    /// Whether it was asked to, with a PINGREQ.
    has_asked: bool,
    /// When what is on trial has been left unanswered for too long.
    trial_until: Option<Timestamp>,
    /// Whether this connection has outlived a trial.
    is_trusted: bool,
    /// Resumed flows whose PUBREL waits because something is on trial, in order.
    releases: VecDeque<(u32, PublicationId)>,
    /// Whether a packet is encoded that was sent before, and keep alive is not to be told.
    retry_is_encoded: bool,
}

impl Active {
    /// Takes over the connection: resumes the session or starts a new one, and subscribes again where that is needed.
    pub(crate) fn start(
        cx: &mut Context,
        link: Link,
        limits: Limits,
        connack: Box<ConnAck>,
        is_resumed: bool,
        now: Timestamp,
    ) -> Transition {
        let session_present = connack.session_present;
        cx.backoff.on_connected(now);
        cx.was_refused = false;
        cx.emit(Event::Connected(Box::new(Connected {
            session_present,
            limits: limits.clone(),
            connack: *connack,
        })));
        // [MQTT-3.2.2-3] [MQTT-3.2.2-5] [MQTT-3.2.2-2 of 3.1.1] [MQTT-3.2.2-3 of 3.1.1]
        if !is_resumed && cx.config.session.outlives_connection() {
            cx.reset_session();
        }
        cx.establish(limits.session_expiry_secs);
        if Self::is_full(cx) {
            cx.forget_unread_orphans();
        }
        let was_in_doubt = core::mem::take(&mut cx.standing.unanswered_connects) > 1;
        if session_present != Some(true) || was_in_doubt {
            cx.subscribe_again();
        }
        let mut state = Self {
            quota: Quota::new(limits.receive_maximum),
            keep_alive: KeepAlive::new(limits.keep_alive_secs, cx.config.ping_timeout, now),
            aliases: InboundAliases::new(if cx.rules.has_properties {
                cx.config.topic_alias_maximum
            } else {
                0
            }),
            turns: Turns::default(),
            stored: VecDeque::new(),
            is_held: cx.journal.wait_for_identity(Gated::Resume).is_none(),
            keep_alive_is_paused: false,
            ping_is_encoded: false,
            ping_is_at_driver: false,
            has_heard: false,
            has_asked: false,
            trial_until: None,
            is_trusted: false,
            releases: VecDeque::new(),
            retry_is_encoded: false,
            link,
            limits,
        };
        state.resume(cx, now);
        state.pump(cx, now);
        state.update_keep_alive(cx, now);
        Transition::To(ClientState::Active(Box::new(state)))
    }

    pub(crate) fn handle(&mut self, cx: &mut Context, input: Input, now: Timestamp) -> Transition {
        let result = match input {
            Input::Packet(packet) => return self.handle_packet(cx, packet, now),
            Input::BytesReceived => {
                self.keep_alive.on_received(now);
                return Transition::Stay;
            }
            Input::Malformed(error) => Err(DisconnectCause::Protocol(ProtocolError::Decode(error))),
            Input::Transmitted(buffer) => {
                self.link.on_transmitted(buffer);
                if core::mem::take(&mut self.ping_is_at_driver) {
                    self.keep_alive.on_written(now);
                }
                Ok(())
            }
            Input::Closed => return Transition::Lost(DisconnectCause::ClosedByPeer),
            Input::TransportFailed => return Transition::Lost(DisconnectCause::TransportFailed),
            _ => Ok(()),
        };
        match result {
            Ok(()) => {
                cx.has_changed = true;
                Transition::Stay
            }
            Err(cause) => self.close(cx, cause, now),
        }
    }

    #[inline]
    pub(crate) fn handle_packet(&mut self, cx: &mut Context, packet: Packet, now: Timestamp) -> Transition {
        self.keep_alive.on_received(now);
        self.has_heard = true;
        match self.on_packet(cx, packet, now) {
            Ok(None) => {
                cx.has_changed = true;
                Transition::Stay
            }
            Ok(Some(transition)) => transition,
            Err(cause) => self.close(cx, cause, now),
        }
    }

    /// Does what has become possible, and checks the bounds.
    pub(crate) fn on_change(&mut self, cx: &mut Context, now: Timestamp) -> Transition {
        self.pump(cx, now);
        self.update_keep_alive(cx, now);
        if self.link.is_overflowing() {
            let bytes = self.link.waiting_bytes();
            return self.close(cx, DisconnectCause::OutputOverflow { bytes }, now);
        }
        Transition::Stay
    }

    /// A barrier is passed.
    pub(crate) fn on_released(&mut self, cx: &mut Context, gated: Gated, now: Timestamp) {
        match gated {
            Gated::Publish { slot, publication } => self.on_publish_stored(cx, slot, publication, now),
            Gated::Pubrel { slot, publication } => self.on_pubrec_stored(cx, slot, publication, now),
            Gated::Pubcomp(packet_id) => self.send_pubcomp(cx, packet_id),
            Gated::Resume => {
                self.is_held = false;
                self.resume(cx, now);
            }
            // These change what `pump` finds.
            Gated::Pubrec(_) | Gated::Request(_) | Gated::UnsentEnd => {}
            // These are not about the connection, or about an earlier state of it.
            Gated::Accepted(_) | Gated::Outcome | Gated::Connect => {}
        }
        cx.has_changed = true;
    }

    #[inline]
    fn on_packet(
        &mut self,
        cx: &mut Context,
        packet: Packet,
        now: Timestamp,
    ) -> Result<Option<Transition>, DisconnectCause> {
        match packet {
            Packet::Publish(publish) => self.on_publish(cx, publish)?,
            Packet::PubAck(ack) => self.on_puback(cx, ack)?,
            Packet::PubRec(ack) => self.on_pubrec(cx, ack, now)?,
            Packet::PubComp(ack) => self.on_pubcomp(cx, ack)?,
            Packet::PubRel(ack) => self.on_pubrel(cx, &ack)?,
            Packet::SubAck(suback) => {
                self.on_answer(cx, PacketType::SubAck, suback.packet_id, suback.reasons, suback.properties)?;
            }
            Packet::UnsubAck(unsuback) => {
                let unsuback = *unsuback;
                self.on_answer(
                    cx,
                    PacketType::UnsubAck,
                    unsuback.packet_id,
                    unsuback.reasons,
                    unsuback.properties,
                )?;
            }
            // An unasked one is harmless.
            Packet::PingResp => self.keep_alive.on_answered(),
            // [MQTT-3.14.4-2]: nothing is sent after the broker's DISCONNECT.
            Packet::Disconnect(disconnect) => {
                return Ok(Some(Transition::Lost(DisconnectCause::ByBroker(disconnect))));
            }
            // [MQTT-3.2.0-2] [MQTT-3.1.0-2] [MQTT-4.12.0-6]
            Packet::ConnAck(_)
            | Packet::Auth(_)
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => {
                let error =
                    ProtocolError::UnexpectedPacket { packet: packet.packet_type(), state: "connected" };
                return Err(DisconnectCause::Protocol(error));
            }
        }
        Ok(None)
    }

    /// Everything that may be sent now, in the order of its urgency: acknowledgements, requests, publications.
    pub(crate) fn pump(&mut self, cx: &mut Context, now: Timestamp) {
        if self.is_held {
            return;
        }
        self.pump_acknowledgements(cx, now);
        self.pump_stored(cx, now);
        if self.is_careful(cx) && !self.may_go_on_with_care(cx, now) {
            return;
        }
        while self.release_next(cx, now) {}
        self.pump_requests(cx, now);
        self.pump_publications(cx, now);
    }

    /// Rule 4: reading pauses only while no request of ours is unanswered, or waits to be sent: a peer that cannot write
    /// to us may not read either.
    pub(crate) fn is_reading_paused(&self, cx: &Context) -> bool {
        self.is_held || (Self::wants_pause(cx) && Self::may_pause(cx))
    }

    fn wants_pause(cx: &Context) -> bool {
        let ends_with_connection = !cx.config.session.outlives_connection();
        cx.streams.wants_pause() || (ends_with_connection && Self::is_full(cx))
    }

    fn is_full(cx: &Context) -> bool {
        let limits = cx.config.inbound;
        cx.inbound.messages() >= usize::from(limits.messages_max) || cx.inbound.bytes() >= limits.bytes_max
    }

    /// QoS 0 in the queue counts although nothing answers it: it waits because the peer does not read, and whoever waits for
    /// room behind it, or for all to be written, may be the one who would take from the full stream.
    fn may_pause(cx: &Context) -> bool {
        cx.outbound.len() == 0 && cx.requests.is_empty() && cx.queue.messages() == 0
    }

    /// While reading pauses, the peer's answer cannot be seen.
    fn update_keep_alive(&mut self, cx: &Context, now: Timestamp) {
        let is_paused = self.is_reading_paused(cx);
        match (self.keep_alive_is_paused, is_paused) {
            (false, true) => self.keep_alive.pause(now),
            (true, false) => self.keep_alive.resume(now),
            (true, true) | (false, false) => {}
        }
        self.keep_alive_is_paused = is_paused;
    }

    /// Whether keep alive has to be told that reading goes on, once something of ours waits for an answer.
    pub(crate) const fn keep_alive_is_paused(&self) -> bool {
        self.keep_alive_is_paused
    }

    pub(crate) fn deadline(&self, cx: &Context) -> Option<Timestamp> {
        let stall = self.turns.deadline(cx.config.stall_after);
        let deadlines = [self.keep_alive.deadline(), stall, self.retry_deadline(cx), self.trial_until];
        deadlines.into_iter().flatten().min()
    }

    pub(crate) fn on_time(&mut self, cx: &mut Context, now: Timestamp) -> Transition {
        self.tell_stalls(cx, now);
        self.send_due_again(cx, now);
        self.end_trial(cx, now);
        match self.keep_alive.poll(now) {
            KeepAliveAction::Idle => Transition::Stay,
            KeepAliveAction::SendPing => {
                self.link.encoder.pingreq(&mut self.link.out);
                self.ping_is_encoded = true;
                Transition::Stay
            }
            // [MQTT-3.1.2-22] [MQTT-3.12.4-1] [MQTT-3.1.2-24 of 3.1.1] [MQTT-3.12.4-1 of 3.1.1]
            KeepAliveAction::Expired => self.close(cx, DisconnectCause::PingTimeout, now),
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Timestamp) -> Option<Outgoing> {
        let buffer = self.link.poll_transmit()?;
        self.ping_is_at_driver = core::mem::take(&mut self.ping_is_encoded);
        // [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
        if !core::mem::take(&mut self.retry_is_encoded) {
            self.keep_alive.on_sent(now);
        }
        Some(buffer)
    }

    fn close(&mut self, cx: &mut Context, cause: DisconnectCause, now: Timestamp) -> Transition {
        closing::close(cx, &mut self.link, cause, now)
    }

    /// Says DISCONNECT and closes.
    pub(crate) fn disconnect(
        &mut self,
        cx: &mut Context,
        disconnect: &Disconnect,
        cause: DisconnectCause,
        now: Timestamp,
    ) -> Transition {
        let encoder = self.link.encoder;
        let link = core::mem::replace(&mut self.link, Link::new(encoder));
        let closing = Closing::start(cx, link, Some(disconnect), AfterClosing::Lose(cause), now);
        Transition::To(ClientState::Closing(Box::new(closing)))
    }
}
