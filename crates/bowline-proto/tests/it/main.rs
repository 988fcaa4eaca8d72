//! The integration tests of bowline-proto: bytes and commands in, bytes and events out.

mod arbitrary;
mod codec;
mod types;
