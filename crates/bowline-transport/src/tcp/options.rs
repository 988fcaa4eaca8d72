//! The options of a TCP connection, the same for client and server. Knows how to put them on a socket, not where it leads.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

/// What is set on each TCP connection, whichever side opened it.
///
/// | option | default |
/// |---|---|
/// | [`no_delay`](Self::no_delay) | on |
/// | [`keep_alive`](Self::keep_alive) | after 120 s of silence, every 15 s, 4 times: see [`TcpKeepAlive`] |
/// | [`unacknowledged_max`](Self::unacknowledged_max) | as the operating system sees fit: on Linux about 15 minutes |
/// | [`send_buffer_bytes`](Self::send_buffer_bytes) | as the operating system sees fit |
/// | [`receive_buffer_bytes`](Self::receive_buffer_bytes) | as the operating system sees fit |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TcpOptions {
    no_delay: bool,
    keep_alive: Option<TcpKeepAlive>,
    unacknowledged_max: Option<Duration>,
    send_buffer_bytes: Option<u32>,
    receive_buffer_bytes: Option<u32>,
}

impl TcpOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            no_delay: true,
            keep_alive: Some(TcpKeepAlive::new()),
            unacknowledged_max: None,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }

    /// Whether small writes leave at once (TCP_NODELAY). Default: on, because whoever writes here has batched already, and
    /// waiting for the peer's acknowledgement would cost a lone message up to 40 ms.
    pub const fn no_delay(mut self, is_on: bool) -> Self {
        self.no_delay = is_on;
        self
    }

    /// How the operating system finds out that a silent peer is gone; `None` leaves it to MQTT's own keep-alive. Default:
    /// [`TcpKeepAlive::new`].
    pub const fn keep_alive(mut self, keep_alive: Option<TcpKeepAlive>) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// How long data that was sent may stay without the peer's TCP acknowledgement before the connection is lost
    /// (TCP_USER_TIMEOUT), in whole milliseconds: finds a dead link while something is being sent, where a keep-alive finds it in
    /// silence. On Linux it also takes the place of the keep-alive's retries. Default: as the operating system sees fit. Only
    /// Linux, Android and Fuchsia have it; elsewhere the connection is refused with this option's name.
    pub const fn unacknowledged_max(mut self, limit: Duration) -> Self {
        self.unacknowledged_max = Some(limit);
        self
    }

    /// How much may wait in the kernel to be sent (SO_SNDBUF). Default: the operating system adapts it, which a fixed size
    /// stops. Linux doubles the value for its own use and caps it by `net.core.wmem_max`.
    pub const fn send_buffer_bytes(mut self, bytes: u32) -> Self {
        self.send_buffer_bytes = Some(bytes);
        self
    }

    /// How much may wait in the kernel to be read (SO_RCVBUF). Default: the operating system adapts it, which a fixed size
    /// stops. Linux doubles the value for its own use and caps it by `net.core.rmem_max`.
    pub const fn receive_buffer_bytes(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Puts all options on a socket that will connect or listen: what the operating system refuses is known before anyone
    /// connects, and the window scale of the handshake depends on the buffers. Accepted connections inherit the buffers.
    pub(super) fn apply_before_handshake(&self, socket: &TcpSocket) -> Result<(), OptionRefused> {
        if let Some(bytes) = self.send_buffer_bytes {
            let refused = OptionRefused::new("send_buffer_bytes", bytes);
            socket.set_send_buffer_size(bytes).map_err(refused)?;
        }
        if let Some(bytes) = self.receive_buffer_bytes {
            let refused = OptionRefused::new("receive_buffer_bytes", bytes);
            socket.set_recv_buffer_size(bytes).map_err(refused)?;
        }
        self.apply(&SockRef::from(socket))
    }

    /// Not every system lets an accepted connection inherit these.
    pub(super) fn apply_to_accepted(&self, connection: &TcpStream) -> Result<(), OptionRefused> {
        self.apply(&SockRef::from(connection))
    }

    fn apply(&self, socket: &SockRef<'_>) -> Result<(), OptionRefused> {
        socket.set_tcp_nodelay(self.no_delay).map_err(OptionRefused::new("no_delay", self.no_delay))?;
        if let Some(limit) = self.unacknowledged_max {
            set_unacknowledged_max(socket, limit)
                .map_err(OptionRefused::new("unacknowledged_max", format!("{limit:?}")))?;
        }
        match &self.keep_alive {
            None => socket.set_keepalive(false).map_err(OptionRefused::new("keep_alive", "off")),
            Some(keep_alive) => socket
                .set_tcp_keepalive(&keep_alive.for_socket())
                .map_err(|source| OptionRefused::new("keep_alive", format!("{keep_alive:?}"))(source)),
        }
    }
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// TCP's own keep-alive, sent by the operating system: after `idle` without a byte it probes every `interval`, and gives
/// the connection up after `retries` probes without an answer.
///
/// | option | default |
/// |---|---|
/// | [`idle`](Self::idle) | 120 s |
/// | [`interval`](Self::interval) | 15 s |
/// | [`retries`](Self::retries) | 4 |
///
/// A peer that is gone without a word is thus found within 3 minutes, even if MQTT's keep-alive is off; with MQTT pings more
/// often than every 120 s no probe is ever sent. Times are whole seconds, rounded up, at least 1; Linux takes at most 32767,
/// and at most 127 retries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TcpKeepAlive {
    idle: Duration,
    interval: Duration,
    retries: u32,
}

impl TcpKeepAlive {
    /// The defaults.
    pub const fn new() -> Self {
        Self { idle: Duration::from_secs(120), interval: Duration::from_secs(15), retries: 4 }
    }

    /// After how long a silence the first probe is sent. Default: 120 s.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long each probe may stay without an answer. Default: 15 s. OpenBSD has one value for all connections instead.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// After how many probes without an answer the connection is lost. Default: 4. OpenBSD has one value for all connections
    /// instead.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    fn for_socket(&self) -> socket2::TcpKeepalive {
        let keep_alive = socket2::TcpKeepalive::new().with_time(whole_seconds(self.idle));
        #[cfg(not(target_os = "openbsd"))]
        let keep_alive = keep_alive.with_interval(whole_seconds(self.interval)).with_retries(self.retries);
        keep_alive
    }
}

impl Default for TcpKeepAlive {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn set_unacknowledged_max(socket: &SockRef<'_>, limit: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(limit))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn set_unacknowledged_max(_: &SockRef<'_>, _: Duration) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has a socket send and receive by this network interface alone.
pub(super) fn bind_interface(socket: &TcpSocket, name: &str) -> Result<(), OptionRefused> {
    set_interface(&SockRef::from(socket), name).map_err(OptionRefused::new("interface", name))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn set_interface(socket: &SockRef<'_>, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn set_interface(_: &SockRef<'_>, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The operating system counts in seconds and would round down, 0 being refused.
fn whole_seconds(duration: Duration) -> Duration {
    let has_rest = duration.subsec_nanos() > 0 || duration.is_zero();
    Duration::from_secs(duration.as_secs().saturating_add(u64::from(has_rest)))
}

/// The operating system refused an option.
pub(super) struct OptionRefused {
    pub(super) option: &'static str,
    pub(super) value: String,
    pub(super) source: io::Error,
}

impl OptionRefused {
    fn new(option: &'static str, value: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { option, value: value.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_whole_seconds() {
        let rounded = [0, 1, 999, 1000, 1001].map(|ms| whole_seconds(Duration::from_millis(ms)).as_secs());
        assert_eq!(rounded, [1, 1, 1, 1, 2]);
        assert_eq!(whole_seconds(Duration::MAX).as_secs(), u64::MAX);
    }
}
