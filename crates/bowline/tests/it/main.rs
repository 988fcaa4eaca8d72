//! Tests of the client: against peers that are played packet by packet over in-memory streams, and against whole brokers over
//! TCP, our own strict one and a real Mosquitto.

mod acknowledging;
mod addresses;
mod behaviour;
#[cfg(feature = "blocking")]
mod blocking;
mod cancelling;
mod connecting;
#[cfg(all(unix, feature = "tls", feature = "websocket"))]
mod connection_errors;
mod counterpart;
#[cfg(feature = "durable")]
mod disk_store;
mod dropping;
mod duplex;
mod durable;
mod echo;
mod faults;
mod full_queue;
mod inbound;
mod pages;
mod peer;
mod peers;
mod publishing;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod real;
mod reconnecting;
mod retrying;
mod round_trip;
mod seed;
mod session_loss;
mod stalling;
mod subscribing;
mod time_limits;
#[cfg(feature = "tls")]
mod tls;
mod transports;
mod unsubscribing;
mod version_fallback;
