//! Behaviour of the engines, seen from outside: packets and commands in, packets and events out.

mod acknowledging;
mod closing_time;
mod connecting;
mod publishing;
mod queueing;
mod quota;
mod redelivery;
mod script;
mod smoke;
