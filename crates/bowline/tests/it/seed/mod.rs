//! What twisted-mqtt can do, row by row of docs/from-twisted-mqtt.md. Knows no reason why.

mod checking;
mod connecting;
mod examples;
mod handling;
pub(crate) mod logging;
mod page;
mod publishing;
