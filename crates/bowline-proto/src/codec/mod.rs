//! The wire format: the only code that knows bytes.

pub mod outgoing;

pub use outgoing::Outgoing;
