//! What the fuzz targets run, as plain functions that panic on a finding. Knows no fuzzer.
//!
//! The first byte of an input chooses how the rest is taken; [`Plan`] says how.
#![forbid(unsafe_code)]

mod decode;
mod generate;
mod mutate;
mod plan;
mod round_trip;
mod topics;

pub use decode::{decode_from_client, decode_from_server};
pub use mutate::mutate;
pub use plan::Plan;
pub use round_trip::round_trip;
pub use topics::topic_matching;
