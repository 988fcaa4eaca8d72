//! Sans-I/O MQTT 3.1, 3.1.1 and 5.0: wire format, sessions, and client and server engines.
//!
//! The crate opens no socket, reads no clock, draws no random number and starts no thread: bytes, time and seeds
//! come in as arguments, and everything to be done comes out as values. It is `no_std` and needs `alloc`.
#![no_std]

extern crate alloc;

pub mod backoff;
pub mod client;
pub mod codec;
pub mod connection;
pub mod error;
pub mod packet;
pub mod reason;
pub mod retry;
pub mod routing;
pub mod rules;
pub mod server;
pub mod session;
mod statement;
pub mod time;
pub mod types;
pub mod version;

pub use bytes::{Bytes, BytesMut};
pub use reason::{ReasonCode, Role};
pub use rules::Rules;
pub use time::Timestamp;
pub use types::{Message, PacketId, QoS, Text, TopicFilter, TopicName};
pub use version::Version;
