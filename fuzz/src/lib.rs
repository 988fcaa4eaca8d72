//! What the fuzz targets run, as plain functions that panic on a finding. Knows no fuzzer.
//!
//! The first byte of an input chooses how the rest is taken; [`Plan`] says how. For the engines an input is a script of what
//! happens to them, one byte for what and the next ones for how.
#![forbid(unsafe_code)]

mod client_engine;
mod decode;
mod generate;
mod mutate;
mod plan;
mod round_trip;
mod script;
mod scripts;
mod server_engine;
mod topics;
mod watch;

pub use client_engine::client_engine;
pub use decode::{decode_from_client, decode_from_server};
pub use mutate::mutate;
pub use plan::Plan;
pub use round_trip::round_trip;
pub use scripts::{client_scripts, server_scripts};
pub use server_engine::server_engine;
pub use topics::topic_matching;
