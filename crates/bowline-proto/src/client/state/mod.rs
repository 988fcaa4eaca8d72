//! The states of a client connection.
//!
//! ```text
//!            connect                Connected                CONNACK 0
//! Stopped ─────────────> Dialing ─────────────> AwaitConnack ───────────> Active
//!    ^                    ^  │ DialFailed,           │ refusal, error,       │ loss
//!    │                    │  │ timeout               │ loss, timeout         │
//!    │              delay │  v                       v                       v
//!    └──────────────── Backoff <──────────────────── (lost) <────────────── Closing
//!       fatal, or never again                                 DISCONNECT     ^
//!                                                             written        │ disconnect, our error
//!                                                                          Active
//! ```
//!
//! (lost) is no state: [`ClientState::lose`] decides between `Backoff` and `Stopped`, or on `Dialing` at once: another
//! address, another version. `AwaitConnack` goes back to `Dialing` once when 3.1 or 3.1.1 must first have an old session
//! thrown away.

pub(crate) mod active;
mod await_connack;
mod backoff;
mod closing;
mod dialing;
mod stopped;

use alloc::boxed::Box;

pub(crate) use active::Active;
pub(crate) use await_connack::AwaitConnack;
pub(crate) use backoff::Backoff;
pub(crate) use closing::Closing;
pub(crate) use dialing::Dialing;
pub(crate) use stopped::Stopped;

use crate::client::context::Context;
use crate::client::event::{DisconnectCause, Event};
use crate::client::io::Input;
use crate::client::loss::AfterLoss;
use crate::codec::Outgoing;
use crate::session::journal::Gated;
use crate::time::Timestamp;

/// Where the connection is.
#[derive(Debug)]
pub(crate) enum ClientState {
    Stopped(Stopped),
    Dialing(Dialing),
    AwaitConnack(Box<AwaitConnack>),
    Active(Box<Active>),
    Closing(Box<Closing>),
    Backoff(Backoff),
}

/// What a state makes of an input.
#[derive(Debug)]
pub(crate) enum Transition {
    /// Nothing changes, or only inside of the state.
    Stay,
    /// Another state.
    To(ClientState),
    /// The transport is to be closed and another opened at once.
    DialAgain,
    /// The attempt or the connection is over; the transport is to be closed.
    Lost(DisconnectCause),
}

impl ClientState {
    /// The state's name, for people and for the transition table.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "Stopped",
            Self::Dialing(_) => "Dialing",
            Self::AwaitConnack(_) => "AwaitConnack",
            Self::Active(_) => "Active",
            Self::Closing(_) => "Closing",
            Self::Backoff(_) => "Backoff",
        }
    }

    #[inline]
    pub(crate) fn handle(&mut self, cx: &mut Context, input: Input, now: Timestamp) {
        let transition = match self {
            Self::Active(state) => state.handle(cx, input, now),
            Self::AwaitConnack(state) => state.handle(cx, input, now),
            Self::Closing(state) => state.handle(input),
            Self::Dialing(state) => state.handle(cx, &input),
            Self::Stopped(_) | Self::Backoff(_) => Transition::Stay,
        };
        self.follow(cx, transition, now);
    }

    /// A barrier is passed that a connection waits for.
    pub(crate) fn on_released(&mut self, cx: &mut Context, gated: Gated, now: Timestamp) {
        let transition = match self {
            Self::Active(state) => {
                state.on_released(cx, gated, now);
                Transition::Stay
            }
            Self::AwaitConnack(state) => state.on_released(gated),
            _ => Transition::Stay,
        };
        self.follow(cx, transition, now);
    }

    /// Something changed that may let more be sent.
    pub(crate) fn on_change(&mut self, cx: &mut Context, now: Timestamp) {
        if let Self::Active(state) = self {
            let transition = state.on_change(cx, now);
            self.follow(cx, transition, now);
        }
    }

    /// When something is to be done although nothing happens.
    pub(crate) fn deadline(&self, cx: &Context) -> Option<Timestamp> {
        match self {
            Self::Stopped(_) => None,
            Self::Dialing(state) => Some(state.deadline),
            Self::AwaitConnack(state) => Some(state.deadline),
            Self::Active(state) => state.deadline(cx),
            Self::Closing(state) => Some(state.deadline),
            Self::Backoff(state) => Some(state.until),
        }
    }

    pub(crate) fn on_time(&mut self, cx: &mut Context, now: Timestamp) {
        if self.deadline(cx).is_none_or(|deadline| now < deadline) {
            return;
        }
        let transition = match self {
            Self::Stopped(_) => Transition::Stay,
            Self::Dialing(_) | Self::AwaitConnack(_) => Transition::Lost(DisconnectCause::ConnectTimeout),
            Self::Active(state) => state.on_time(cx, now),
            Self::Closing(state) => state.give_up(),
            Self::Backoff(_) => Transition::To(Self::Dialing(Dialing::start(cx, now))),
        };
        self.follow(cx, transition, now);
    }

    pub(crate) fn poll_transmit(&mut self, now: Timestamp) -> Option<Outgoing> {
        match self {
            Self::Active(state) => state.poll_transmit(now),
            Self::AwaitConnack(state) => state.link.poll_transmit(),
            Self::Closing(state) => state.link.poll_transmit(),
            Self::Stopped(_) | Self::Dialing(_) | Self::Backoff(_) => None,
        }
    }

    #[inline]
    pub(crate) fn follow(&mut self, cx: &mut Context, transition: Transition, now: Timestamp) {
        match transition {
            Transition::Stay => {}
            Transition::To(state) => *self = state,
            Transition::DialAgain => {
                cx.wants_close = true;
                cx.connects_after_closing = false;
                *self = Self::Dialing(Dialing::start(cx, now));
            }
            Transition::Lost(cause) => self.lose(cx, cause, now),
        }
    }

    /// A connection, or an attempt, is over: the transport is closed, what belonged to it is forgotten, and it is
    /// decided whether there will be another attempt.
    // [MQTT-3.1.4-2 of 3.1.1]
    fn lose(&mut self, cx: &mut Context, cause: DisconnectCause, now: Timestamp) {
        match self {
            Self::Active(state) => {
                if cause.may_blame_what_was_sent() {
                    state.blame(cx);
                }
                cx.spent.output(core::mem::take(&mut state.link.out));
            }
            Self::Closing(state) => cx.spent.output(core::mem::take(&mut state.link.out)),
            Self::AwaitConnack(_) | Self::Stopped(_) | Self::Dialing(_) | Self::Backoff(_) => {}
        }
        cx.wants_close = true;
        cx.wants_dial = false;
        cx.journal.forget_connection();
        cx.inbound.on_connection_lost();
        for packet_id in cx.requests.on_connection_lost() {
            cx.outbound.ids.free(packet_id);
        }
        cx.outbound.ids.free_taken_back();
        if cx.standing.is_established {
            match cx.standing.expiry_secs {
                // [MQTT-3.1.2-23] [MQTT-4.1.0-2]
                0 => cx.reset_session(),
                u32::MAX => {}
                secs => {
                    let expires_at = now + core::time::Duration::from_secs(u64::from(secs));
                    cx.standing.expires_at.get_or_insert(expires_at);
                }
            }
        }
        let refusal = match self {
            Self::AwaitConnack(state) => state.version_refusal(&cause),
            _ => None,
        };
        let next = match refusal {
            Some(refusal) => cx.after_version_refused(refusal, &cause, now),
            None => {
                cx.versions.end_round();
                cx.after_loss(&cause, cause.class(), now)
            }
        };
        cx.emit(Event::Disconnected(Box::new(cause)));
        if core::mem::take(&mut cx.connects_after_closing) {
            *self = Self::Dialing(Dialing::start(cx, now));
            return;
        }
        *self = match next {
            AfterLoss::Redirect { reference, is_permanent } => {
                cx.emit(Event::Redirected { reference, is_permanent });
                Self::Dialing(Dialing::start(cx, now))
            }
            AfterLoss::OtherVersion { refused, next } => {
                cx.emit(Event::VersionRefused { refused, next });
                Self::Dialing(Dialing::start(cx, now))
            }
            AfterLoss::NextAddress => Self::Dialing(Dialing::start(cx, now)),
            // [MQTT-3.1.4-2 of 3.1.1]: two clients of one name do not throw each other out in a tight loop.
            AfterLoss::Wait(backoff) => {
                let delay = cx.backoff.next_delay(&backoff, &mut cx.jitter);
                cx.emit(Event::Reconnecting { attempt: cx.backoff.attempt(), delay });
                Self::Backoff(Backoff { until: now + delay })
            }
            AfterLoss::Stop => {
                cx.emit(Event::Stopped);
                Self::Stopped(Stopped)
            }
        };
    }
}
