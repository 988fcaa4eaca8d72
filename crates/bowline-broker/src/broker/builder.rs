//! How a broker is started: settings, listeners, authentication.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;

use bowline_proto::ReasonCode;
use bowline_proto::error::RequestError;
#[cfg(unix)]
use bowline_transport::UnixAcceptor;
#[cfg(feature = "websocket")]
use bowline_transport::WebSocketAcceptor;
use bowline_transport::{ListenError, Listener, TcpAcceptor, in_process};
#[cfg(feature = "tls")]
use bowline_transport::{TlsAcceptor, TlsError, TlsServer};

use crate::broker::accepting::accept_all;
use crate::broker::hub::Hub;
use crate::broker::login::{Authenticate, Login};
use crate::broker::{Addresses, Broker};
use crate::core::{BrokerConfig, BrokerCore};

/// How a [`Broker`] is to be. Made by [`Broker::builder`].
#[must_use = "nothing is started before `start` is awaited"]
pub struct BrokerBuilder {
    config: BrokerConfig,
    tcp: Vec<SocketAddr>,
    has_default_tcp: bool,
    #[cfg(feature = "tls")]
    tls: Vec<(SocketAddr, TlsServer)>,
    #[cfg(unix)]
    unix: Vec<PathBuf>,
    #[cfg(feature = "websocket")]
    websocket: Vec<SocketAddr>,
    #[cfg(all(feature = "tls", feature = "websocket"))]
    secure_websocket: Vec<(SocketAddr, TlsServer)>,
    others: Vec<Arc<dyn Listener>>,
    authenticate: Option<Authenticate>,
}

/// How many bytes each direction of an in-process connection holds.
const IN_PROCESS_BYTES: usize = 64 * 1024;

impl BrokerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            config: BrokerConfig::new(),
            tcp: Vec::new(),
            has_default_tcp: true,
            #[cfg(feature = "tls")]
            tls: Vec::new(),
            #[cfg(unix)]
            unix: Vec::new(),
            #[cfg(feature = "websocket")]
            websocket: Vec::new(),
            #[cfg(all(feature = "tls", feature = "websocket"))]
            secure_websocket: Vec::new(),
            others: Vec::new(),
            authenticate: None,
        }
    }

    /// Listens for TCP connections on this address, port 0 for a free one. May be called several times. Without it the
    /// broker listens on 127.0.0.1 and a free port.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.tcp.push(address);
        self
    }

    /// Listens for TLS over TCP on this address, port 0 for a free one. May be called several times. Plain TCP is listened for as
    /// well, unless [`without_tcp`](Self::without_tcp) says otherwise.
    #[cfg(feature = "tls")]
    pub fn listen_tls(mut self, address: SocketAddr, tls: TlsServer) -> Self {
        self.tls.push((address, tls));
        self
    }

    /// Listens on a Unix socket at this path, as [`UnixAcceptor`] does: a socket that a killed process left behind is taken
    /// over, and the file is removed when the broker ends. May be called several times.
    #[cfg(unix)]
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix.push(path.into());
        self
    }

    /// Listens for WebSocket over TCP on this address, port 0 for a free one, at any path: what `ws://` connects to.
    /// [`Broker::websocket_addresses`] tells where. May be called several times. For one path alone make a [`WebSocketAcceptor`]
    /// and give it to [`listener`](Self::listener).
    #[cfg(feature = "websocket")]
    pub fn listen_websocket(mut self, address: SocketAddr) -> Self {
        self.websocket.push(address);
        self
    }

    /// Listens for WebSocket over TLS over TCP on this address, port 0 for a free one, at any path: what `wss://` connects to.
    /// [`Broker::secure_websocket_addresses`] tells where. May be called several times. Plain TCP is listened for as well, unless
    /// [`without_tcp`](Self::without_tcp) says otherwise.
    #[cfg(all(feature = "tls", feature = "websocket"))]
    pub fn listen_secure_websocket(mut self, address: SocketAddr, tls: TlsServer) -> Self {
        self.secure_websocket.push((address, tls));
        self
    }

    /// Listens on nothing but what is asked for: no TCP unless [`listen`](Self::listen) is called. What is left is
    /// [`Broker::connector`], and no socket is opened.
    pub fn without_tcp(mut self) -> Self {
        self.has_default_tcp = false;
        self
    }

    /// Accepts the connections of this listener too. May be called several times.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.others.push(Arc::new(listener));
        self
    }

    /// Changes settings: what is granted to clients, bounds, policies.
    ///
    /// ```
    /// use bowline_broker::Broker;
    ///
    /// let builder = Broker::builder().configure(|config| {
    ///     config.connection.receive_maximum = 10;
    ///     config.retain_available = false;
    /// });
    /// # drop(builder);
    /// ```
    pub fn configure(mut self, change: impl FnOnce(&mut BrokerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Decides about every client that wants to connect; without it all may. It is called on a task of the runtime, so
    /// it must not block. A reason that CONNACK cannot carry is said as Not authorized.
    ///
    /// ```
    /// use bowline_broker::Broker;
    /// use bowline_proto::ReasonCode;
    ///
    /// let builder = Broker::builder().authenticate(|login| {
    ///     let is_right = login.user_name == Some("meter") && login.password == Some(b"secret");
    ///     if is_right { Ok(()) } else { Err(ReasonCode::BadUserNameOrPassword) }
    /// });
    /// # drop(builder);
    /// ```
    pub fn authenticate(
        mut self,
        decide: impl Fn(Login<'_>) -> Result<(), ReasonCode> + Send + Sync + 'static,
    ) -> Self {
        self.authenticate = Some(Authenticate::new(decide));
        self
    }

    /// Starts the broker on the current tokio runtime, which needs its time driver, and for TCP its I/O driver. All
    /// listeners are open when this returns.
    ///
    /// # Errors
    /// [`StartError`] if a setting is out of its range or an address cannot be listened on; then nothing was started.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(self) -> Result<Broker, StartError> {
        let others = self.open_others()?;
        let Self { mut config, mut tcp, has_default_tcp, others: mut listeners, authenticate, .. } = self;
        config.asks_authentication = authenticate.is_some();
        if config.seed == 0 {
            config.seed = RandomState::new().hash_one(0_u8);
        }
        let core = BrokerCore::new(config).map_err(StartError::Setting)?;
        if tcp.is_empty() && has_default_tcp {
            tcp.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        let mut addresses = Vec::new();
        for address in tcp {
            let acceptor = TcpAcceptor::bind(address).map_err(StartError::Listen)?;
            addresses.push(acceptor.local_addr());
            listeners.push(Arc::new(acceptor));
        }
        let addresses = Addresses { tcp: addresses, ..others.addresses };
        listeners.extend(others.listeners);
        let (connector, listener) = in_process("broker", IN_PROCESS_BYTES);
        listeners.push(Arc::new(listener));

        let hub = Arc::new(Hub::new(core, authenticate));
        let clock = hub.clone();
        tokio::spawn(async move { clock.keep_time().await });
        let accepting =
            listeners.into_iter().map(|listener| tokio::spawn(accept_all(hub.clone(), listener))).collect();
        Ok(Broker::new(hub, addresses, connector, accepting))
    }
}

/// The listeners beside those for plain TCP.
#[derive(Default)]
struct Others {
    listeners: Vec<Arc<dyn Listener>>,
    addresses: Addresses,
}

impl BrokerBuilder {
    fn open_others(&self) -> Result<Others, StartError> {
        #[cfg_attr(
            not(any(unix, feature = "tls", feature = "websocket")),
            expect(unused_mut, reason = "there are none then")
        )]
        let mut others = Others::default();
        #[cfg(feature = "tls")]
        for (address, server) in &self.tls {
            let acceptor = TcpAcceptor::bind(*address).map_err(StartError::Listen)?;
            others.addresses.tls.push(acceptor.local_addr());
            others.listeners.push(Arc::new(TlsAcceptor::new(acceptor, server).map_err(StartError::Tls)?));
        }
        #[cfg(unix)]
        for path in &self.unix {
            let acceptor = UnixAcceptor::bind(path).map_err(StartError::Listen)?;
            others.listeners.push(Arc::new(acceptor));
        }
        #[cfg(feature = "websocket")]
        for &address in &self.websocket {
            let acceptor = TcpAcceptor::bind(address).map_err(StartError::Listen)?;
            others.addresses.websocket.push(acceptor.local_addr());
            others.listeners.push(Arc::new(WebSocketAcceptor::new(acceptor)));
        }
        #[cfg(all(feature = "tls", feature = "websocket"))]
        for (address, server) in &self.secure_websocket {
            let acceptor = TcpAcceptor::bind(*address).map_err(StartError::Listen)?;
            others.addresses.secure_websocket.push(acceptor.local_addr());
            let acceptor = TlsAcceptor::new(acceptor, server).map_err(StartError::Tls)?;
            others.listeners.push(Arc::new(WebSocketAcceptor::new(acceptor)));
        }
        Ok(others)
    }
}

impl fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<String> = self.others.iter().map(|listener| listener.description()).collect();
        f.debug_struct("BrokerBuilder")
            .field("config", &self.config)
            .field("tcp", &self.tcp)
            .field("others", &others)
            .finish_non_exhaustive()
    }
}

/// Why a broker was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is out of its range.
    Setting(RequestError),
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The settings of a TLS listener cannot be used.
    #[cfg(feature = "tls")]
    Tls(TlsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(error) => error.fmt(f),
            Self::Listen(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Setting(error) => error.source(),
            Self::Listen(error) => error.source(),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.source(),
        }
    }
}
