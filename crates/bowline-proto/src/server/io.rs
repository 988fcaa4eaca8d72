//! The engine's two ends: `ServerInput` is what the driver brings, `ServerOutput` is what it must do.

use crate::codec::{DecodeError, Outgoing};
use crate::packet::Packet;
use crate::server::event::ServerEvent;
use crate::time::Timestamp;

/// What happened outside.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "built by drivers, matched by the engine alone")]
pub enum ServerInput {
    /// The decoder found a packet.
    Packet(Packet),
    /// The decoder found an error. It makes no sense to go on decoding.
    Malformed(DecodeError),
    /// All of a `ServerOutput::Transmit` was written; the buffer comes back to be used again.
    Transmitted(Outgoing),
    /// The client closed the stream.
    Closed,
    /// Reading or writing failed.
    TransportFailed,
}

/// What the driver must do next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a new kind of output must break every driver at compile time")]
pub enum ServerOutput {
    /// Write all of this; answer with `Transmitted`. There is at most one at a time.
    Transmit(Outgoing),
    /// Tell the broker.
    Event(ServerEvent),
    /// Close the transport and report no more inputs about it.
    Close,
    /// Nothing to do until an input comes, a command is given, or this time is reached; `None` for no time.
    Sleep {
        /// When to call `poll_output` again at the latest.
        until: Option<Timestamp>,
    },
}
