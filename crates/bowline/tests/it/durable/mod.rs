//! Durable sessions from outside: stores, and clients on them.

mod stores;
