//! One attempt to connect to one address. Knows no other address: in which order, or how many at a time, is the caller's
//! business.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};

use super::options::{OptionRefused, TcpOptions};
use crate::error::ConnectError;
use crate::stream::Stream;

/// What is the same for every attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) options: TcpOptions,
    pub(super) bind: Option<SocketAddr>,
    pub(super) interface: Option<Box<str>>,
}

impl Attempt {
    /// Connects within the limit. Dropping the future closes the socket.
    pub(super) async fn connect(&self, addr: SocketAddr, limit: Duration) -> Result<Stream, ConnectError> {
        let socket = self.socket(addr)?;
        let started = Instant::now();
        match timeout(limit, socket.connect(addr)).await {
            Ok(connected) => connected.and_then(Stream::tcp).map_err(|source| match source.kind() {
                // The operating system's own limit is shorter than ours.
                io::ErrorKind::TimedOut => timed_out(addr, started.elapsed()),
                _ => failed(addr, source),
            }),
            Err(_) => Err(timed_out(addr, limit)),
        }
    }

    fn socket(&self, addr: SocketAddr) -> Result<TcpSocket, ConnectError> {
        let made = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = made.map_err(|source| ConnectError::Io { addr, source })?;
        self.options.apply_before_handshake(&socket)?;
        if let Some(interface) = &self.interface {
            super::options::bind_interface(&socket, interface)?;
        }
        if let Some(local) = self.bind {
            socket.bind(local).map_err(|source| ConnectError::Bind { addr: local, source })?;
        }
        Ok(socket)
    }
}

impl From<OptionRefused> for ConnectError {
    fn from(refused: OptionRefused) -> Self {
        let OptionRefused { option, value, source } = refused;
        Self::Option { option, value, source }
    }
}

fn timed_out(addr: SocketAddr, after: Duration) -> ConnectError {
    ConnectError::TimedOut { target: addr.to_string(), after, tried: vec![addr] }
}

fn failed(addr: SocketAddr, source: io::Error) -> ConnectError {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused { addr: addr.to_string(), source },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            ConnectError::Unreachable { addr, source }
        }
        _ => ConnectError::Io { addr, source },
    }
}
