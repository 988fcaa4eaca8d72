//! The engine's two ends: `Input` is what the driver brings, `Output` is what it must do.

use alloc::vec::Vec;

use crate::client::event::Event;
use crate::codec::{DecodeError, Outgoing};
use crate::packet::Packet;
use crate::session::stored::StoredPublication;
use crate::session::{Batch, KnownKey, PublicationId, Seq};
use crate::time::Timestamp;
use crate::version::Version;

/// What happened outside.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "built by drivers, matched by the engine alone")]
pub enum Input {
    /// The dialled transport is open.
    Connected,
    /// It could not be opened.
    DialFailed,
    /// Bytes came, whether or not they complete a packet: a sign of life, also in the middle of a large message.
    BytesReceived,
    /// The decoder found a packet.
    Packet(Packet),
    /// The decoder found an error. It makes no sense to go on decoding.
    Malformed(DecodeError),
    /// All of an `Output::Transmit` was written; the buffer comes back to be used again.
    Transmitted(Outgoing),
    /// The peer closed the stream.
    Closed,
    /// Reading or writing failed.
    TransportFailed,
    /// The store has committed a batch.
    Persisted {
        /// Its [`last`](Batch::last).
        last: Seq,
        /// Of its publications those that are not stored, because their keys are known: what [`Batch::known_keys`] found before.
        known: Vec<KnownKey>,
    },
    /// The store could not commit a batch, or not be asked for its keys.
    PersistFailed,
    /// The store has read what `Output::Load` asked for; empty if there is nothing.
    Loaded(Vec<StoredPublication>),
    /// The store could not read.
    LoadFailed,
}

/// What the driver must do next.
///
/// Exhaustive on purpose: a new kind of output must break every driver at compile time.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a new kind of output must break every driver at compile time")]
pub enum Output {
    /// Open the transport and make a decoder for this version; answer with `Connected` or `DialFailed`.
    Dial {
        /// The version that will be spoken.
        version: Version,
        /// The largest packet to accept.
        packet_bytes_max: u32,
    },
    /// Write all of this; answer with `Transmitted`. There is at most one at a time.
    Transmit(Outgoing),
    /// Make these entries durable, in order; answer with `Persisted` or `PersistFailed`. At most one at a time.
    Persist(Batch),
    /// Read waiting publications later than `after`, up to so many bytes (but at least one), of those that are
    /// committed; answer with `Loaded` or `LoadFailed`.
    Load {
        /// The last one that is in memory.
        after: PublicationId,
        /// How many bytes of messages are wanted.
        bytes_max: usize,
    },
    /// Tell the application.
    Event(Event),
    /// Close the transport, if it is open or being opened, and report no more inputs about it.
    Close,
    /// Nothing to do until an input comes, a command is given, or this time is reached; `None` for no time.
    Sleep {
        /// When to call `poll_output` again at the latest.
        until: Option<Timestamp>,
    },
}
