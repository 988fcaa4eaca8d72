//! The client side of TCP: how long connecting may take and which addresses are tried. Knows no MQTT and no TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::attempt::Attempt;
use super::options::TcpOptions;
use super::resolve::{self, ADDRESSES_MAX};
use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, ConnectErrorKind};
use crate::stream::Stream;

/// Connects by TCP.
///
/// | option | default |
/// |---|---|
/// | [`options`](Self::options) | those of [`TcpOptions::new`] |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`bind_address`](Self::bind_address) | the operating system chooses |
/// | [`interface`](Self::interface) | the operating system chooses |
#[derive(Clone, Debug)]
#[must_use]
pub struct TcpConnector {
    attempt: Attempt,
    connect_timeout: Duration,
}

impl TcpConnector {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            attempt: Attempt { options: TcpOptions::new(), bind: None, interface: None },
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// What is set on each connection.
    pub fn options(mut self, options: TcpOptions) -> Self {
        self.attempt.options = options;
        self
    }

    /// How long connecting may take in all: looking up the name and trying its addresses. Default: 10 s.
    ///
    /// The addresses are tried one after the other, 16 at most. Each gets an equal share of what is left of the time, so
    /// one that fails at once leaves its share to the others, and one that never answers cannot use up everything.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The local address that connections come from; port 0 takes a free one, another port allows one connection to the same
    /// broker at a time. Addresses of the other family than this one are not tried. Default: the operating system chooses.
    pub const fn bind_address(mut self, local: SocketAddr) -> Self {
        self.attempt.bind = Some(local);
        self
    }

    /// The network interface that connections use, by its name: `eth0`. Default: the operating system chooses. Only Linux,
    /// Android and Fuchsia have it; elsewhere, and if there is no such interface, connecting fails with this option's name.
    pub fn interface(mut self, name: &str) -> Self {
        self.attempt.interface = Some(name.into());
        self
    }

    /// Connects to one of these addresses, tried in their order: for programs that look names up themselves. At most 16 of
    /// them are tried.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::connect`], except [`ConnectError::Resolve`]. With no address at all it is
    /// [`ConnectError::NoAddress`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Connector::connect`].
    pub async fn connect_to(&self, addresses: &[SocketAddr]) -> Result<Stream, ConnectError> {
        let target = match addresses {
            [] => "an empty list".to_owned(),
            [addr] => addr.to_string(),
            _ => "the given addresses".to_owned(),
        };
        let addresses = &addresses[..addresses.len().min(ADDRESSES_MAX)];
        self.first_in_order(&target, addresses, Instant::now()).await
    }

    async fn resolve_and_connect(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let started = Instant::now();
        let target = endpoint.host_and_port();
        let Ok(addresses) = timeout(self.connect_timeout, resolve::addresses(endpoint)).await else {
            return Err(ConnectError::TimedOut { target, after: self.connect_timeout, tried: Vec::new() });
        };
        self.first_in_order(&target, &addresses?, started).await
    }

    /// The first address that answers, one attempt at a time. What attempts share is in [`Attempt`], so an order that
    /// runs several at a time replaces this function alone.
    async fn first_in_order(
        &self,
        target: &str,
        addresses: &[SocketAddr],
        started: Instant,
    ) -> Result<Stream, ConnectError> {
        let is_reachable =
            |addr: &SocketAddr| self.attempt.bind.is_none_or(|local| local.is_ipv4() == addr.is_ipv4());
        let addresses: Vec<SocketAddr> = addresses.iter().copied().filter(is_reachable).collect();
        let mut attempts = Vec::new();
        for (index, &addr) in addresses.iter().enumerate() {
            let left = self.connect_timeout.saturating_sub(started.elapsed());
            let untried = u32::try_from(addresses.len() - index).expect("few addresses are tried");
            match self.attempt.connect(addr, left / untried).await {
                Ok(stream) => return Ok(stream),
                // Our own side is at fault, so no other address can do better.
                Err(error) if matches!(error.kind(), ConnectErrorKind::Bind | ConnectErrorKind::Option) => {
                    return Err(error);
                }
                Err(error) => attempts.push(error),
            }
        }
        // Timers fire late, so more time than the limit can have gone by.
        let after = started.elapsed().min(self.connect_timeout);
        Err(self.failure(target, after, addresses, attempts))
    }

    /// One error out of those of all attempts.
    fn failure(
        &self,
        target: &str,
        after: Duration,
        tried: Vec<SocketAddr>,
        mut attempts: Vec<ConnectError>,
    ) -> ConnectError {
        let target = target.to_owned();
        if attempts.is_empty() {
            return ConnectError::NoAddress { host: target, bind: self.attempt.bind };
        }
        if attempts.iter().all(|attempt| attempt.kind() == ConnectErrorKind::TimedOut) {
            return ConnectError::TimedOut { target, after, tried };
        }
        match attempts.pop() {
            Some(only) if attempts.is_empty() => only,
            last => {
                attempts.extend(last);
                ConnectError::Addresses { target, attempts }
            }
        }
    }
}

impl Default for TcpConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(self.resolve_and_connect(endpoint))
    }
}
