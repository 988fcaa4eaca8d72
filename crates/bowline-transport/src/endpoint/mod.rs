//! Where to connect to, as a URL or in parts. Knows no socket; owns that a password never reaches a log.

mod credentials;
mod error;
mod host;
mod parse;
mod place;
mod scheme;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

pub use credentials::Credentials;
pub use error::EndpointError;
pub use scheme::Scheme;

use host::Host;
use place::Place;

/// Where a client connects to: parsed from `mqtt://[user[:password]@]host[:port][/path]`, or from `host` or `host:port`
/// alone, which mean `mqtt://`. The default port is that of the [`Scheme`], 1883 for `mqtt`.
///
/// An IPv6 address stands in brackets, with a zone if it needs one: `mqtt://[fe80::1%25eth0]:1883`. In user name and
/// password the characters `% / ? # @ :` and those outside ASCII are percent-encoded (`%40` for `@`); encoding others does
/// no harm. A path or query is kept for the transports that have one, plain TCP ignores it. A fragment is refused.
///
/// `unix:///run/mosquitto.sock` is the Unix socket at that path, percent-encoded where it has other characters than letters,
/// digits, `/ - . _ ~` and those outside ASCII; credentials stand before the path: `unix://user:password@/run/mosquitto.sock`.
///
/// Neither `Display` nor `Debug` shows credentials, path or query, because any of them may hold a secret (the path of a Unix
/// socket is its address and is shown):
///
/// ```
/// use bowline_transport::Endpoint;
///
/// let endpoint: Endpoint = "mqtt://meter-7:tide%21@broker.example".parse()?;
/// assert_eq!(endpoint.to_string(), "mqtt://broker.example:1883");
/// assert_eq!(endpoint.credentials().and_then(|it| it.password()).map(|it| &it[..]), Some(&b"tide!"[..]));
/// # Ok::<(), bowline_transport::EndpointError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    place: Place,
    path_and_query: Box<str>,
    credentials: Option<Credentials>,
}

impl Endpoint {
    /// Plain TCP to a host name or address (IPv6 without brackets) and port.
    ///
    /// # Errors
    ///
    /// If the host is no name and no address, or the port is 0.
    pub fn tcp(host: &str, port: u16) -> Result<Self, EndpointError> {
        if port == 0 {
            return Err(EndpointError::PortInvalid);
        }
        Ok(Self {
            scheme: Scheme::Mqtt,
            place: Place::Host { host: Host::bare(host)?, port },
            path_and_query: Box::default(),
            credentials: None,
        })
    }

    /// The Unix socket at this absolute path.
    ///
    /// # Errors
    ///
    /// If the path is not absolute or contains a NUL.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, EndpointError> {
        Ok(Self {
            scheme: Scheme::Unix,
            place: Place::socket(path.as_ref())?,
            path_and_query: Box::default(),
            credentials: None,
        })
    }

    /// Which transport it asks for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name or address of the host; an IPv6 address has no brackets, and its zone follows a `%`. Empty for a Unix socket.
    pub fn host(&self) -> &str {
        match &self.place {
            Place::Host { host, .. } => host.as_str(),
            Place::Socket(_) => "",
        }
    }

    /// The port: above 0, except for a Unix socket, which has none.
    pub const fn port(&self) -> u16 {
        match &self.place {
            Place::Host { port, .. } => *port,
            Place::Socket(_) => 0,
        }
    }

    /// The path of the Unix socket, if it is one.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Host { .. } => None,
            Place::Socket(path) => Some(path),
        }
    }

    /// What follows host and port, as it was written: empty, or from its `/` or `?` on.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Host and port as they stand in a URL, for texts.
    pub(crate) fn host_and_port(&self) -> String {
        self.place.to_string()
    }

    /// The user name and password, if the URL has any.
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl EndpointError {
    /// This scheme cannot be dialed.
    pub(crate) fn not_built(scheme: Scheme) -> Self {
        let (scheme, feature) = scheme.name_and_lack();
        Self::SchemeNotBuilt { scheme, feature }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let parts = parse::parts(url)?;
        Ok(Self {
            scheme: parts.scheme,
            place: parts.place,
            path_and_query: parts.path_and_query.into(),
            credentials: parts.credentials,
        })
    }
}

impl From<SocketAddr> for Endpoint {
    /// Plain TCP to this address.
    fn from(addr: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Mqtt,
            place: Place::Host { host: Host::of(addr), port: addr.port() },
            path_and_query: Box::default(),
            credentials: None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.place)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&format_args!("{self}")).finish()
    }
}
