//! The builder: every option, its default and its check.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bowline_proto::client::{
    AddressOrder, AddressSessions, ClientConfig, Reconnect, SessionLoss, Unmatched, VersionFallback,
};
use bowline_proto::packet::Secret;
use bowline_proto::retry::Retry;
use bowline_proto::{Text, Version};
use bowline_transport::{Connector, Endpoint};

use crate::attempt::BeforeConnect;
use crate::builder::error::ConnectError;
use crate::builder::id::generated_client_id;
use crate::builder::send_queue::{OnFull, SendQueue};
use crate::builder::session::Session;
use crate::builder::transports::Transports;
use crate::builder::will::Will;
use crate::connection::Connection;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::store::SessionStore;

/// What a connection is for: a [`Client`](crate::Client), a [`Publisher`](crate::Publisher) or a
/// [`Subscriber`](crate::Subscriber). Sealed.
pub trait Role: sealed::Sealed + Sized + Send + 'static {}

pub(crate) mod sealed {
    use bowline_proto::client::Unmatched;

    use crate::connection::Connection;

    #[expect(unnameable_types, reason = "this is what seals the role")]
    pub trait Sealed {
        #[doc(hidden)]
        const UNMATCHED: Unmatched;

        #[doc(hidden)]
        fn of_connection(connection: Connection) -> Self;
    }
}

/// Makes a client. Every option has a default:
///
/// | option | default | range |
/// |---|---|---|
/// | [`version`](Self::version) | [`Version::V5`] | |
/// | [`version_fallback`](Self::version_fallback) | none: this version or none | older than `version` |
/// | [`client_id`](Self::client_id) | generated: `bowline` and 16 letters and digits | 23 bytes in 3.1, 65,535 else |
/// | [`session`](Self::session) | [`Session::clean`] | clean, in memory, or durable |
/// | [`on_session_loss`](Self::on_session_loss) | [`SessionLoss::Indeterminate`] | |
/// | [`keep_alive`](Self::keep_alive) | 60 s | 0 (off) to 65,535 s |
/// | [`connect_timeout`](Self::connect_timeout) | 30 s | above 0 |
/// | [`ping_timeout`](Self::ping_timeout) | 10 s | above 0 |
/// | [`in_flight_max`](Self::in_flight_max) | 1,024; before 5.0: 20 | 1 to 65,519; the broker's Receive Maximum caps it |
/// | [`send_queue`](Self::send_queue) | 65,536 messages, 64 MiB, any age, wait when full | |
/// | [`retry`](Self::retry) (3.1, 3.1.1) | never while the connection lasts | first time 100 ms and above |
/// | [`inbound_max`](Self::inbound_max) | 1,024 messages, 16 MiB | 1 to 65,535 messages |
/// | [`packet_bytes_max`](Self::packet_bytes_max) | what the protocol allows: 256 MiB | 256 and above |
/// | [`topic_alias_max`](Self::topic_alias_max) (5.0) | 16 | 0 to 65,535 |
/// | [`reconnect`](Self::reconnect) | full jitter from 1 s to 60 s, reset after 30 s | first delay 10 ms and above |
/// | [`also`](Self::also) | no other address | 64 addresses in all |
/// | [`address_order`](Self::address_order) | as listed | |
/// | [`address_sessions`](Self::address_sessions) | shared | |
/// | [`redirects_max`](Self::redirects_max) (5.0) | 3 | 0 (off) to 255 |
/// | [`before_connect`](Self::before_connect) | nobody is asked | |
/// | [`credentials`](Self::credentials) | those of the URL, or none | 65,535 bytes each |
/// | [`will`](Self::will) | none | payload 65,535 bytes |
/// | [`stall_after`](Self::stall_after) | 30 s | |
/// | [`unmatched`](Self::unmatched) | hold; leave, if this is a [`Publisher`](crate::Publisher) | |
/// | [`unrouted`](Self::unrouted) | not opened | |
/// | [`connector`](Self::connector) | TCP or what else the URL's scheme names | |
/// | `tls` (feature `tls`) | the platform's roots, no client certificate | |
/// | [`tcp`](Self::tcp) | those of [`TcpOptions`](bowline_transport::TcpOptions) | |
/// | [`bind_address`](Self::bind_address), [`bind_interface`](Self::bind_interface) | the operating system chooses | |
/// | `websocket` (feature `websocket`) | those of `WebSocket` | |
/// | [`user_property`](Self::user_property) (5.0) | none | |
///
/// Values are checked when the client is made; the error names option, value and limit.
///
/// ```no_run
/// # async fn example() -> Result<(), bowline::ConnectError> {
/// use bowline::{Client, QoS, Session, Version, Will};
/// use std::time::Duration;
///
/// let client = Client::builder("mqtt://broker.example")?
///     .client_id("meter-7")
///     .version(Version::V3_1_1)
///     .session(Session::in_memory())
///     .keep_alive(Duration::from_secs(30))
///     .will(Will::new("meter/7/state", "gone").qos(QoS::AtLeastOnce).retain())
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens until it is connected"]
pub struct Builder<R> {
    /// At least one.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) config: ClientConfig,
    /// The store of a durable session.
    pub(super) store: Option<Box<dyn SessionStore>>,
    /// Whether the client identifier is one that was made up.
    pub(super) has_generated_id: bool,
    client_id: Option<String>,
    session: Session,
    in_flight_max: Option<u16>,
    /// Whether one who publishes waits for room in the send queue.
    pub(super) waits_for_room: bool,
    pub(super) connector: Option<Arc<dyn Connector>>,
    pub(super) transports: Transports,
    pub(super) provider: Option<Arc<dyn CredentialsProvider>>,
    pub(super) hook: Option<Arc<dyn BeforeConnect>>,
    /// The first value that is not legal.
    error: Option<ConnectError>,
    role: PhantomData<fn() -> R>,
}

impl<R: Role> Builder<R> {
    pub(crate) fn new(url: &str) -> Result<Self, ConnectError> {
        Ok(Self::of_endpoint(url.parse::<Endpoint>()?))
    }

    fn of_endpoint(endpoint: Endpoint) -> Self {
        let mut config = ClientConfig::new(Version::V5, Text::EMPTY);
        config.unmatched = R::UNMATCHED;
        let credentials = endpoint.credentials().map(|of_url| Credentials {
            user_name: (!of_url.user().is_empty()).then(|| of_url.user().to_owned()),
            password: of_url.password().cloned(),
        });
        let builder = Self {
            endpoints: vec![endpoint],
            config,
            store: None,
            has_generated_id: false,
            client_id: None,
            session: Session::clean(),
            in_flight_max: None,
            waits_for_room: true,
            connector: None,
            transports: Transports::default(),
            provider: None,
            hook: None,
            error: None,
            role: PhantomData,
        };
        match credentials {
            Some(credentials) => builder.credentials(credentials),
            None => builder,
        }
    }

    /// Another address, to be tried when those before it fail: an attempt that fails is followed at once by one at the next
    /// address, until each has had its turn; then [`reconnect`](Self::reconnect)'s delay comes. After the loss of a connection
    /// the delay comes first, and the address that was lost is the first to be tried.
    ///
    /// All options, credentials included, are the same for all addresses; so this URL must have none.
    pub fn also(mut self, url: &str) -> Self {
        match url.parse::<Endpoint>() {
            Ok(endpoint) if endpoint.credentials().is_some() => {
                self.refuse(
                    "also",
                    "must not have credentials: those of the client are for all addresses".into(),
                );
            }
            Ok(_) if self.endpoints.len() >= ADDRESSES_MAX => {
                self.refuse("also", format!("is one address too many, the most are {ADDRESSES_MAX}"));
            }
            Ok(endpoint) => self.endpoints.push(endpoint),
            Err(error) => self.refuse("also", error.to_string()),
        }
        self
    }

    /// In which order several addresses are tried.
    pub const fn address_order(mut self, order: AddressOrder) -> Self {
        self.config.addresses.order = order;
        self
    }

    /// Whether several addresses know one another's sessions, as those of a cluster do, or are brokers of their own.
    pub const fn address_sessions(mut self, sessions: AddressSessions) -> Self {
        self.config.addresses.sessions = sessions;
        self
    }

    /// How often in a row a 5.0 server may send the client to another one (*use another server*, *server moved*) and be
    /// followed; 0 for never. Counted anew once a connection has lasted.
    ///
    /// The other server gets the same credentials, as it is expected to be of the same house. It is followed only over the same
    /// transport, never from an encrypted one to a plain one. Where even the first server is not to be trusted with that, set
    /// this to 0: the client then moves on in its list of addresses, or ends if there is only one.
    pub const fn redirects_max(mut self, redirects: u8) -> Self {
        self.config.addresses.redirects_max = redirects;
        self
    }

    /// The version of MQTT to speak: this one and no other, unless a [fallback](Self::version_fallback) is allowed.
    pub const fn version(mut self, version: Version) -> Self {
        self.config.version = version;
        self
    }

    /// Lets the client fall back to older versions where the broker does not speak [`version`](Self::version), which is
    /// tried first. What the broker accepts is kept as long as the client lives, and
    /// [`ConnectionInfo::version`](crate::ConnectionInfo::version) says which it is.
    ///
    /// Options of the client that only 5.0 has are refused when it is made, and messages and subscriptions with such options
    /// fail when an older version is spoken; [`VersionFallback::strip`] has both left out instead.
    ///
    /// ```
    /// use bowline::{Client, Version, VersionFallback};
    ///
    /// // 5.0, or else 3.1.1.
    /// let builder = Client::builder("mqtt://localhost")?
    ///     .version_fallback(VersionFallback::to(Version::V3_1_1));
    /// # Ok::<(), bowline::ConnectError>(())
    /// ```
    pub const fn version_fallback(mut self, fallback: VersionFallback) -> Self {
        self.config.version_fallback = Some(fallback);
        self
    }

    /// The client identifier. Empty has the broker choose one, where the version allows it; that is not the same as leaving
    /// this out, which generates one.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// In 3.1, allows a client identifier of more than 23 bytes: many brokers take it.
    pub const fn allow_long_client_id(mut self) -> Self {
        self.config.allow_long_client_id = true;
        self
    }

    /// How long the session lives, and where it is kept.
    pub fn session(mut self, session: Session) -> Self {
        self.session = session;
        self
    }

    /// What becomes of a QoS 2 message that was sent, in either phase, when the broker has lost the session before it was
    /// completed; or is not asked for it, as another of several independent addresses. Nobody knows then whether it has arrived.
    /// [`Publish::on_session_loss`](crate::Publish::on_session_loss) says otherwise for one message. What an earlier process has
    /// left in the store of a durable session keeps the choice that it was accepted with.
    ///
    /// By default it ends as [`PublishErrorKind::Indeterminate`](crate::PublishErrorKind::Indeterminate) and is not doubled; with
    /// [`SessionLoss::PublishAgain`] it is not lost. In 3.1 no broker can say that it has lost a session, and neither happens.
    pub const fn on_session_loss(mut self, choice: SessionLoss) -> Self {
        self.config.on_session_loss = choice;
        self
    }

    /// How long the connection may be silent before a PINGREQ is sent, in whole seconds; zero turns it off. A 5.0 broker may
    /// demand another value.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        match u16::try_from(keep_alive.as_secs()) {
            Ok(secs) if secs > 0 || keep_alive.is_zero() => self.config.keep_alive_secs = secs,
            _ => self.refuse("keep_alive", format!("is {keep_alive:?}, allowed are 0 and 1 to 65535 s")),
        }
        self
    }

    /// How long opening the transport and waiting for CONNACK may take together.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.config.connect_timeout = limit;
        self
    }

    /// How long after a PINGREQ was written something must arrive.
    pub const fn ping_timeout(mut self, limit: Duration) -> Self {
        self.config.ping_timeout = limit;
        self
    }

    /// Most QoS 1 and 2 messages between PUBLISH and their last acknowledgement; 1 keeps strict order over both.
    ///
    /// Before 5.0 a broker cannot say how many it takes, and some close the connection beyond their limit: Mosquitto beyond 20
    /// of QoS 2, unless it is configured otherwise. Raise it where the broker's limit is known.
    pub const fn in_flight_max(mut self, messages: u16) -> Self {
        self.in_flight_max = Some(messages);
        self
    }

    /// How much may wait to be sent, how long, and what happens beyond that.
    pub const fn send_queue(mut self, queue: SendQueue) -> Self {
        queue.apply(&mut self.config);
        self.waits_for_room = !matches!(queue.when_full(), OnFull::Reject);
        self
    }

    /// Has unanswered packets sent again while the connection lasts: for brokers that lose them. 3.1 and 3.1.1 only, off unless
    /// set; without it they are sent again on the next connection, as in 5.0.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.config.retry = Some(retry);
        self
    }

    /// How much QoS 1 and 2 may be received and not be acknowledged, over all streams; the messages are announced as Receive
    /// Maximum in 5.0. Beyond it the connection is closed, and a kept session delivers again; with a clean session reading
    /// pauses before, after the one message that crosses the bound in bytes.
    pub const fn inbound_max(mut self, messages: u16, bytes: usize) -> Self {
        self.config.inbound.messages_max = messages;
        self.config.inbound.bytes_max = bytes;
        self
    }

    /// The largest packet to accept; announced in 5.0.
    pub const fn packet_bytes_max(mut self, bytes: u32) -> Self {
        self.config.packet_bytes_max = bytes;
        self
    }

    /// How many topic aliases the broker may use (5.0).
    pub const fn topic_alias_max(mut self, aliases: u16) -> Self {
        self.config.topic_alias_maximum = aliases;
        self
    }

    /// Whether and when to connect again after a loss that another attempt could mend; [`LossClass`](crate::LossClass) has the
    /// table. A [`Backoff`](crate::Backoff) or [`Reconnect::Never`].
    pub fn reconnect(mut self, reconnect: impl Into<Reconnect>) -> Self {
        self.config.reconnect = reconnect.into();
        self
    }

    /// User name and password, instead of those of the URL.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        match credentials.user_name.map(Text::try_from).transpose() {
            Ok(user_name) => self.config.user_name = user_name,
            Err(error) => self.refuse("user name", error.to_string()),
        }
        self.config.password = credentials.password.map(Secret);
        self
    }

    /// Is asked for user name and password before every CONNECT, instead of [`credentials`](Self::credentials). If the broker
    /// refuses what it said, it is asked once more; if that is refused too, the client ends.
    pub fn credentials_provider(mut self, provider: impl CredentialsProvider) -> Self {
        self.config.has_fresh_credentials = true;
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Is asked before every attempt to connect, and may change credentials and address. Its credentials go before those of
    /// [`credentials_provider`](Self::credentials_provider). If the broker refuses what it said, it is asked once more.
    pub fn before_connect(mut self, hook: impl BeforeConnect) -> Self {
        self.config.has_fresh_credentials = true;
        self.hook = Some(Arc::new(hook));
        self
    }

    /// What the broker publishes when the connection is lost without a DISCONNECT.
    pub fn will(mut self, will: Will) -> Self {
        match will.into_packet() {
            Ok(will) => self.config.will = Some(will),
            Err(problem) => self.refuse("will", problem),
        }
        self
    }

    /// How long a message may wait to be taken, and hold up later acknowledgements, before an
    /// [`Event::Stalled`](crate::Event::Stalled) names it.
    pub const fn stall_after(mut self, limit: Duration) -> Self {
        self.config.stall_after = limit;
        self
    }

    /// What becomes of a received message that no stream wants.
    pub const fn unmatched(mut self, unmatched: Unmatched) -> Self {
        self.config.unmatched = unmatched;
        self
    }

    /// Adds a User Property to CONNECT (5.0).
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        match (Text::try_from(name.into()), Text::try_from(value.into())) {
            (Ok(name), Ok(value)) => self.config.user_properties.push((name, value)),
            (Err(error), _) | (_, Err(error)) => self.refuse("user_property", error.to_string()),
        }
        self
    }

    /// Puts the parts together and checks what can be checked without the engine.
    pub(super) fn finish(mut self) -> Result<Self, ConnectError> {
        self.has_generated_id = self.client_id.is_none();
        let client_id = self.client_id.take().unwrap_or_else(generated_client_id);
        match Text::try_from(client_id) {
            Ok(client_id) => self.config.client_id = client_id,
            Err(error) => self.refuse("client_id", error.to_string()),
        }
        let session = std::mem::take(&mut self.session);
        (self.config.session, self.store) = session.into_parts(self.has_generated_id);
        self.config.addresses.count = u16::try_from(self.endpoints.len()).unwrap_or(u16::MAX);
        let names = self.endpoints.iter().map(|endpoint| Text::try_from(endpoint.to_string()));
        self.config.address_names = names.map(Result::unwrap_or_default).collect();
        if let Some(messages) = self.in_flight_max {
            self.config.in_flight_max = messages;
        } else if !self.config.version.rules().has_properties {
            self.config.in_flight_max = IN_FLIGHT_MAX_UNTOLD;
        } else if let Some(fallback) = &mut self.config.version_fallback {
            fallback.in_flight_max.get_or_insert(IN_FLIGHT_MAX_UNTOLD);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        // Before a store is opened for nothing.
        self.config.check()?;
        Ok(self)
    }

    pub(super) fn connector_or_default(&self) -> Arc<dyn Connector> {
        self.transports.connector(self.connector.clone(), self.config.connect_timeout)
    }

    pub(super) fn handle(connection: Connection) -> R {
        R::of_connection(connection)
    }

    fn refuse(&mut self, option: &'static str, problem: String) {
        self.error.get_or_insert(ConnectError::Option { option, problem });
    }
}

/// Most addresses of one client.
const ADDRESSES_MAX: usize = 64;

/// What every broker takes that cannot say how much it takes.
const IN_FLIGHT_MAX_UNTOLD: u16 = 20;

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("endpoints", &self.endpoints)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
