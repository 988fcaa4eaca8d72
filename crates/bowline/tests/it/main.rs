//! Tests of the client against peers that are played packet by packet, over in-memory streams.

mod acknowledging;
mod addresses;
mod cancelling;
mod connecting;
mod duplex;
mod echo;
mod peer;
mod publishing;
mod reconnecting;
mod round_trip;
mod subscribing;
mod unsubscribing;
