//! Durable sessions from outside: stores, and clients on them.

mod barriers;
mod failing;
mod gate;
#[cfg(feature = "durable")]
mod on_disk;
mod restarting;
mod stores;
