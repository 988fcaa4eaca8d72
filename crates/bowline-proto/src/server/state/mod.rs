//! The states of a server connection.
//!
//! ```text
//!              CONNECT                   accept             DISCONNECT of ours,
//! AwaitConnect ───────> AwaitDecision ───────────> Active   the client's error
//!      │                   │       │                │  └───────────────┐
//!      │ error, loss,      │       │ refuse         │ the client's     v
//!      │ timeout           │       └────────────────┼──────────────> Closing
//!      │                   │ loss, timeout          │ DISCONNECT,      │ written,
//!      v                   v                        v loss             v timeout
//!      └───────────────────┴────────> Ended <───────┴──────────────────┘
//! ```
//!
//! `AwaitConnect` goes through `Closing` too when it can tell the client that its protocol version is not spoken, or that
//! its client identifier is illegal. [`ServerEvent::Disconnected`] is told on the way to `Closing` or `Ended`, whichever
//! comes first.

pub(crate) mod active;
mod await_connect;
mod await_decision;
mod closing;

use alloc::boxed::Box;

pub(crate) use active::Active;
pub(crate) use await_connect::{AwaitConnect, refuse_in};
pub(crate) use await_decision::AwaitDecision;
pub(crate) use closing::Closing;

use crate::codec::Outgoing;
use crate::connection::link::Link;
use crate::server::context::Context;
use crate::server::event::{Disconnected, EndCause, ServerEvent};
use crate::server::io::ServerInput;
use crate::time::Timestamp;

/// Where the connection is.
#[derive(Debug)]
pub(crate) enum ServerState {
    AwaitConnect(AwaitConnect),
    AwaitDecision(Box<AwaitDecision>),
    Active(Box<Active>),
    Closing(Box<Closing>),
    /// The transport is closed, or about to be. Nothing follows.
    Ended,
}

/// What a state makes of an input.
#[derive(Debug)]
pub(crate) enum Transition {
    /// Nothing changes, or only inside of the state.
    Stay,
    /// Another state.
    To(ServerState),
    /// The connection is over. An active one says why, if the client is there to hear it and the version can.
    End(EndCause),
    /// The client is refused: what is in the link is the last it hears.
    Refuse(Box<Link>, EndCause),
    /// The transport is to be closed.
    Close,
}

impl ServerState {
    /// The state's name, for people and for the transition table.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::AwaitConnect(_) => "AwaitConnect",
            Self::AwaitDecision(_) => "AwaitDecision",
            Self::Active(_) => "Active",
            Self::Closing(_) => "Closing",
            Self::Ended => "Ended",
        }
    }

    pub(crate) fn handle(&mut self, cx: &mut Context, input: ServerInput, now: Timestamp) {
        let transition = match self {
            Self::Active(state) => state.handle(cx, input, now),
            Self::AwaitConnect(state) => state.handle(cx, input),
            Self::AwaitDecision(_) => AwaitDecision::handle(&input),
            Self::Closing(state) => state.handle(input),
            Self::Ended => Transition::Stay,
        };
        self.follow(cx, transition, now);
    }

    /// Something changed that may let more be sent.
    pub(crate) fn after_change(&mut self, cx: &mut Context, now: Timestamp) {
        if let Self::Active(state) = self {
            let transition = state.after_change(cx, now);
            self.follow(cx, transition, now);
        }
    }

    /// When something is to be done although nothing happens.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::AwaitConnect(state) => Some(state.deadline),
            Self::AwaitDecision(state) => Some(state.deadline),
            Self::Active(state) => state.deadline(),
            Self::Closing(state) => Some(state.deadline),
            Self::Ended => None,
        }
    }

    pub(crate) fn on_time(&mut self, cx: &mut Context, now: Timestamp) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let transition = match self {
            Self::AwaitConnect(_) | Self::AwaitDecision(_) => Transition::End(EndCause::ConnectTimeout),
            // [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
            Self::Active(_) => Transition::End(EndCause::KeepAliveTimeout),
            Self::Closing(_) => Transition::Close,
            Self::Ended => Transition::Stay,
        };
        self.follow(cx, transition, now);
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Outgoing> {
        match self {
            Self::Active(state) => state.poll_transmit(),
            Self::Closing(state) => state.link.poll_transmit(),
            Self::AwaitConnect(_) | Self::AwaitDecision(_) | Self::Ended => None,
        }
    }

    pub(crate) fn follow(&mut self, cx: &mut Context, transition: Transition, now: Timestamp) {
        match transition {
            Transition::Stay => {}
            Transition::To(state) => *self = state,
            Transition::End(cause) => self.end(cx, cause, now),
            Transition::Refuse(link, cause) => {
                tell_end(cx, cause);
                *self = Closing::start(*link, now);
                self.poll_closing(cx, now);
            }
            Transition::Close => {
                cx.wants_close = true;
                *self = Self::Ended;
            }
        }
    }

    /// A closing connection with nothing to write is done.
    pub(crate) fn poll_closing(&mut self, cx: &mut Context, now: Timestamp) {
        if let Self::Closing(closing) = self {
            let transition = closing.poll_done();
            self.follow(cx, transition, now);
        }
    }

    fn end(&mut self, cx: &mut Context, cause: EndCause, now: Timestamp) {
        match core::mem::replace(self, Self::Ended) {
            Self::Active(active) => match active.end(cx, cause) {
                Some(link) => {
                    *self = Closing::start(link, now);
                    self.poll_closing(cx, now);
                }
                None => cx.wants_close = true,
            },
            Self::AwaitConnect(_) | Self::AwaitDecision(_) => {
                cx.wants_close = true;
                tell_end(cx, cause);
            }
            // It was told when the closing began.
            closing @ Self::Closing(_) => *self = closing,
            Self::Ended => {}
        }
    }
}

/// Tells the end of a connection that never had a session.
fn tell_end(cx: &mut Context, cause: EndCause) {
    let disconnected = Disconnected { cause, will: None, session_expiry_secs: 0 };
    cx.emit(ServerEvent::Disconnected(Box::new(disconnected)));
}
