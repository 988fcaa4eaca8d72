//! Why a server cannot listen, in words for a person. Knows sockets' errors, no transport's inner workings.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

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

/// What to do about it.
fn socket_listen_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "stop the program that does, or choose another path",
        io::ErrorKind::AlreadyExists => "what stands there is no socket; choose another path",
        io::ErrorKind::InvalidInput => "choose a shorter path, of at most about 100 bytes",
        _ => "choose a path in a directory that exists and may be written",
    }
}
