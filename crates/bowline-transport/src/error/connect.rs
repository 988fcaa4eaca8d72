//! What keeps a stream from coming about on the client's side, and what it comes down to. Knows no text.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::tls_error::{TlsError, TlsErrorKind};
#[cfg(feature = "websocket")]
use crate::websocket_error::WebSocketError;

/// Why a stream could not be opened. Its text tells a person what happened and what to change; [`Error::source`] is what
/// the operating system said, where it said something.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name of the host could not be turned into addresses.
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The resolver knows the name, but no address that can be used.
    NoAddress {
        /// The name, or host and port.
        host: String,
        /// The address to bind to, if it is why the host's addresses cannot be used: they are of the other family.
        bind: Option<SocketAddr>,
    },
    /// The host answered that nobody listens there.
    Refused {
        /// Host or listener that refused: address and port, or the name of an in-process listener.
        addr: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// There was no answer in time.
    TimedOut {
        /// Host and port as they were asked for.
        target: String,
        /// How long it took: our limit, unless the operating system gave up earlier.
        after: Duration,
        /// The addresses that were tried. None if the name was not resolved in time.
        tried: Vec<SocketAddr>,
    },
    /// There is no way to the address.
    Unreachable {
        /// The address.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The local address asked for cannot be used.
    Bind {
        /// The local address.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused an option of the socket.
    Option {
        /// Which option.
        option: &'static str,
        /// What it was to be.
        value: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something else went wrong between the socket and the address.
    Io {
        /// The address.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Several addresses were tried, and each failed in its own way.
    Addresses {
        /// Host and port as they were asked for.
        target: String,
        /// What came of each, in the order of the attempts; at least two.
        attempts: Vec<Self>,
    },
    /// The other side reset the connection before it had said anything.
    BrokenOff {
        /// Who.
        peer: String,
        /// What carried the bytes, as [`StreamDescription::transport`](crate::StreamDescription::transport) says it.
        transport: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The other side answered in TLS what was said to it in the clear.
    SpeaksTls {
        /// Who.
        peer: String,
    },
    /// The other side answered in HTTP what was said to it in MQTT: a web server, or a broker's port for WebSocket.
    SpeaksHttp {
        /// Who.
        peer: String,
        /// What carried the bytes, as [`StreamDescription::transport`](crate::StreamDescription::transport) says it.
        transport: &'static str,
        /// The status of the answer, if it has one.
        status: Option<u16>,
    },
    /// What the other side said first can be no MQTT.
    NotMqtt {
        /// Who.
        peer: String,
        /// What carried the bytes, as [`StreamDescription::transport`](crate::StreamDescription::transport) says it.
        transport: &'static str,
        /// What it is, if it can be told. What was sent is not shown: it might repeat a secret that it was sent.
        protocol: Option<&'static str>,
    },
    /// The other side took the connection, and ended it before it had said anything.
    Closed {
        /// Who.
        peer: String,
        /// What carried the bytes, as [`StreamDescription::transport`](crate::StreamDescription::transport) says it.
        transport: &'static str,
    },
    /// The other side took the connection, and said nothing as long as it was waited for.
    Silent {
        /// Who.
        peer: String,
        /// What carried the bytes, as [`StreamDescription::transport`](crate::StreamDescription::transport) says it.
        transport: &'static str,
    },
    /// The Unix socket cannot be connected to.
    Socket {
        /// Where it is.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// TLS could not be agreed on, or its settings cannot be used.
    #[cfg(feature = "tls")]
    Tls {
        /// What went wrong.
        source: TlsError,
    },
    /// There was no WebSocket, or its settings cannot be used.
    #[cfg(feature = "websocket")]
    WebSocket {
        /// What went wrong.
        source: WebSocketError,
    },
    /// A connector from outside this crate failed.
    Custom {
        /// What it said. Its text is shown as it is: it must not contain a secret.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a [`ConnectError`] comes down to, for programs that only choose what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The name leads to no address that can be used.
    Resolve,
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No way there.
    Unreachable,
    /// The local address cannot be used: another attempt fails in the same way.
    Bind,
    /// An option of the socket cannot be set: another attempt fails in the same way.
    Option,
    /// The other side reset the connection before it had said anything.
    BrokenOff,
    /// The other side wants TLS.
    SpeaksTls,
    /// The other side speaks HTTP, and wants WebSocket if it is a broker.
    SpeaksHttp,
    /// The other side speaks neither MQTT, nor TLS, nor HTTP.
    NotMqtt,
    /// The other side took the connection, and ended it before it had said anything.
    Closed,
    /// The other side took the connection, and said nothing in time.
    Silent,
    /// TLS could not be agreed on, or its settings cannot be used. A handshake that takes too long is
    /// [`TimedOut`](Self::TimedOut).
    #[cfg(feature = "tls")]
    Tls(TlsErrorKind),
    /// There was no WebSocket, or its settings cannot be used. A handshake that takes too long is
    /// [`TimedOut`](Self::TimedOut).
    #[cfg(feature = "websocket")]
    WebSocket,
    /// Anything else.
    Other,
}

impl ConnectError {
    /// The error of a connector from outside this crate. The text must not contain a secret.
    pub fn custom(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Custom { source: error.into() }
    }

    /// What it comes down to. Of several addresses it is what they have in common, or else what came of the last.
    pub fn kind(&self) -> ConnectErrorKind {
        match self {
            Self::Resolve { .. } | Self::NoAddress { .. } => ConnectErrorKind::Resolve,
            Self::Refused { .. } => ConnectErrorKind::Refused,
            Self::TimedOut { .. } => ConnectErrorKind::TimedOut,
            Self::Unreachable { .. } => ConnectErrorKind::Unreachable,
            Self::Bind { .. } => ConnectErrorKind::Bind,
            Self::Option { .. } => ConnectErrorKind::Option,
            Self::Addresses { attempts, .. } => {
                attempts.last().map_or(ConnectErrorKind::Other, |attempt| attempt.kind())
            }
            Self::BrokenOff { .. } => ConnectErrorKind::BrokenOff,
            Self::SpeaksTls { .. } => ConnectErrorKind::SpeaksTls,
            Self::SpeaksHttp { .. } => ConnectErrorKind::SpeaksHttp,
            Self::NotMqtt { .. } => ConnectErrorKind::NotMqtt,
            Self::Closed { .. } => ConnectErrorKind::Closed,
            Self::Silent { .. } => ConnectErrorKind::Silent,
            Self::Socket { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ConnectErrorKind::Refused,
                io::ErrorKind::TimedOut => ConnectErrorKind::TimedOut,
                _ => ConnectErrorKind::Other,
            },
            #[cfg(feature = "tls")]
            Self::Tls { source } => match source.kind() {
                TlsErrorKind::TimedOut => ConnectErrorKind::TimedOut,
                kind => ConnectErrorKind::Tls(kind),
            },
            #[cfg(feature = "websocket")]
            Self::WebSocket { source } => match source {
                WebSocketError::TimedOut { .. } => ConnectErrorKind::TimedOut,
                WebSocketError::SpeaksTls { .. } => ConnectErrorKind::SpeaksTls,
                _ => ConnectErrorKind::WebSocket,
            },
            Self::Io { .. } | Self::Custom { .. } => ConnectErrorKind::Other,
        }
    }
}

#[cfg(feature = "websocket")]
impl From<WebSocketError> for ConnectError {
    fn from(source: WebSocketError) -> Self {
        Self::WebSocket { source }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Resolve { source, .. }
            | Self::Refused { source, .. }
            | Self::Unreachable { source, .. }
            | Self::Bind { source, .. }
            | Self::Option { source, .. }
            | Self::BrokenOff { source, .. }
            | Self::Socket { source, .. }
            | Self::Io { source, .. } => Some(source),
            Self::Addresses { attempts, .. } => attempts.last().map(|attempt| attempt as _),
            // The text is the source's own, so its own source comes next.
            #[cfg(feature = "tls")]
            Self::Tls { source } => source.source(),
            #[cfg(feature = "websocket")]
            Self::WebSocket { source } => source.source(),
            Self::Custom { source } => source.source(),
            Self::NoAddress { .. }
            | Self::TimedOut { .. }
            | Self::SpeaksTls { .. }
            | Self::SpeaksHttp { .. }
            | Self::NotMqtt { .. }
            | Self::Closed { .. }
            | Self::Silent { .. } => None,
        }
    }
}
