//! Closing: DISCONNECT is encoded and nothing else will be [MQTT-3.14.4-1]; the transport is closed once it is written
//! [MQTT-3.14.4-2]. Next: lost, with the cause it was closed for, when all is written, at the closing timeout, or on
//! loss; `Dialing`, if that was the plan.

use alloc::boxed::Box;
use core::time::Duration;

use crate::client::context::Context;
use crate::client::event::DisconnectCause;
use crate::client::io::Input;
use crate::client::state::{ClientState, Transition};
use crate::connection::link::Link;
use crate::packet::{Disconnect, PacketType};
use crate::reason::{ReasonCode, Role};
use crate::time::Timestamp;

/// Waits for what is encoded to be written.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) deadline: Timestamp,
    pub(crate) link: Link,
    then: Option<AfterClosing>,
}

/// What comes after the transport is closed.
#[derive(Clone, Debug)]
pub(crate) enum AfterClosing {
    /// The connection is over for this cause.
    Lose(DisconnectCause),
    /// Another one follows at once.
    DialAgain,
}

/// How long a peer that does not read can delay the end.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

impl Closing {
    /// Encodes the last packet, if the version has one that says this.
    pub(crate) fn start(
        cx: &mut Context,
        mut link: Link,
        disconnect: Option<&Disconnect>,
        then: AfterClosing,
        now: Timestamp,
    ) -> Self {
        // [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.4-1 of 3.1.1] [MQTT-3.14.4-2 of 3.1.1]
        if let Some(disconnect) = disconnect {
            // [MQTT-4.13.2-1]: closing matters more than saying why.
            let said = link.encoder.disconnect(&mut link.out, disconnect);
            cx.stats.disconnects_unsaid += u64::from(said.is_err());
        }
        Self { deadline: now + CLOSING_TIMEOUT, link, then: Some(then) }
    }

    pub(crate) fn handle(&mut self, input: Input) -> Transition {
        match input {
            Input::Transmitted(buffer) => {
                self.link.on_transmitted(buffer);
                self.poll_done()
            }
            Input::Closed | Input::TransportFailed => self.give_up(),
            _ => Transition::Stay,
        }
    }

    /// The caller wants no connection after this one.
    pub(crate) fn stop(&mut self) {
        if self.then.is_some() {
            self.then = Some(AfterClosing::Lose(DisconnectCause::Requested));
        }
    }

    /// Moves on if all is written.
    pub(crate) fn poll_done(&mut self) -> Transition {
        if self.link.is_drained() { self.give_up() } else { Transition::Stay }
    }

    /// Moves on whatever is written.
    pub(crate) fn give_up(&mut self) -> Transition {
        match self.then.take() {
            Some(AfterClosing::Lose(cause)) => Transition::Lost(cause),
            Some(AfterClosing::DialAgain) => Transition::DialAgain,
            None => Transition::Stay,
        }
    }
}

/// Ends a connection from our side: in 5.0 the broker is told why; before, only a wish of the caller is told, as
/// DISCONNECT would also make the broker forget the will.
// [MQTT-4.13.1-1] [MQTT-3.1.2-8] [MQTT-4.8.0-1 of 3.1.1] [MQTT-3.1.2-8 of 3.1.1]
pub(crate) fn close(cx: &mut Context, link: &mut Link, cause: DisconnectCause, now: Timestamp) -> Transition {
    let disconnect = match disconnect_reason(&cause) {
        Some(reason) if cx.rules.has_disconnect_reason => Disconnect::new(reason),
        Some(_) | None => return Transition::Lost(cause),
    };
    let encoder = link.encoder;
    let link = core::mem::replace(link, Link::new(encoder));
    let closing = Closing::start(cx, link, Some(&disconnect), AfterClosing::Lose(cause), now);
    Transition::To(ClientState::Closing(Box::new(closing)))
}

/// What to tell a 5.0 broker that we close for this.
fn disconnect_reason(cause: &DisconnectCause) -> Option<ReasonCode> {
    match cause {
        DisconnectCause::Protocol(error) => {
            // Some codes that describe an error may not be said in DISCONNECT.
            let otherwise = ReasonCode::ProtocolError;
            Some(error.reason().said_in(PacketType::Disconnect, Role::Client, otherwise))
        }
        DisconnectCause::PingTimeout => Some(ReasonCode::UnspecifiedError),
        DisconnectCause::InboundOverflow { .. } | DisconnectCause::OutputOverflow { .. } => {
            Some(ReasonCode::QuotaExceeded)
        }
        _ => None,
    }
}
