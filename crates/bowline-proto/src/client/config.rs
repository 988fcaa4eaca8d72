//! What a client is made with. Checked when the engine is made, so that nothing has to be checked again later.

use alloc::vec::Vec;
use core::time::Duration;

use crate::backoff::Backoff;
use crate::client::addresses::Addresses;
use crate::client::versions::{V5Options, VersionFallback};
use crate::error::RequestError;
use crate::packet::connect::{EXPIRY_NEVER, Secret, Will};
use crate::retry::Retry;
use crate::rules::{EmptyClientId, Rules};
use crate::session::{QueueLimits, SessionLoss};
use crate::types::text::TEXT_BYTES_MAX;
use crate::types::{Text, UserProperties};
use crate::version::Version;

/// The settings of a client engine. Make one with [`ClientConfig::new`] and change what should differ.
///
/// | setting | default |
/// |---|---|
/// | `version_fallback` | `None`: the version is spoken or none |
/// | `session` | [`SessionPolicy::Clean`] |
/// | `on_session_loss` | [`SessionLoss::Indeterminate`] |
/// | `keep_alive_secs` | 60 |
/// | `connect_timeout` | 30 s |
/// | `ping_timeout` | 10 s |
/// | `in_flight_max` | 1,024 |
/// | `queue` | [`QueueLimits::default`] |
/// | `queue_age_max` | `None`: no limit |
/// | `on_full` | [`OnFull::Refuse`] |
/// | `retry` | `None`: never while the connection lasts |
/// | `inbound` | [`InboundLimits::default`] |
/// | `packet_bytes_max` | `u32::MAX`: what the protocol allows |
/// | `topic_alias_maximum` | 16 |
/// | `reconnect` | full jitter, 1 s to 60 s, reset after 30 s |
/// | `addresses` | one |
/// | `address_names` | none |
/// | `unmatched` | [`Unmatched::Hold`] |
/// | `stall_after` | 30 s |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The version to speak; with a fallback, the one that is tried first.
    pub version: Version,
    /// Whether older versions may be spoken instead.
    pub version_fallback: Option<VersionFallback>,
    /// Client Identifier. May be empty where the version allows it.
    pub client_id: Text,
    /// In 3.1, allows a client identifier of more than 23 bytes: many brokers take it. Default false.
    pub allow_long_client_id: bool,
    /// User Name.
    pub user_name: Option<Text>,
    /// Password. 3.1 and 3.1.1 need a user name with it [MQTT-3.1.2-22 of 3.1.1].
    pub password: Option<Secret>,
    /// Whether the caller says other credentials before every CONNECT that needs them, with
    /// [`set_credentials`](crate::client::ClientEngine::set_credentials): then one that was refused for its credentials is
    /// followed by one more. Default false.
    pub has_fresh_credentials: bool,
    /// The message that the broker publishes when this client is lost.
    pub will: Option<Will>,
    /// How long the session lives and where.
    pub session: SessionPolicy,
    /// What becomes of a QoS 2 publication that was sent, and not completed, when the session is lost. Each has the choice that
    /// stood when it was accepted; [`set_on_session_loss`](crate::client::ClientEngine::set_on_session_loss) changes it.
    pub on_session_loss: SessionLoss,
    /// Keep Alive in seconds; 0 turns it off. The broker may demand another value.
    pub keep_alive_secs: u16,
    /// Bound on dialling and CONNACK together.
    pub connect_timeout: Duration,
    /// How long after a PINGREQ was written a byte must arrive.
    pub ping_timeout: Duration,
    /// Most QoS 1 and 2 publications between PUBLISH and their last acknowledgement, 1 to 65,519; 1 keeps strict order
    /// over both. The broker's Receive Maximum caps it.
    pub in_flight_max: u16,
    /// How much may wait to be sent.
    pub queue: QueueLimits,
    /// How long a publication may wait to be sent, counted from its acceptance, above 0; then it is dropped, connected or
    /// not. A message expiry interval that ends earlier comes first. Not with a durable session.
    pub queue_age_max: Option<Duration>,
    /// What happens to a publication for which the queue has no room.
    pub on_full: OnFull,
    /// When unanswered packets are sent again while the connection lasts, in 3.1 and 3.1.1.
    pub retry: Option<Retry>,
    /// How much may be received and not be acknowledged.
    pub inbound: InboundLimits,
    /// The largest packet that we accept, in bytes; announced in 5.0. At least 256.
    pub packet_bytes_max: u32,
    /// How many topic aliases the broker may use.
    pub topic_alias_maximum: u16,
    /// User Properties of CONNECT.
    pub user_properties: UserProperties,
    /// Whether and when to connect again.
    pub reconnect: Reconnect,
    /// Where to connect to.
    pub addresses: Addresses,
    /// By what name a durable session remembers the address that has it, in the order of the list, where the addresses are
    /// brokers of their own ([`AddressSessions::Independent`]). An address without a name is forgotten with the program,
    /// and the next one starts anew everywhere.
    ///
    /// [`AddressSessions::Independent`]: crate::client::AddressSessions::Independent
    pub address_names: Vec<Text>,
    /// What becomes of a message that no stream wants.
    pub unmatched: Unmatched,
    /// How long a message may hold up the acknowledgements of later ones before [`Event::Stalled`] names it.
    ///
    /// [`Event::Stalled`]: crate::client::Event::Stalled
    pub stall_after: Duration,
}

/// How long a session lives and where its state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionPolicy {
    /// It ends with the connection, on both sides.
    Clean,
    /// It outlives the connection, in memory.
    InMemory {
        /// Session expiry interval in seconds, [`EXPIRY_NEVER`] for never. 3.1 and 3.1.1 have only "never".
        expiry_secs: u32,
        /// Whether to take over what the broker holds for this client identifier from before. A listed deviation from
        /// [MQTT-3.2.2-4].
        adopt: bool,
    },
    /// It outlives the process: nothing is accepted, sent or acknowledged before it is stored.
    Durable {
        /// Session expiry interval in seconds, [`EXPIRY_NEVER`] for never. 3.1 and 3.1.1 have only "never".
        expiry_secs: u32,
        /// Whether a store that knows no session takes over what the broker holds for this client identifier.
        adopt: bool,
    },
}

impl SessionPolicy {
    pub(crate) const fn expiry_secs(self) -> u32 {
        match self {
            Self::Clean => 0,
            Self::InMemory { expiry_secs, .. } | Self::Durable { expiry_secs, .. } => expiry_secs,
        }
    }

    pub(crate) const fn outlives_connection(self) -> bool {
        !matches!(self, Self::Clean)
    }

    pub(crate) const fn adopts(self) -> bool {
        matches!(self, Self::InMemory { adopt: true, .. } | Self::Durable { adopt: true, .. })
    }

    pub(crate) const fn is_durable(self) -> bool {
        matches!(self, Self::Durable { .. })
    }
}

/// How much QoS 1 and 2 may be received and not be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundLimits {
    /// Most messages, at least 1; announced as Receive Maximum in 5.0. Default 1,024.
    pub messages_max: u16,
    /// Most bytes of topics, payloads and properties; one message more in a session that ends with its connection. Default 16
    /// MiB.
    pub bytes_max: usize,
}

impl Default for InboundLimits {
    fn default() -> Self {
        Self { messages_max: 1_024, bytes_max: 16 * 1024 * 1024 }
    }
}

/// What happens to a publication for which the send queue has no room. What is dropped ends with
/// [`Outcome::Dropped`](crate::client::Outcome::Dropped).
///
/// Only what was never sent is ever dropped, by policy or by age: a publication that had a packet identifier, lost it with
/// the session and goes out again keeps its room until it is sent. A publication that alone is larger than the queue is
/// always refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// It is refused and handed back.
    #[default]
    Refuse,
    /// Those that wait longest, of any QoS, make room for it. Not with a durable session.
    DropOldest,
    /// It is dropped itself.
    DropNewest,
    /// Of each topic only the newest waits, whether the queue is full or not: a new publication takes the place of the one
    /// of its topic that waits, so that a busy topic neither loses its turn nor holds up others. Across QoS 0 and the rest
    /// there is no common order; there it takes the last place. Retained and not retained messages are kept apart, as one
    /// cannot stand in for the other. Without room for its topic a publication is refused. Costs a look-up among the
    /// topics that wait. Not with a durable session.
    KeepLastPerTopic,
}

/// Whether and when to connect again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reconnect {
    /// Never: the first loss stops the engine.
    Never,
    /// After every loss that another attempt could mend.
    After(Backoff),
}

impl From<Backoff> for Reconnect {
    fn from(backoff: Backoff) -> Self {
        Self::After(backoff)
    }
}

/// What becomes of a received message that no stream wants, not even one of unrouted messages (rule 8 of the inbound rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmatched {
    /// QoS 1 and 2 are held, unacknowledged, for a later stream; QoS 0 is dropped and counted.
    Hold,
    /// Acknowledged and counted.
    Acknowledge,
    /// Dropped without an acknowledgement: the broker sends it again on the next connection. A listed deviation from
    /// [MQTT-4.5.0-2].
    Leave,
}

impl ClientConfig {
    /// The defaults, for this version and client identifier.
    pub fn new(version: Version, client_id: Text) -> Self {
        Self {
            version,
            version_fallback: None,
            client_id,
            allow_long_client_id: false,
            user_name: None,
            password: None,
            has_fresh_credentials: false,
            will: None,
            session: SessionPolicy::Clean,
            on_session_loss: SessionLoss::Indeterminate,
            keep_alive_secs: 60,
            connect_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            in_flight_max: 1_024,
            queue: QueueLimits::default(),
            queue_age_max: None,
            on_full: OnFull::Refuse,
            retry: None,
            inbound: InboundLimits::default(),
            packet_bytes_max: u32::MAX,
            topic_alias_maximum: 16,
            user_properties: UserProperties::new(),
            reconnect: Reconnect::After(Backoff::default()),
            addresses: Addresses::default(),
            address_names: Vec::new(),
            unmatched: Unmatched::Hold,
            stall_after: Duration::from_secs(30),
        }
    }

    /// Checks every setting against every version that may be spoken, and against each other.
    ///
    /// # Errors
    /// [`RequestError`] naming the option, its value and the limit.
    pub fn check(&self) -> Result<(), RequestError> {
        if self.version_fallback.is_some_and(|fallback| fallback.oldest >= self.version) {
            return Err(RequestError::Option {
                option: "version fallback",
                problem: "must be to a version older than the one that is tried first",
            });
        }
        for version in self.versions() {
            self.check_against(version)?;
        }
        self.check_queue()?;
        self.check_retry()?;
        self.check_ranges()
    }

    /// The versions that may be spoken, newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Version> {
        self.version.down_to(self.oldest_version())
    }

    pub(crate) fn oldest_version(&self) -> Version {
        self.version_fallback.map_or(self.version, |fallback| fallback.oldest)
    }

    /// Whether what only 5.0 has is left out in older versions.
    pub(crate) fn strips_v5_options(&self) -> bool {
        self.version_fallback.is_some_and(|fallback| fallback.v5_options == V5Options::Strip)
    }

    fn check_against(&self, version: Version) -> Result<(), RequestError> {
        let rules = version.rules();
        self.check_client_id(rules)?;
        // [MQTT-3.1.2-22 of 3.1.1]
        if rules.password_needs_user_name && self.password.is_some() && self.user_name.is_none() {
            return Err(RequestError::Option { option: "password", problem: "needs a user name before 5.0" });
        }
        let may_strip = version < self.version && self.strips_v5_options();
        if rules.has_properties || may_strip { Ok(()) } else { self.check_no_version_5_options() }
    }

    // [MQTT-4.4.0-1]
    fn check_retry(&self) -> Result<(), RequestError> {
        match &self.retry {
            Some(_) if !self.versions().any(|version| version.rules().may_retry_on_timer) => {
                Err(RequestError::Option {
                    option: "retry",
                    problem: "is forbidden in 5.0 while the connection lasts",
                })
            }
            Some(retry) => retry.check(),
            None => Ok(()),
        }
    }

    /// Most of a durable queue is in the store alone, where the engine can neither see how old a publication is nor take the
    /// first one out.
    fn check_queue(&self) -> Result<(), RequestError> {
        let problem = |option, problem| Err(RequestError::Option { option, problem });
        let is_durable = self.session.is_durable();
        match (self.on_full, self.queue_age_max) {
            (OnFull::DropOldest | OnFull::KeepLastPerTopic, _) if is_durable => problem(
                "send queue: on_full",
                "must be to refuse or to drop the newest with a durable session",
            ),
            (_, Some(_)) if is_durable => {
                problem("send queue: age_max", "cannot be had with a durable session")
            }
            (_, Some(age_max)) if age_max.is_zero() => problem("send queue: age_max", "must not be zero"),
            _ => Ok(()),
        }
    }

    fn check_client_id(&self, rules: &Rules) -> Result<(), RequestError> {
        let length = self.client_id.len();
        // [MQTT-3.1.3-5] [MQTT-3.1.3-5 of 3.1.1]: what every server takes is no limit for callers after 3.1.
        if let Some(limit) =
            rules.client_id_bytes_max.filter(|&limit| length > limit && !self.allow_long_client_id)
        {
            return Err(range("client_id (bytes)", length, 1, limit));
        }
        if length > 0 {
            return Ok(());
        }
        let outlives = self.session.outlives_connection();
        match rules.empty_client_id {
            EmptyClientId::Never => {
                Err(RequestError::Option { option: "client_id", problem: "must not be empty in 3.1" })
            }
            // [MQTT-3.1.3-7 of 3.1.1]
            EmptyClientId::WithCleanSession if outlives => Err(RequestError::Option {
                option: "client_id",
                problem: "must not be empty in 3.1.1 unless the session is clean",
            }),
            // [MQTT-3.1.3-6] [MQTT-3.1.3-6 of 3.1.1]
            EmptyClientId::WithCleanSession | EmptyClientId::Always => Ok(()),
        }
    }

    fn check_no_version_5_options(&self) -> Result<(), RequestError> {
        let expiry_secs = self.session.expiry_secs();
        let will = self.will.as_ref();
        let options = [
            ("user_properties", !self.user_properties.is_empty()),
            ("session expiry", !matches!(expiry_secs, 0 | EXPIRY_NEVER)),
            ("will delay", will.is_some_and(|will| will.delay_secs.is_some())),
            ("will properties", will.is_some_and(|will| will.message.properties.is_some())),
        ];
        match options.into_iter().find(|(_, is_set)| *is_set) {
            Some((option, _)) => Err(RequestError::NeedsVersion5 { option }),
            None => Ok(()),
        }
    }

    fn check_ranges(&self) -> Result<(), RequestError> {
        let most = crate::session::packet_ids::PUBLICATIONS_MAX;
        let of_fallback = self.version_fallback.and_then(|fallback| fallback.in_flight_max);
        for in_flight_max in [Some(self.in_flight_max), of_fallback].into_iter().flatten().map(usize::from) {
            if !(1..=most).contains(&in_flight_max) {
                return Err(range("in_flight_max", in_flight_max, 1, most));
            }
        }
        let lengths = [
            ("password (bytes)", self.password.as_ref().map(|password| password.0.len())),
            ("will payload (bytes)", self.will.as_ref().map(|will| will.message.payload.len())),
        ];
        for (option, length) in lengths {
            if let Some(value) = length.filter(|&length| length > TEXT_BYTES_MAX) {
                return Err(range(option, value, 0, TEXT_BYTES_MAX));
            }
        }
        if self.inbound.messages_max == 0 {
            return Err(range("inbound.messages_max", 0, 1, usize::from(u16::MAX)));
        }
        if self.packet_bytes_max < PACKET_BYTES_LEAST {
            let (value, least) = (self.packet_bytes_max as usize, PACKET_BYTES_LEAST as usize);
            return Err(range("packet_bytes_max", value, least, u32::MAX as usize));
        }
        let timeouts = [("connect_timeout", self.connect_timeout), ("ping_timeout", self.ping_timeout)];
        if let Some((option, _)) = timeouts.into_iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(RequestError::Option { option, problem: "must not be zero" });
        }
        if self.session.outlives_connection() && self.session.expiry_secs() == 0 {
            return Err(RequestError::Option {
                option: "session expiry",
                problem: "must not be 0 for a session that outlives the connection",
            });
        }
        Ok(())
    }
}

/// Below this not even a CONNACK with a reason would fit.
const PACKET_BYTES_LEAST: u32 = 256;

const fn range(option: &'static str, value: usize, least: usize, most: usize) -> RequestError {
    RequestError::OutOfRange { option, value, least, most }
}
