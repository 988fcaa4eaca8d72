//! What every state works on: the settings and what is to be told. Owns no connection.

use alloc::collections::VecDeque;

use crate::server::config::ServerConfig;
use crate::server::event::ServerEvent;
use crate::server::session::ServerSession;
use crate::server::stats::ServerStats;

/// Everything of an engine but its state.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: ServerConfig,
    /// Bounded by what one input or command can cause: the driver polls after each batch of them.
    pub(crate) events: VecDeque<ServerEvent>,
    pub(crate) stats: ServerStats,
    /// The session, once the connection is over and until it is taken.
    pub(crate) session: Option<ServerSession>,
    /// Something changed that may let an active connection send more; looked at once per `poll_output`, so that many
    /// packets and commands share one look.
    pub(crate) has_changed: bool,
    pub(crate) wants_close: bool,
}

impl Context {
    pub(crate) fn emit(&mut self, event: ServerEvent) {
        self.events.push_back(event);
    }
}
