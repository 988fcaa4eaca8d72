//! The options of a connection that `pub` and `sub` share, and the client's builder made of them. Knows neither command.

mod addresses;
mod password;
mod store;
mod target;
mod tls;
mod version;
mod websocket;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bowline::transport::Scheme;
use bowline::{Builder, Credentials, QoS, Role, Session, Will};
use clap::{ArgAction, Args};

use crate::exit::{Codes, Failure};
use addresses::AddressArguments;
use password::PasswordArguments;
use store::StoreArguments;
pub(crate) use store::StorePath;
pub(crate) use target::Target;
use tls::TlsArguments;
use version::VersionChoice;
use websocket::WebSocketArguments;

#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArguments {
    #[arg(value_name = "URL", help = URL_HELP, conflicts_with_all = ["url_option", "host", "port", "unix"])]
    url: Option<String>,

    /// The same as the URL without -L
    #[arg(short = 'L', long = "url", value_name = "URL", conflicts_with_all = ["host", "port", "unix"])]
    url_option: Option<String>,

    /// The broker's name or address
    #[arg(short, long, default_value = "localhost")]
    host: String,

    /// The broker's port: 1883, with TLS 8883, if it is not given
    #[arg(short, long)]
    port: Option<u16>,

    /// The broker's Unix socket, instead of host and port
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    unix: Option<PathBuf>,

    /// The version of MQTT: 31, 311 or 5 (also mqttv31, mqttv311, mqttv5), or auto: the newest that the broker takes
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5", value_parser = VersionChoice::parse)]
    protocol_version: VersionChoice,

    /// The client identifier; made up if it is not given
    #[arg(short, long)]
    id: Option<String>,

    /// Make up a client identifier that begins like this; the number of the process follows
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    id_prefix: Option<String>,

    /// Seconds of silence before a PINGREQ; 0 for none
    #[arg(short, long, value_name = "SECS", default_value_t = 60)]
    keepalive: u16,

    /// Keep the session at the broker, and take over what it holds; needs --id
    #[arg(short = 'c', long, requires = "id")]
    disable_clean_session: bool,

    /// How long the broker keeps the session after the connection is over (5.0), -1: as long as it exists; that is the default
    /// with -c
    #[arg(short = 'x', long, value_name = "SECS", allow_negative_numbers = true, value_parser = expiry)]
    session_expiry_interval: Option<u32>,

    /// Messages of QoS 1 and 2 on their way at most: 1,024, before 5.0: 20, beyond which Mosquitto closes the connection
    #[arg(short = 'M', long, value_name = "COUNT")]
    max_inflight: Option<u16>,

    /// The local address that the connection comes from
    #[arg(short = 'A', long, value_name = "ADDRESS", conflicts_with = "unix")]
    bind_address: Option<IpAddr>,

    /// Small packets are sent at once in any case; Mosquitto's programs do it with this option
    #[arg(long, hide = true)]
    nodelay: bool,

    /// Say nothing on stderr but what -d logs; exit codes are the same
    #[arg(long)]
    quiet: bool,

    /// Log every packet to stderr
    #[arg(short, long)]
    debug: bool,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten)]
    addresses: AddressArguments,

    #[command(flatten)]
    login: PasswordArguments,

    #[command(flatten)]
    tls: TlsArguments,

    #[command(flatten)]
    websocket: WebSocketArguments,

    #[command(flatten)]
    store: StoreArguments,

    #[command(flatten)]
    will: WillArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Will")]
struct WillArguments {
    /// Where the broker publishes if this program is lost
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,

    /// What it publishes; nothing if it is not given
    #[arg(long, value_name = "TEXT", requires = "will_topic")]
    will_payload: Option<OsString>,

    /// With which QoS
    #[arg(long, value_name = "QOS", default_value = "0", value_parser = qos, requires = "will_topic")]
    will_qos: QoS,

    /// Whether it keeps it for later subscribers
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
}

const URL_HELP: &str = "Broker and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], or broker alone: ws[s]://host[:port]/path, unix:///path";

/// The bytes that a connection may hold of messages that are not acknowledged: room for the largest that there are.
const INBOUND_BYTES_MAX: usize = 320 * 1024 * 1024;
/// As many as 5.0 knows. Mosquitto 2.0.11 exceeds a smaller number that it is told, which would end the connection.
const INBOUND_MESSAGES_MAX: u16 = 65_535;

impl ConnectArguments {
    /// How the broker says that it refuses.
    pub(crate) fn codes(&self) -> Codes {
        self.protocol_version.codes()
    }

    pub(crate) const fn is_debug(&self) -> bool {
        self.debug
    }

    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Where the session is kept.
    pub(crate) fn store(&self) -> Option<StorePath> {
        self.store.path()
    }

    /// Where to connect to, and the topic of the URL.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        match self.url.as_ref().or(self.url_option.as_ref()) {
            Some(url) => {
                let target = Target::of_url(url)?;
                self.websocket.check_beside(&target)?;
                Ok(target)
            }
            None => match &self.unix {
                Some(path) => Target::of_socket(path),
                None => Target::of_host(&self.host, self.port, self.tls.is_given(), self.websocket.path()),
            },
        }
    }

    /// Sets every option on a builder. May ask for a password on the terminal.
    pub(crate) fn configure<R: Role>(
        &self,
        builder: Builder<R>,
        target: &Target,
    ) -> Result<Builder<R>, Failure> {
        let builder =
            self.protocol_version.configure(self.addresses.configure(builder, target.endpoint.scheme())?);
        let mut builder = builder
            .allow_long_client_id()
            .keep_alive(Duration::from_secs(self.keepalive.into()))
            .inbound_max(INBOUND_MESSAGES_MAX, INBOUND_BYTES_MAX)
            .session(self.session()?);
        if let Some(credentials) = self.login.credentials(target)? {
            builder = builder.credentials(credentials);
        } else {
            builder = builder.credentials(Credentials::none());
        }
        if target.is_encrypted() || self.addresses.have([Scheme::Mqtts, Scheme::Wss]) {
            builder = builder.tls(self.tls.tls()?);
        } else if self.tls.is_given() {
            return Err(Failure::usage("options of TLS need a URL with mqtts:// or wss://"));
        }
        if target.is_websocket() || self.addresses.have([Scheme::Ws, Scheme::Wss]) {
            builder = builder.websocket(self.websocket.options()?);
        } else if self.websocket.is_given() {
            return Err(Failure::usage("--ws-header needs --ws, or a URL with ws:// or wss://"));
        }
        if let Some(id) = &self.id {
            builder = builder.client_id(id);
        }
        if let Some(prefix) = &self.id_prefix {
            builder = builder.client_id(format!("{prefix}{}", std::process::id()));
        }
        if let Some(address) = self.bind_address {
            builder = builder.bind_address(SocketAddr::new(address, 0));
        }
        if let Some(messages) = self.max_inflight {
            builder = builder.in_flight_max(messages);
        }
        if let Some(will) = self.will.will() {
            builder = builder.will(will);
        }
        Ok(builder)
    }

    fn session(&self) -> Result<Session, Failure> {
        let expiry = self.session_expiry_interval.map(|secs| Duration::from_secs(secs.into()));
        if expiry.is_some() && !self.protocol_version.is_exactly_v5() {
            return Err(Failure::usage("--session-expiry-interval needs -V 5"));
        }
        if let Some(store) = self.store() {
            return match expiry {
                Some(Duration::ZERO) => Err(Failure::usage(
                    "with -x 0 the session would not outlive the connection, as --store wants",
                )),
                Some(expiry) => Ok(store.session().expiry(expiry)),
                None => Ok(store.session()),
            };
        }
        let kept = match expiry {
            Some(expiry) => Session::in_memory().expiry(expiry),
            None => Session::in_memory(),
        };
        Ok(match (self.disable_clean_session, expiry) {
            (true, _) => kept,
            (false, None | Some(Duration::ZERO)) => Session::clean(),
            (false, Some(_)) => kept.fresh(),
        })
    }
}

impl WillArguments {
    fn will(&self) -> Option<Will> {
        let topic = self.will_topic.as_deref()?;
        let payload = self.will_payload.clone().map_or_else(Vec::new, OsString::into_encoded_bytes);
        let will = Will::new(topic, payload).qos(self.will_qos);
        Some(if self.will_retain { will.retain() } else { will })
    }
}

/// Reads how long a session is kept; what stands for ever is that of 5.0.
fn expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "\u{221e}" => Ok(u32::MAX),
        secs => secs.parse().map_err(|_| format!("it is 0 to {} seconds, or -1", u32::MAX)),
    }
}

/// Reads a QoS.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => Ok(QoS::ExactlyOnce),
        _ => Err("a QoS is 0, 1 or 2".into()),
    }
}
