//! Tests of the client against peers that are played packet by packet, over in-memory streams.

mod acknowledging;
mod cancelling;
mod connecting;
mod duplex;
mod echo;
mod full_queue;
mod peer;
mod publishing;
mod retrying;
mod round_trip;
mod subscribing;
mod time_limits;
mod unsubscribing;
