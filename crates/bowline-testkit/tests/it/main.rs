//! Behaviour of the engines, seen from outside: packets and commands in, packets and events out.

mod acknowledging;
mod back_pressure;
mod barriers;
mod closing_time;
mod connack;
mod connecting;
mod ending;
mod paging;
mod publishing;
mod queueing;
mod quota;
mod receiving;
mod reconnecting;
mod redelivery;
mod resuming;
mod script;
mod server;
mod session_loss;
mod smoke;
mod store_failures;
mod streams;
mod unsubscribing;
