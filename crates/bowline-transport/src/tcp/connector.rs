//! The client side of TCP: how long connecting may take and which addresses are tried. Knows no MQTT and no TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::attempt::Attempt;
use super::options::TcpOptions;
use super::race::{self, Failure, Pace, interleave};
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
/// | [`attempt_timeout`](Self::attempt_timeout) | as long as all of them |
/// | [`attempt_delay`](Self::attempt_delay) | 250 ms |
/// | [`bind_address`](Self::bind_address) | the operating system chooses |
/// | [`interface`](Self::interface) | the operating system chooses |
#[derive(Clone, Debug)]
#[must_use]
pub struct TcpConnector {
    attempt: Attempt,
    connect_timeout: Duration,
    attempt_timeout: Option<Duration>,
    attempt_delay: Duration,
}

impl TcpConnector {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            attempt: Attempt { options: TcpOptions::new(), bind: None, interface: None },
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: None,
            attempt_delay: Duration::from_millis(250),
        }
    }

    /// What is set on each connection.
    pub fn options(mut self, options: TcpOptions) -> Self {
        self.attempt.options = options;
        self
    }

    /// How long connecting may take in all: looking up the name and trying its addresses. Default: 10 s.
    ///
    /// A host's addresses are tried as RFC 8305 says (happy eyeballs), 16 at most: the families take turns, beginning with
    /// the one that the resolver names first, and while an address is silent the next one is tried beside it.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long one address may take. Default: as long as all of them together.
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// After how long without an answer the next address of the host is tried beside the ones before; one that fails makes
    /// room for the next at once. Default: 250 ms, as RFC 8305 recommends; at least 10 ms. A delay as long as
    /// [`connect_timeout`](Self::connect_timeout) has only one attempt at a time.
    pub const fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// The local address that connections come from; port 0 takes a free one, another port allows one connection to the same
    /// broker at a time, and one attempt at a time. Addresses of the other family than this one are not tried. Default: the operating system chooses.
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

    /// Connects to one of these addresses, tried in their order and [`attempt_delay`](Self::attempt_delay) apart: for programs that
    /// look names up themselves. At most 16 of them are tried.
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
        self.race(&target, addresses, Instant::now()).await
    }

    async fn resolve_and_connect(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let started = Instant::now();
        let target = endpoint.host_and_port();
        let Ok(addresses) = timeout(self.connect_timeout, resolve::addresses(endpoint)).await else {
            return Err(ConnectError::TimedOut { target, after: self.connect_timeout, tried: Vec::new() });
        };
        self.race(&target, &interleave(&addresses?), started).await
    }

    /// The first address that answers.
    async fn race(
        &self,
        target: &str,
        addresses: &[SocketAddr],
        started: Instant,
    ) -> Result<Stream, ConnectError> {
        let is_reachable =
            |addr: &SocketAddr| self.attempt.bind.is_none_or(|local| local.is_ipv4() == addr.is_ipv4());
        let addresses: Vec<SocketAddr> = addresses.iter().copied().filter(is_reachable).collect();
        let pace = self.pace(addresses.len(), started);
        let failures =
            match race::first(&addresses, pace, |addr, limit| self.attempt.connect(addr, limit)).await {
                Ok(stream) => return Ok(stream),
                Err(failures) => failures,
            };
        // Timers fire late, so more time than the limit can have gone by.
        let after = started.elapsed().min(self.connect_timeout);
        Err(self.failure(target, after, &addresses, failures))
    }

    fn pace(&self, addresses: usize, started: Instant) -> Pace {
        let attempt_max = self.attempt_timeout.unwrap_or(self.connect_timeout);
        let deadline = started + self.connect_timeout.min(FAR);
        // One local port carries one attempt at a time, so each address gets its share of the time.
        if self.attempt.bind.is_some_and(|local| local.port() != 0) {
            let share = self.connect_timeout / u32::try_from(addresses.max(1)).unwrap_or(u32::MAX);
            return Pace { delay: Duration::MAX, attempt_max: attempt_max.min(share), deadline };
        }
        Pace { delay: self.attempt_delay, attempt_max, deadline }
    }

    /// One error out of those of all attempts.
    fn failure(
        &self,
        target: &str,
        after: Duration,
        addresses: &[SocketAddr],
        failures: Vec<Failure>,
    ) -> ConnectError {
        let target = target.to_owned();
        if addresses.is_empty() {
            return ConnectError::NoAddress { host: target, bind: self.attempt.bind };
        }
        let (tried, mut attempts): (Vec<SocketAddr>, Vec<ConnectError>) = failures.into_iter().unzip();
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

/// As good as no limit, and short enough to be counted in any clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

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
