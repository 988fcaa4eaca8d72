//! Tests of the client against peers that are played packet by packet, over in-memory streams.

mod connecting;
mod echo;
mod peer;
mod round_trip;
mod unsubscribing;
