//! What a broker is made with. Checked when the core is made; knows no listener and no clock.

use std::time::Duration;

use bowline_proto::error::RequestError;
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::server::ServerConfig;
use bowline_proto::session::QueueLimits;
use bowline_proto::{QoS, Version};

/// The settings of a broker. Make one with [`BrokerConfig::new`] and change what should differ.
///
/// What is switched off is announced in the CONNACK of 5.0, so that a client test can demand any limit, and to use it all
/// the same is a [`Violation`](crate::Violation). The older versions cannot be told: there a filter of a kind that is off
/// is refused in SUBACK, a message of a higher QoS is passed on with the maximum, and RETAIN is ignored.
///
/// | setting | default | beyond it |
/// |---|---|---|
/// | `connection` | [`ServerConfig::new`] | as said there |
/// | `versions` | 3.1, 3.1.1 and 5.0 | CONNECT is refused, as `version_refusal` says |
/// | `version_refusal` | by CONNACK in the client's version | |
/// | `maximum_qos` | 2 | 5.0: 0x9B |
/// | `retain_available` | yes | 5.0: 0x9A |
/// | `wildcard_subscriptions` | yes | 5.0: 0xA2 |
/// | `shared_subscriptions` | yes | 5.0: 0x9E |
/// | `subscription_ids` | yes | 0xA1 |
/// | `server_keep_alive_secs` | as the client asks | |
/// | `session_expiry_secs_max` | no limit | the limit is granted instead |
/// | `queue` | 65,536 messages, 64 MiB | see [`BrokerCore`](crate::BrokerCore) |
/// | `full_queue_wait` | 5 s | the message is dropped for that client, and counted |
/// | `connections_max` | 10,000 | the transport is closed |
/// | `sessions_max` | 100,000 | CONNECT is refused: 0x97 |
/// | `subscriptions_max` | 10,000 for each client | SUBACK: 0x97 |
/// | `retained_messages_max` | 100,000 | PUBLISH is refused: 0x97 |
/// | `retained_bytes_max` | 64 MiB | PUBLISH is refused: 0x97 |
/// | `asks_authentication` | no | |
/// | `seed` | 0 | |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Receive Maximum, Maximum Packet Size, Topic Alias Maximum and the rest of what concerns one connection.
    pub connection: ServerConfig,
    /// The versions of MQTT that are spoken, at least one.
    pub versions: Vec<Version>,
    /// How clients of other versions are refused.
    pub version_refusal: VersionRefusal,
    /// The highest QoS that clients may publish with; nothing is delivered with a higher one.
    pub maximum_qos: QoS,
    /// Whether retained messages are kept.
    pub retain_available: bool,
    /// Whether filters may have `+` and `#`.
    pub wildcard_subscriptions: bool,
    /// Whether filters may begin with `$share/`.
    pub shared_subscriptions: bool,
    /// Whether SUBSCRIBE may have a Subscription Identifier.
    pub subscription_ids: bool,
    /// The keep alive that clients of 5.0 are told to use instead of their own, in seconds, 0 for none.
    pub server_keep_alive_secs: Option<u16>,
    /// The longest time that a session lives without a connection, in seconds. Clients of 5.0 are told.
    pub session_expiry_secs_max: u32,
    /// How much may wait for each client.
    pub queue: QueueLimits,
    /// How long a publisher waits for a connected client whose queue is full.
    pub full_queue_wait: Duration,
    /// Most connections at a time.
    pub connections_max: usize,
    /// Most sessions at a time, connected or not.
    pub sessions_max: usize,
    /// Most subscriptions of one client.
    pub subscriptions_max: usize,
    /// Most retained messages.
    pub retained_messages_max: usize,
    /// Most bytes of retained messages.
    pub retained_bytes_max: usize,
    /// Whether every CONNECT is asked about with [`BrokerOutput::Authenticate`](crate::BrokerOutput::Authenticate).
    pub asks_authentication: bool,
    /// Protects the topic search from filters that were made to slow it down: a number that clients cannot guess.
    pub seed: u64,
}

/// How a client is refused whose version is not spoken. Real brokers do each of these.
// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionRefusal {
    /// By a CONNACK in the client's version: reason code 0x84 in 5.0, return code 1 before.
    #[default]
    InClientsVersion,
    /// By a CONNACK of 3.1.1 with return code 1, whatever the client speaks: as a broker does that does not know the
    /// client's version.
    InV3_1_1,
    /// By closing the connection without a word.
    Close,
}

impl BrokerConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            connection: ServerConfig::new(),
            versions: Version::ALL.to_vec(),
            version_refusal: VersionRefusal::default(),
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions: true,
            shared_subscriptions: true,
            subscription_ids: true,
            server_keep_alive_secs: None,
            session_expiry_secs_max: EXPIRY_NEVER,
            queue: QueueLimits::default(),
            full_queue_wait: Duration::from_secs(5),
            connections_max: 10_000,
            sessions_max: 100_000,
            subscriptions_max: 10_000,
            retained_messages_max: 100_000,
            retained_bytes_max: 64 * 1024 * 1024,
            asks_authentication: false,
            seed: 0,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`RequestError`] naming the option, its value and the limit.
    pub fn check(&self) -> Result<(), RequestError> {
        self.connection.check()?;
        let at_least_one = [
            ("versions", self.versions.len()),
            ("connections_max", self.connections_max),
            ("sessions_max", self.sessions_max),
            ("queue.messages_max", self.queue.messages_max),
            ("queue.bytes_max", self.queue.bytes_max),
        ];
        for (option, value) in at_least_one {
            if value == 0 {
                return Err(RequestError::OutOfRange { option, value, least: 1, most: usize::MAX });
            }
        }
        Ok(())
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self::new()
    }
}
