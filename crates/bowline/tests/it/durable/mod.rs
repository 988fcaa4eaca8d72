//! Durable sessions from outside: stores, and clients on them.

mod barriers;
mod failing;
mod gate;
mod restarting;
mod stores;
