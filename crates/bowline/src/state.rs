//! Where the connection is, as applications see it. Owns the values, not how they change.

use std::sync::Arc;
use std::time::Duration;

use bowline_proto::connection::Limits;
use bowline_proto::packet::ConnAck;
use bowline_proto::{Text, Version};
use bowline_transport::Endpoint;

use crate::disconnection::Disconnection;

/// Where the connection of a client is. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The transport is being opened, or CONNACK is awaited.
    Connecting,
    /// Usable.
    Connected(Arc<ConnectionInfo>),
    /// Lost or never made; the next attempt comes after the delay.
    Waiting {
        /// Which attempt in a row it will be, from 1.
        attempt: u32,
        /// How long it waits, from when this state began.
        delay: Duration,
        /// Why there is no connection.
        why: Disconnection,
    },
    /// Over for good: there will be no further attempt, and nothing can be published or subscribed.
    Ended(Disconnection),
}

/// What is known of a usable connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Where it leads.
    pub endpoint: Endpoint,
    /// The version that is spoken.
    pub version: Version,
    /// The client identifier: ours, or the one that the broker assigned.
    pub client_id: Text,
    /// Whether the broker resumed our session. `None` in 3.1, which cannot say.
    pub session_present: Option<bool>,
    /// What both sides granted.
    pub limits: Limits,
    /// The whole CONNACK, with all its properties.
    pub connack: ConnAck,
}
