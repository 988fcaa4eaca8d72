//! The client's request as the application sees it: what it may add and change. Knows no stream and nothing of the answer.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::endpoint::Endpoint;
use crate::sub_protocol::SubProtocol;
use crate::websocket_error::WebSocketError;

/// What belongs to the protocol and cannot be set.
const RESERVED: [&str; 7] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// A WebSocket handshake that is about to be sent: its path, query and headers. `Debug` shows the names of the headers and nothing
/// that may be secret.
#[derive(Clone)]
pub struct Handshake {
    endpoint: Endpoint,
    sub_protocol: SubProtocol,
    path_and_query: String,
    headers: Headers,
}

/// Names and values, each name once.
#[derive(Clone, Default)]
pub(super) struct Headers {
    entries: Vec<(Box<str>, Box<str>)>,
}

impl Handshake {
    pub(super) fn new(endpoint: &Endpoint, sub_protocol: SubProtocol, headers: Headers) -> Self {
        let path_and_query = match endpoint.path_and_query() {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path_and_query => path_and_query.to_owned(),
        };
        Self { endpoint: endpoint.clone(), sub_protocol, path_and_query, headers }
    }

    /// Where it goes.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What is asked for.
    pub const fn sub_protocol(&self) -> SubProtocol {
        self.sub_protocol
    }

    /// What the request will have in its `Host` header: host and port, the port only if it is not the scheme's own.
    pub fn host(&self) -> String {
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        let host = match host.split_once('%') {
            Some((address, _zone)) => address,
            None => host,
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        if self.endpoint.scheme().default_port() == Some(port) { host } else { format!("{host}:{port}") }
    }

    /// The path, which begins with a `/`, and the query if there is one.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Asks for another path and query.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Setting`] if it does not begin with a `/` or has characters that must be percent-encoded.
    pub fn set_path_and_query(&mut self, path_and_query: impl Into<String>) -> Result<(), WebSocketError> {
        self.path_and_query = path_and_query.into();
        self.check()
    }

    /// The value of a header that was set, whatever the case of the name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(Box<str>, Box<str>)| known.eq_ignore_ascii_case(name);
        self.headers.entries.iter().find(named).map(|(_, value)| &**value)
    }

    /// Sets a header; one of the same name is replaced.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Setting`] if the name is no name of a header, belongs to the protocol (`Host`, `Connection`,
    /// `Upgrade`, `Sec-WebSocket-...`), or the value has other characters than printable ASCII, space and tab.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), WebSocketError> {
        self.headers.set(name, value)
    }

    /// Whether it can be sent; the path is the URL's as long as nobody has set another one.
    pub(super) fn check(&self) -> Result<(), WebSocketError> {
        let problem = if !self.path_and_query.starts_with('/') {
            "does not begin with a /"
        } else if !self.path_and_query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            "has a character that must be percent-encoded"
        } else {
            return Ok(());
        };
        Err(WebSocketError::Setting { option: "path", problem })
    }

    /// The request, with this key.
    pub(super) fn request(&self, key: &str) -> String {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {}\r\n",
            self.path_and_query,
            self.host(),
            self.sub_protocol
        );
        for (name, value) in &self.headers.entries {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        request
    }
}

impl Headers {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), WebSocketError> {
        let refused = |problem| Err(WebSocketError::Setting { option: "header", problem });
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return refused("has a name with other characters than letters, digits and -");
        }
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return refused("has a name that belongs to the handshake itself");
        }
        // What could end the line would let a value add headers of its own.
        if !value.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t')) {
            return refused("has a value with other characters than printable ascii, space and tab");
        }
        self.entries.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.entries.push((name.into(), value.into()));
        Ok(())
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("endpoint", &self.endpoint)
            .field("sub_protocol", &self.sub_protocol)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

/// What [`HandshakeHook::handshake`] returns.
pub type HandshakeFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Handshake, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Is asked before every handshake and may change it: for signatures that are good for a moment, or for tokens.
///
/// Implemented for closures that return a future:
///
/// ```
/// use bowline_transport::{Handshake, WebSocket};
///
/// async fn token() -> String {
///     "what the token service gives".to_owned()
/// }
///
/// let options = WebSocket::new().handshake(|mut handshake: Handshake| async move {
///     let signed = format!("{}?signature={}", handshake.path_and_query(), 4711);
///     handshake.set_path_and_query(signed)?;
///     handshake.set_header("Authorization", &format!("Bearer {}", token().await))?;
///     Ok(handshake)
/// });
/// # drop(options);
/// ```
pub trait HandshakeHook: Send + Sync + 'static {
    /// The handshake to send instead. The connect timeout runs meanwhile; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The attempt fails; another one follows by the caller's policy. The error's text is shown: it must not contain a secret.
    fn handshake(&self, handshake: Handshake) -> HandshakeFuture<'_>;
}

impl<F, R> HandshakeHook for F
where
    F: Fn(Handshake) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Handshake, Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    fn handshake(&self, handshake: Handshake) -> HandshakeFuture<'_> {
        Box::pin(self(handshake))
    }
}
