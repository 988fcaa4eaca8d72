//! The wire format: the only code that knows bytes. Knows no sessions and no connection state beyond the version.
//!
//! A [`Decoder`] takes bytes as they come from the socket and yields packets; an [`Encoder`] writes packets into
//! [`Outgoing`]. Both hide the versions: 3.1 and 3.1.1 are read into and written from the model of MQTT 5.0.

mod connect_flags;
pub mod decoder;
pub mod encoder;
pub mod error;
mod frame;
mod keep;
pub mod outgoing;
mod peer;
mod publish;
mod publish_writer;
mod reader;
mod summary;
mod v3;
mod v5;
mod writer;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use outgoing::Outgoing;
pub use summary::PacketSummary;
