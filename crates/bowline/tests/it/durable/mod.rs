//! Durable sessions from outside: stores, and clients on them.

mod barriers;
mod failing;
mod gate;
mod keys;
mod keys_in_order;
#[cfg(feature = "durable")]
mod on_disk;
mod restarting;
mod sharing;
mod stores;
