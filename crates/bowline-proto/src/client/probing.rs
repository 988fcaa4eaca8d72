//! A caller's doubt about the connection. Knows no timers.

use crate::client::engine::ClientEngine;
use crate::client::state::ClientState;
use crate::time::Timestamp;

impl ClientEngine {
    /// Finds out at once whether the connection is alive: sends a PINGREQ, unless one waits for its answer. While waiting for the
    /// next attempt, it comes now.
    pub fn probe(&mut self, now: Timestamp) {
        match &mut self.state {
            ClientState::Active(active) => active.probe(now),
            ClientState::Backoff(_) => self.connect(now),
            _ => {}
        }
    }
}
