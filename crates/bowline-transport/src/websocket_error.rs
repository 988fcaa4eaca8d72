//! Why a WebSocket did not come about or ended, in words for a person. Knows no stream; owns that no header and no address beyond
//! host and port gets into a text.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::sub_protocol::SubProtocol;

/// Why a WebSocket did not come about, or ended other than by its close handshake. The text tells what to change. It never shows a
/// path, a query or the value of a header, because any of them may hold a secret.
///
/// A [`ConnectError::WebSocket`](crate::ConnectError::WebSocket) contains it; of an open stream it is what
/// [`get_ref`](io::Error::get_ref) of the [`io::Error`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The server answered with another HTTP status than 101.
    Status {
        /// The server.
        peer: String,
        /// The status.
        status: u16,
    },
    /// The server agreed to no sub-protocol.
    SubProtocolMissing {
        /// The server.
        peer: String,
        /// What was asked for.
        wanted: SubProtocol,
    },
    /// The server agreed to another sub-protocol than the one that was asked for.
    SubProtocolWrong {
        /// The server.
        peer: String,
        /// What was asked for.
        wanted: SubProtocol,
        /// What the server said, without what cannot be printed, and not more than 64 characters of it.
        answered: String,
    },
    /// The other side's part of the handshake is none.
    Handshake {
        /// The other side.
        peer: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server answered in TLS what was said to it in the clear.
    SpeaksTls {
        /// The server.
        peer: String,
    },
    /// The handshake with a server took too long.
    TimedOut {
        /// The server.
        peer: String,
        /// The limit.
        after: Duration,
    },
    /// A client took too long for its handshake.
    ClientTimedOut {
        /// The client.
        peer: String,
        /// The limit.
        after: Duration,
    },
    /// The connection to a client failed during its handshake.
    ClientIo {
        /// The client.
        peer: String,
        /// What the transport beneath said.
        source: io::Error,
    },
    /// An option cannot be used.
    Setting {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The hook that was asked for the handshake failed.
    Hook {
        /// What it said. Its text is shown as it is: it must not contain a secret.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection to a server failed during the handshake.
    Io {
        /// The server.
        peer: String,
        /// What the transport beneath said.
        source: io::Error,
    },
    /// The other side sent text, where MQTT is binary.
    Text,
    /// The other side sent a message or a frame that is too long.
    TooLong {
        /// How long it is, in bytes, as far as it is known.
        bytes: usize,
        /// What is accepted.
        bytes_max: usize,
    },
    /// The other side broke the WebSocket protocol.
    Violation {
        /// How.
        problem: String,
    },
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { peer, status } => {
                write!(f, "{peer} answered HTTP {status} instead of opening a WebSocket: {}", advice(*status))
            }
            Self::SubProtocolMissing { peer, wanted } => write!(
                f,
                "{peer} opened a WebSocket without the sub-protocol {wanted}: check that it is an MQTT broker's and that it takes this version of MQTT"
            ),
            Self::SubProtocolWrong { peer, wanted, answered } => write!(
                f,
                "{peer} answered with the sub-protocol `{answered}` where {wanted} was asked for: check that it takes this version of MQTT"
            ),
            Self::Handshake { peer, problem } => {
                write!(f, "the WebSocket handshake of {peer} is not valid: {problem}")
            }
            Self::SpeaksTls { peer } => {
                write!(f, "{peer} speaks TLS: connect with wss://, or to the port for WebSocket without TLS")
            }
            Self::TimedOut { peer, after } => write!(
                f,
                "the WebSocket handshake with {peer} was not done within {after:.1?}: check that a WebSocket listens there, or raise the connect timeout"
            ),
            Self::ClientTimedOut { peer, after } => {
                write!(f, "the client {peer} did not finish the WebSocket handshake within {after:.1?}")
            }
            Self::ClientIo { peer, source } => {
                write!(
                    f,
                    "the connection to the client {peer} failed during the WebSocket handshake ({source})"
                )
            }
            Self::Setting { option, problem } => write!(f, "the WebSocket option {option} {problem}"),
            Self::Hook { source } => source.fmt(f),
            Self::Io { peer, source } => {
                write!(
                    f,
                    "the WebSocket handshake with {peer} failed ({source}): check the port, which may be one for MQTT without WebSocket, and the scheme: ws:// or, with TLS, wss://"
                )
            }
            Self::Text => f.write_str("the other side sent a text message, but MQTT is binary"),
            Self::TooLong { bytes, bytes_max } => write!(
                f,
                "the other side sent a WebSocket message of {bytes} bytes, the limit is {bytes_max}: raise `message_bytes_max`"
            ),
            Self::Violation { problem } => {
                write!(f, "the other side broke the WebSocket protocol: {problem}")
            }
        }
    }
}

impl Error for WebSocketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::ClientIo { source, .. } => Some(source),
            // The text is the source's own, so its own source comes next.
            Self::Hook { source } => source.source(),
            _ => None,
        }
    }
}

/// What to do about an answer that is no upgrade.
const fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "it sends elsewhere, which is not followed; use the address that it names",
        401 | 407 => "it wants other credentials than those of MQTT; set the header it asks for",
        403 => "it does not let this client in; check credentials, headers and what is allowed to the client",
        404 | 405 | 410 => "check the path, which at many brokers is /mqtt or /ws",
        408 | 425 | 429 => "it is asked too often or answered too late; try again later",
        400 | 426 => {
            "it does not take this handshake; check the scheme (ws:// or wss://), port, path, headers and the version of MQTT"
        }
        500..=599 => "the server, or what it leads to, is not working; look at its log",
        200..=299 => "a web server listens there; check port and path",
        _ => "check port and path",
    }
}
