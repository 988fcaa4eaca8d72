//! The client role: an engine that takes commands and inputs and says what to do.
//!
//! # Driving it
//!
//! ```text
//! loop {
//!     match engine.poll_output(now) {
//!         Output::Dial { .. }      => open the transport, make a Decoder; handle_input(Connected or DialFailed)
//!         Output::Transmit(buffer) => write all of it;                    handle_input(Transmitted(buffer))
//!         Output::Persist(batch)   => hand it to the store;               handle_input(Persisted { .. }) when committed
//!         Output::Load { .. }      => read from the store;                handle_input(Loaded(..))
//!         Output::Event(event)     => tell the application
//!         Output::Close            => drop the transport
//!         Output::Sleep { until }  => wait for bytes, answers, commands or `until`
//!     }
//! }
//! ```
//!
//! Bytes are `Input::BytesReceived`, once per read, and go through a [`Decoder`](crate::codec::Decoder) of the driver's: its
//! packets are `Input::Packet`, or many at a time [`ClientEngine::handle_packets`], its error is `Input::Malformed`. While [`ClientEngine::is_reading_paused`], no bytes are read and no packets passed on.

mod addresses;
mod admission;
mod binding;
mod commands;
pub mod config;
mod connect;
mod context;
mod engine;
pub mod event;
mod handing_over;
pub mod io;
mod keyed_commands;
mod keys;
mod loss;
mod probing;
mod requests;
mod restoring;
mod spent;
pub(crate) mod state;
mod stats;
mod streams;
mod suspects;
mod versions;

pub use crate::session::{SessionLoss, Stale};
pub use addresses::{Address, AddressOrder, AddressSessions, Addresses};
pub use config::{ClientConfig, InboundLimits, OnFull, Reconnect, SessionPolicy, Unmatched};
pub use engine::ClientEngine;
pub use event::{
    Connected, Delivery, DisconnectCause, DropReason, Event, OperationId, Outcome, Qos0Dropped, StreamEnd,
};
pub use io::{Input, Output};
pub use loss::LossClass;
pub use spent::Spent;
pub use stats::Stats;
pub use streams::{Qos0Full, Qos0Limits, STREAMS_MAX, UNROUTED};
pub use versions::{V5Options, VersionFallback};
