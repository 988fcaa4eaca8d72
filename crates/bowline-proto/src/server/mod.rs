//! The server role: one engine per connection, and the session that outlives it.
//!
//! # Driving it
//!
//! ```text
//! make a Decoder::for_server(config.packet_bytes_max) and a ServerEngine for every accepted transport; then
//! loop {
//!     match engine.poll_output(now) {
//!         ServerOutput::Transmit(buffer) => write all of it; handle_input(Transmitted(buffer))
//!         ServerOutput::Event(event)     => tell the broker, which answers with commands
//!         ServerOutput::Close            => drop the transport
//!         ServerOutput::Sleep { until }  => if engine.is_ended(): done; else wait for bytes, commands or `until`
//!     }
//! }
//! ```
//!
//! The decoder's packets are `ServerInput::Packet`, its error is `ServerInput::Malformed`. While
//! [`ServerEngine::is_reading_paused`], no bytes are read and no packets passed on: so it is while the broker decides
//! about CONNECT.
//!
//! A session is given to [`ServerEngine::accept`] and comes back from [`ServerEngine::take_session`] after
//! [`ServerEvent::Disconnected`], or as soon as another connection takes it over.

mod commands;
pub mod config;
mod context;
mod engine;
pub mod event;
pub mod io;
mod requests;
pub mod session;
pub(crate) mod state;
mod stats;

pub use commands::AcceptError;
pub use config::ServerConfig;
pub use engine::ServerEngine;
pub use event::{Disconnected, EndCause, PublishOutcome, Received, ServerEvent};
pub use io::{ServerInput, ServerOutput};
pub use session::ServerSession;
pub use stats::ServerStats;
