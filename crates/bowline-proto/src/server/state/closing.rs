//! Closing: the last packet is encoded and nothing else will be [MQTT-3.14.4-1]; the transport is closed once it is
//! written [MQTT-3.14.4-2]. Next: `Ended`, when all is written, at the closing timeout, or on loss.

use alloc::boxed::Box;
use core::time::Duration;

use crate::connection::link::Link;
use crate::server::io::ServerInput;
use crate::server::state::{ServerState, Transition};
use crate::time::Timestamp;

/// Waits for what is encoded to be written. What still comes from the client is not looked at.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) deadline: Timestamp,
    pub(crate) link: Link,
}

/// How long a client that does not read can delay the end.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

impl Closing {
    pub(crate) fn start(link: Link, now: Timestamp) -> ServerState {
        ServerState::Closing(Box::new(Self { deadline: now + CLOSING_TIMEOUT, link }))
    }

    pub(crate) fn handle(&mut self, input: ServerInput) -> Transition {
        match input {
            ServerInput::Transmitted(buffer) => {
                self.link.on_transmitted(buffer);
                self.poll_done()
            }
            ServerInput::Closed | ServerInput::TransportFailed => Transition::Close,
            // [MQTT-3.1.4-6] [MQTT-3.1.4-5 of 3.1.1]
            ServerInput::Packet(_) | ServerInput::Malformed(_) => Transition::Stay,
        }
    }

    /// Moves on if all is written.
    pub(crate) fn poll_done(&mut self) -> Transition {
        if self.link.is_drained() { Transition::Close } else { Transition::Stay }
    }
}
