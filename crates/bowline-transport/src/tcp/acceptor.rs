//! The server side of TCP. Knows no MQTT and no TLS.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use super::options::{OptionRefused, TcpOptions};
use crate::error::{AcceptError, ListenError};
use crate::listener::{AcceptFuture, Listener};
use crate::stream::Stream;

/// Listens for TCP connections and puts the same options on each as a [`TcpConnector`](crate::TcpConnector) does.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    local: SocketAddr,
    options: TcpOptions,
}

impl TcpAcceptor {
    /// How many connections the operating system keeps waiting to be accepted, by default. Linux caps it by
    /// `net.core.somaxconn`; what comes beyond waits outside, and times out there in the end.
    pub const BACKLOG: u32 = 1024;

    /// Listens on this address with the default options and a backlog of [`TcpAcceptor::BACKLOG`]. Port 0 takes a free
    /// one, and [`TcpAcceptor::local_addr`] tells which.
    ///
    /// # Errors
    ///
    /// If the address is not one of this machine, is in use, or may not be used.
    pub fn bind(addr: SocketAddr) -> Result<Self, ListenError> {
        Self::bind_with(addr, TcpOptions::new(), Self::BACKLOG)
    }

    /// The same with other options and another backlog.
    ///
    /// # Errors
    ///
    /// As for [`TcpAcceptor::bind`], or if the operating system refuses one of the options.
    pub fn bind_with(addr: SocketAddr, options: TcpOptions, backlog: u32) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { addr, source };
        let socket =
            if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
        // A server that starts again must not wait for the last connections of the one before to time out. On Windows the
        // option means something else: it would let two servers share a port.
        #[cfg(unix)]
        socket.set_reuseaddr(true).map_err(failed)?;
        options.apply_before_handshake(&socket)?;
        socket.bind(addr).map_err(failed)?;
        let listener = socket.listen(backlog).map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local, options })
    }

    /// Where it listens, with the port that was taken.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn accept_one(&self) -> Result<Stream, AcceptError> {
        let (connection, _) = self.listener.accept().await.map_err(AcceptError::of_socket)?;
        // From here on nothing waits, so a dropped future cannot lose the connection.
        let gone = |source| AcceptError::ClientGone { source };
        self.options.apply_to_accepted(&connection).map_err(|refused| gone(refused.source))?;
        Stream::tcp(connection).map_err(gone)
    }
}

impl Listener for TcpAcceptor {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(self.accept_one())
    }

    fn description(&self) -> String {
        format!("tcp {}", self.local)
    }
}

impl From<OptionRefused> for ListenError {
    fn from(refused: OptionRefused) -> Self {
        let OptionRefused { option, value, source } = refused;
        Self::Option { option, value, source }
    }
}
