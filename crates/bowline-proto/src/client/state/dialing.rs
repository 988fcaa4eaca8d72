//! Dialing: the driver opens the transport. Next: `AwaitConnack`, when it is open; lost, when it cannot be opened or the
//! connect timeout passes; `Stopped`, on `disconnect`.

use crate::client::connect::Purpose;
use crate::client::context::Context;
use crate::client::event::DisconnectCause;
use crate::client::io::Input;
use crate::client::state::{AwaitConnack, Transition};
use crate::time::Timestamp;

/// Waits for the transport.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// When dialling and CONNACK together have taken too long.
    pub(crate) deadline: Timestamp,
    purpose: Purpose,
}

impl Dialing {
    /// Asks for a transport.
    pub(crate) fn start(cx: &mut Context, now: Timestamp) -> Self {
        cx.forget_expired_session(now);
        cx.choose_version();
        let keeps = cx.config.session.outlives_connection();
        let starts_anew = keeps && cx.starts_anew();
        let purpose = if starts_anew && !cx.rules.can_clean_start_then_keep && !cx.was_discarded() {
            Purpose::DiscardOldSession
        } else {
            Purpose::Use
        };
        cx.wants_dial = true;
        Self { deadline: now + cx.config.connect_timeout, purpose }
    }

    pub(crate) fn handle(&self, cx: &mut Context, input: &Input) -> Transition {
        match input {
            Input::Connected => AwaitConnack::start(cx, self.purpose, self.deadline),
            Input::DialFailed => Transition::Lost(DisconnectCause::DialFailed),
            _ => Transition::Stay,
        }
    }
}
