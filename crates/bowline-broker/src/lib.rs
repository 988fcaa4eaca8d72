//! A small MQTT broker inside your program, for demos and for the tests of what uses MQTT: 3.1, 3.1.1 and 5.0, QoS 0 to 2,
//! retained messages, wills, sessions, wildcard and shared subscriptions.
//!
//! **Not for production.** Everything is in memory and lives in one process: no persistence, no cluster, no access rights
//! by topic, no enhanced authentication, no bridges, and no attempt to outlast hostile clients. Production belongs to
//! Mosquitto, EMQX, HiveMQ, RabbitMQ, NATS and the like.
//!
//! What it has instead is strictness: a client that breaks the protocol in any way that a broker can see is disconnected, and
//! the broker says which statement of the specification was broken. Test your client against it and look at
//! [`Broker::violations`] afterwards.
//!
//! What it sees: packets that break the format, packets out of place, anything beyond what CONNACK granted, identifiers that are
//! in use, acknowledgements that fit nothing or come out of order, messages that are sent again without need, without DUP or
//! out of order, a session that goes on although it is gone, silence beyond the keep alive, bytes after DISCONNECT. In
//! this it is stricter than production brokers, which let much of it pass.
//!
//! - [`Broker`] runs on tokio, over TCP and inside the process.
//! - [`FaultLink`] stands between clients and any broker and disturbs the line between them.
//! - [`BrokerCore`] is the broker itself, a synchronous struct without clock and sockets, for simulations and for drivers
//!   of your own.

mod broker;
mod core;
mod fault;

pub use crate::broker::{Broker, BrokerBuilder, BrokerEvents, Login, StartError};
pub use crate::core::{
    BrokerConfig, BrokerCore, BrokerEvent, BrokerOutput, BrokerStats, ConnectionId, VersionRefusal, Violation,
};
pub use crate::fault::{Direction, Fault, FaultLink, FaultStats};
