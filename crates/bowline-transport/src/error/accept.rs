//! Why a server accepted nobody, in words for a person. Knows sockets' errors, no transport's inner workings.

use std::error::Error;
use std::fmt;
use std::io;

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
