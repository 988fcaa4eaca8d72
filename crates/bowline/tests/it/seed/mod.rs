//! What twisted-mqtt can do, row by row of docs/from-twisted-mqtt.md. Knows no reason why.

mod checking;
mod connecting;
mod examples;
mod handling;
mod logging;
mod page;
mod publishing;
