//! Where to connect to, as a URL or in parts. Knows no socket; owns that a password never reaches a log.

mod credentials;
mod error;
mod host;
mod parse;
mod scheme;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

pub use credentials::Credentials;
pub use error::EndpointError;
pub use scheme::Scheme;

use host::Host;

/// Where a client connects to: parsed from `mqtt://[user[:password]@]host[:port][/path]`, or from `host` or `host:port`
/// alone, which mean `mqtt://`. The default port is that of the [`Scheme`], 1883 for `mqtt`.
///
/// An IPv6 address stands in brackets, with a zone if it needs one: `mqtt://[fe80::1%25eth0]:1883`. In user name and
/// password the characters `% / ? # @ :` and those outside ASCII are percent-encoded (`%40` for `@`); encoding others does
/// no harm. A path or query is kept for the transports that have one, plain TCP ignores it. A fragment is refused.
///
/// Neither `Display` nor `Debug` shows credentials, path or query, because any of them may hold a secret:
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
    host: Host,
    port: u16,
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
            host: Host::bare(host)?,
            port,
            path_and_query: Box::default(),
            credentials: None,
        })
    }

    /// Which transport it asks for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name or address of the host; an IPv6 address has no brackets, and its zone follows a `%`.
    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    /// The port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What follows host and port, as it was written: empty, or from its `/` or `?` on.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Host and port as they stand in a URL, for texts.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
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
            host: parts.host,
            port: parts.port,
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
            host: Host::of(addr),
            port: addr.port(),
            path_and_query: Box::default(),
            credentials: None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&format_args!("{self}")).finish()
    }
}
