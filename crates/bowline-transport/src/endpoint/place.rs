//! Where an endpoint is: a host and its port, or the file of a Unix socket. Knows no scheme.

use std::fmt;
use std::path::Path;

use super::error::EndpointError;
use super::host::Host;

/// A host and port, or a Unix socket.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Host { host: Host, port: u16 },
    Socket(Box<Path>),
}

impl Place {
    /// The Unix socket at this path.
    #[cfg(unix)]
    pub(super) fn socket(path: &Path) -> Result<Self, EndpointError> {
        use std::os::unix::ffi::OsStrExt;

        if !path.is_absolute() {
            return Err(EndpointError::SocketPath);
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(EndpointError::SocketPathNul);
        }
        Ok(Self::Socket(path.into()))
    }

    /// The Unix socket at the path that these bytes are.
    #[cfg(unix)]
    pub(super) fn socket_of_bytes(path: Vec<u8>) -> Result<Self, EndpointError> {
        use std::os::unix::ffi::OsStringExt;

        Self::socket(Path::new(&std::ffi::OsString::from_vec(path)))
    }

    /// Without Unix sockets, no URL with their scheme gets so far.
    #[cfg(not(unix))]
    pub(super) fn socket_of_bytes(_: Vec<u8>) -> Result<Self, EndpointError> {
        Err(EndpointError::SchemeNotBuilt { scheme: "unix", feature: None })
    }
}

impl fmt::Display for Place {
    /// As it stands in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => {
                for &byte in path.as_os_str().as_encoded_bytes() {
                    if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                        write!(f, "{}", char::from(byte))?;
                    } else {
                        write!(f, "%{byte:02X}")?;
                    }
                }
                Ok(())
            }
        }
    }
}
