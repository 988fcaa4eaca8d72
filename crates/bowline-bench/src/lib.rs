//! What a message costs in Bowline: six workloads against a peer that does next to nothing, and the store of durable sessions.
//! Knows only the public interface of the client.
//!
//! The peer and the raw program are the same few lines at both ends of a TCP connection: they flood packets that were encoded
//! before, look at nothing but headers, and acknowledge in batches. What the client adds to that is what is measured.

mod allocations;
mod answers;
mod client;
mod durable;
mod end;
mod flood;
mod in_memory;
mod outside;
mod peer;
mod plan;
mod raw;
mod relay;
mod store;
mod throughput;
mod transport;
mod transport_rates;
mod watched;

pub use allocations::allocations_per_message;
pub use client::{Took, take_part, take_part_in_memory};
pub use durable::{DurableRates, DurableRun, Kept, Length, durable_rates, durable_run};
pub use outside::{durable_instructions, instructions_per_message, system_calls_per_message};
pub use peer::{Peer, Served};
pub use plan::{Plan, WINDOW, Workload};
pub use raw::move_raw;
pub use store::{Start, StoreCost, empty_queue, fill_queue, memory_peak, start_from, store_cost};
pub use throughput::{Rates, throughput};
pub use transport::Transport;
pub use transport_rates::{TransportRate, transport_rates};
pub use watched::Batches;
