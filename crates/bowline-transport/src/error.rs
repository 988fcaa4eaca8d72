//! What keeps a stream from coming about, on either side. Knows sockets' errors, no transport's inner workings.

use std::error::Error;
use std::fmt;
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
        /// What the operating system said.
        source: io::Error,
    },
    /// The other side answered in TLS what was said to it in the clear.
    SpeaksTls {
        /// Who.
        peer: String,
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

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { host, source } => {
                write!(
                    f,
                    "the host name `{host}` was not found ({source}): check its spelling and the DNS settings"
                )
            }
            Self::NoAddress { host, bind: None } => {
                write!(f, "{host} has no address: check the name and its DNS records")
            }
            Self::NoAddress { host, bind: Some(bind) } => write!(
                f,
                "{host} has no address that can be reached from {bind}: bind to an address of the other family or to none"
            ),
            Self::Refused { addr, .. } => {
                write!(f, "{addr} refused the connection: check that a broker runs and listens there")
            }
            Self::TimedOut { target, after, tried } if tried.is_empty() => {
                write!(
                    f,
                    "looking up {target} took longer than {after:.1?}: check the DNS settings or raise the connect timeout"
                )
            }
            Self::TimedOut { target, after, tried } => {
                write!(f, "connecting to {target} got no answer within {after:.1?}")?;
                if tried.len() > 1 || !tried.iter().any(|addr| addr.to_string() == *target) {
                    write!(f, " (tried {})", List(tried))?;
                }
                f.write_str(": check address, port and firewalls, or raise the connect timeout")
            }
            Self::Unreachable { addr, source } => {
                write!(f, "there is no way to {addr} ({source}): check the network and the address")
            }
            Self::Bind { addr, source } => {
                write!(
                    f,
                    "the connection cannot come from {addr} ({source}): bind to an address of this machine or to none"
                )
            }
            Self::Option { option, value, source } => {
                write!(f, "the socket option {option} cannot be {value} ({source}): choose another value")
            }
            Self::Io { addr, source } => write!(f, "connecting to {addr} failed ({source})"),
            Self::Addresses { target, attempts } => {
                write!(
                    f,
                    "none of {} addresses of {target} can be reached: {}",
                    attempts.len(),
                    List(attempts)
                )
            }
            Self::BrokenOff { peer, source } => write!(
                f,
                "{peer} broke off the connection before it said anything ({source}): check that it speaks MQTT there, and whether it wants TLS (mqtts://)"
            ),
            Self::SpeaksTls { peer } => write!(f, "{peer} speaks TLS: {SPEAKS_TLS_ADVICE}"),
            Self::Socket { path, source } => {
                write!(f, "connecting to the socket {} failed ({source}): ", path.display())?;
                f.write_str(socket_advice(source))
            }
            #[cfg(feature = "tls")]
            Self::Tls { source } => source.fmt(f),
            #[cfg(feature = "websocket")]
            Self::WebSocket { source } => source.fmt(f),
            Self::Custom { source } => source.fmt(f),
        }
    }
}

const SPEAKS_TLS_ADVICE: &str = "connect with mqtts://, or to the broker's port without TLS, usually 1883";

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
            Self::NoAddress { .. } | Self::TimedOut { .. } | Self::SpeaksTls { .. } => None,
        }
    }
}

/// Why a server cannot listen.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// The address cannot be listened on.
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The Unix socket cannot be listened on.
    Socket {
        /// Where it was to be.
        path: PathBuf,
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
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { addr, source } => {
                write!(f, "cannot listen on {addr} ({source}): ")?;
                f.write_str(match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        "stop the program that does, or choose another port (0 takes a free one)"
                    }
                    io::ErrorKind::PermissionDenied => "choose a port above 1023",
                    _ => "choose an address of this machine",
                })
            }
            Self::Socket { path, source } => {
                write!(f, "cannot listen on the socket {} ({source}): ", path.display())?;
                f.write_str(socket_listen_advice(source))
            }
            Self::Option { option, value, source } => {
                write!(f, "the socket option {option} cannot be {value} ({source}): choose another value")
            }
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Socket { source, .. } | Self::Option { source, .. } => {
                Some(source)
            }
        }
    }
}

/// Why no client was accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// One client was gone before it could be accepted: go on with the next.
    ClientGone {
        /// What the operating system said.
        source: io::Error,
    },
    /// The handshake with one client failed, before it could be accepted: go on with the next.
    Handshake {
        /// The client's address, or what else it is called.
        peer: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There are no descriptors or memory for another client: wait a little, then try again, or it fails again at once.
    Exhausted {
        /// What the operating system said.
        source: io::Error,
    },
    /// Nobody can connect any more: the last connector of an in-process listener is gone.
    Closed,
    /// The listener itself failed.
    Io {
        /// What the operating system said.
        source: io::Error,
    },
}

impl AcceptError {
    /// Whether another call may succeed. After [`AcceptError::Exhausted`] only once something has been given back.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::ClientGone { .. } | Self::Handshake { .. } | Self::Exhausted { .. })
    }

    /// Whether it was about one client only, so that the next call need not wait.
    pub const fn is_of_one_client(&self) -> bool {
        matches!(self, Self::ClientGone { .. } | Self::Handshake { .. })
    }

    /// What a socket's error comes down to.
    pub(crate) fn of_socket(source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match source.kind() {
            // Linux hands errors of the new connection's network to whoever accepts it.
            Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            | Kind::Interrupted => Self::ClientGone { source },
            Kind::OutOfMemory => Self::Exhausted { source },
            _ if is_exhaustion(&source) => Self::Exhausted { source },
            _ => Self::Io { source },
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientGone { source } => write!(f, "a client was gone before it was accepted ({source})"),
            Self::Handshake { peer, source } => write!(f, "the handshake with {peer} failed: {source}"),
            Self::Exhausted { source } => {
                write!(
                    f,
                    "no descriptor or memory for another client ({source}): raise the limit of open files"
                )
            }
            Self::Closed => f.write_str("every connector of this in-process listener is gone"),
            Self::Io { source } => write!(f, "accepting clients failed ({source})"),
        }
    }
}

impl Error for AcceptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ClientGone { source } | Self::Exhausted { source } | Self::Io { source } => Some(source),
            Self::Handshake { source, .. } => Some(&**source),
            Self::Closed => None,
        }
    }
}

/// The standard library has no kind for a lack of descriptors or socket buffers.
fn is_exhaustion(source: &io::Error) -> bool {
    // ENFILE, EMFILE and ENOBUFS; WSAEMFILE and WSAENOBUFS.
    const CODES: &[i32] = if cfg!(windows) {
        &[10024, 10055]
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        &[23, 24, 105]
    } else {
        &[23, 24, 55]
    };
    source.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

/// What to do about it.
fn socket_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the path and that a broker runs and listens there",
        io::ErrorKind::ConnectionRefused => "the broker that made it runs no more; start it again",
        io::ErrorKind::PermissionDenied => "this user may not write to it; change its permissions",
        io::ErrorKind::TimedOut => "the broker accepts no clients; look at it, or raise the connect timeout",
        io::ErrorKind::InvalidInput => "choose a shorter path, of at most about 100 bytes",
        _ => "check the path",
    }
}

/// What to do about it.
fn socket_listen_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "stop the program that does, or choose another path",
        io::ErrorKind::AlreadyExists => "what stands there is no socket; choose another path",
        io::ErrorKind::InvalidInput => "choose a shorter path, of at most about 100 bytes",
        _ => "choose a path in a directory that exists and may be written",
    }
}

/// Items one after the other, for texts.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{item}")?;
        }
        Ok(())
    }
}
