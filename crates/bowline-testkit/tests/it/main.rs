//! Behaviour of the engines, seen from outside: packets and commands in, packets and events out.

mod acknowledging;
mod back_pressure;
mod closing_time;
mod connecting;
mod publishing;
mod queueing;
mod quota;
mod receiving;
mod redelivery;
mod script;
mod smoke;
