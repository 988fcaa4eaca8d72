//! The server side of Unix sockets: who may take a path, and who cleans it up. Knows no MQTT.

use std::fs::{Metadata, remove_file, symlink_metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::error::{AcceptError, ListenError};
use crate::listener::{AcceptFuture, Listener};
use crate::stream::Stream;
use crate::unix::turn::Turn;

/// Listens on a Unix socket.
///
/// **The file.** Binding makes the file of the socket, with the permissions that the process's umask leaves: who may write
/// to it may connect. A socket file that a server has left behind when it was killed is taken over: if nobody answers on
/// it, it is removed and made anew. A socket on which somebody does answer, and anything that is no socket, is never
/// touched; binding fails instead. Of several acceptors that want the same path at the same time, in whatever processes, one gets it
/// and the others fail; this holds on Linux and Android, where they take turns by a name in the network namespace. Elsewhere two that
/// take over a socket at the same moment can remove each other's. Dropping the acceptor removes the file, if it is still its own.
#[derive(Debug)]
pub struct UnixAcceptor {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

/// Which file it is, whatever it is called.
type FileId = (u64, u64);

impl UnixAcceptor {
    /// How many connections the operating system keeps waiting to be accepted. Linux caps it by `net.core.somaxconn`.
    const BACKLOG: i32 = 1024;

    /// Listens on this path.
    ///
    /// # Errors
    ///
    /// If somebody listens there, if something that is no socket stands there, if the directory does not exist or may not be
    /// written, or if the path is longer than a socket's can be (about 100 bytes).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O driver.
    pub fn bind(path: impl Into<PathBuf>) -> Result<Self, ListenError> {
        let path = path.into();
        match bound(&path) {
            Ok((listener, file)) => Ok(Self { listener, path, file }),
            Err(source) => Err(ListenError::Socket { path, source }),
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn accept_one(&self) -> Result<Stream, AcceptError> {
        let (socket, _) = self.listener.accept().await.map_err(AcceptError::of_socket)?;
        let peer = peer_of(&socket);
        Ok(Stream::unix(socket, self.path.display().to_string(), peer))
    }
}

impl Drop for UnixAcceptor {
    fn drop(&mut self) {
        if symlink_metadata(&self.path).is_ok_and(|found| file_id(&found) == self.file) {
            // Whoever removed it meanwhile has done it for us.
            let _removed = remove_file(&self.path);
        }
    }
}

impl Listener for UnixAcceptor {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(self.accept_one())
    }

    fn description(&self) -> String {
        format!("unix {}", self.path.display())
    }
}

fn bound(path: &Path) -> io::Result<(UnixListener, FileId)> {
    let address = SockAddr::unix(path)?;
    // A socket that is not yet listened on looks as if it were left behind.
    let _turn = Turn::take(path)?;
    if let Ok(found) = symlink_metadata(path) {
        remove_stale(path, &address, &found)?;
    }
    let socket = unconnected()?;
    socket.bind(&address)?;
    socket.listen(UnixAcceptor::BACKLOG)?;
    let listener = UnixListener::from_std(socket.into())?;
    Ok((listener, file_id(&symlink_metadata(path)?)))
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path, address: &SockAddr, found: &Metadata) -> io::Result<()> {
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match unconnected()?.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_file(path),
        // A full backlog is an answer too.
        Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

fn unconnected() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn file_id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// A client has no address, but the operating system may know its process.
fn peer_of(socket: &UnixStream) -> String {
    match socket.peer_cred().ok().and_then(|peer| peer.pid()) {
        Some(process) => format!("process {process}"),
        None => "a client".to_owned(),
    }
}
