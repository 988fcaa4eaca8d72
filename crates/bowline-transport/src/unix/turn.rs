//! Who looks at a path and makes its socket at the moment, so that two do not take each other's for one that was left behind. Knows
//! no listener.

use std::io;
use std::path::Path;

use socket2::Socket;

/// The right to make the socket of a path. It ends when it is dropped, and with the process.
#[derive(Debug)]
pub(super) struct Turn {
    /// Bound to a name outside of the file system that stands for the path, for which no file is left behind.
    _name: Option<Socket>,
}

impl Turn {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] if somebody else has it: then the path is as good as taken.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;

        use socket2::{Domain, SockAddr, Type};

        // However the path is written, its directory is one.
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = std::fs::metadata(parent)?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let name = format!("\0bowline/{:x}/{:x}/{:016x}", directory.dev(), directory.ino(), digest(name));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(name)?)?;
        Ok(Self { _name: Some(socket) })
    }

    /// Only Linux has names outside of the file system.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn take(_path: &Path) -> io::Result<Self> {
        Ok(Self { _name: None })
    }
}

/// FNV-1a, the same in every build. Two names with one digest take turns, and nothing else.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, &byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
