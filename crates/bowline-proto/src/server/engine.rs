//! One connection as the server sees it: inputs and commands go in, outputs come out. Decides everything about the
//! connection and nothing about who may connect, subscribe or receive.

use alloc::collections::VecDeque;

use crate::connection::Limits;
use crate::error::RequestError;
use crate::server::config::ServerConfig;
use crate::server::context::Context;
use crate::server::io::{ServerInput, ServerOutput};
use crate::server::session::ServerSession;
use crate::server::state::{AwaitConnect, ServerState};
use crate::server::stats::ServerStats;
use crate::time::Timestamp;

/// The server's side of one connection, without I/O.
///
/// Give inputs and commands in any number, then call [`poll_output`](Self::poll_output) and do what it says until it
/// says [`ServerOutput::Sleep`]. Every call takes the time, which must not go backwards.
#[derive(Debug)]
pub struct ServerEngine {
    pub(crate) state: ServerState,
    pub(crate) context: Context,
}

impl ServerEngine {
    /// An engine for a transport that was just opened.
    ///
    /// # Errors
    /// [`RequestError`] if a setting is out of its range.
    pub fn new(config: ServerConfig, now: Timestamp) -> Result<Self, RequestError> {
        config.check()?;
        let state = ServerState::AwaitConnect(AwaitConnect { deadline: now + config.connect_timeout });
        let context = Context {
            config,
            events: VecDeque::new(),
            stats: ServerStats::default(),
            session: None,
            has_changed: false,
            wants_close: false,
        };
        Ok(Self { state, context })
    }

    /// Takes something that happened outside.
    pub fn handle_input(&mut self, input: ServerInput, now: Timestamp) {
        self.state.handle(&mut self.context, input, now);
    }

    /// What to do next. Call it until it returns [`ServerOutput::Sleep`], after every batch of commands and inputs and
    /// when the time that `Sleep` named has come.
    pub fn poll_output(&mut self, now: Timestamp) -> ServerOutput {
        self.state.on_time(&mut self.context, now);
        if core::mem::take(&mut self.context.has_changed) {
            self.state.after_change(&mut self.context, now);
        }
        if let Some(buffer) = self.state.poll_transmit() {
            return ServerOutput::Transmit(buffer);
        }
        if core::mem::take(&mut self.context.wants_close) {
            return ServerOutput::Close;
        }
        if let Some(event) = self.context.events.pop_front() {
            return ServerOutput::Event(event);
        }
        ServerOutput::Sleep { until: self.state.deadline() }
    }

    /// Whether the driver should neither read from the transport nor pass on packets that it has decoded: the broker
    /// decides about CONNECT, or has more unacknowledged messages or unanswered requests than it should.
    pub const fn is_reading_paused(&self) -> bool {
        match &self.state {
            ServerState::AwaitDecision(_) => true,
            ServerState::Active(active) => active.is_reading_paused(),
            ServerState::AwaitConnect(_) | ServerState::Closing(_) | ServerState::Ended => false,
        }
    }

    /// Where the connection is: `AwaitConnect`, `AwaitDecision`, `Active`, `Closing` or `Ended`.
    pub const fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// Whether the transport is closed, or [`ServerOutput::Close`] is about to say so.
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, ServerState::Ended)
    }

    /// The session, while the connection is active or until it is taken.
    pub fn session(&self) -> Option<&ServerSession> {
        match &self.state {
            ServerState::Active(active) => Some(&active.session),
            _ => self.context.session.as_ref(),
        }
    }

    /// Takes the session back, once [`ServerEvent::Disconnected`](crate::server::ServerEvent::Disconnected) has been
    /// told or [`disconnect`](Self::disconnect) was called.
    pub const fn take_session(&mut self) -> Option<ServerSession> {
        self.context.session.take()
    }

    /// What was announced to the client, while the connection is active.
    pub fn limits(&self) -> Option<&Limits> {
        match &self.state {
            ServerState::Active(active) => Some(&active.limits),
            _ => None,
        }
    }

    /// What was counted so far.
    pub const fn stats(&self) -> &ServerStats {
        &self.context.stats
    }
}
