//! The transports that are compared: their names, and how the client is told to use them. Knows no socket.

use bowline::Client;

/// What client and peer are connected by, through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS 1.3 over TCP.
    #[cfg(feature = "transports")]
    Tls,
    /// WebSocket over TCP.
    #[cfg(feature = "transports")]
    WebSocket,
}

impl Transport {
    /// All of them that are built in, plain TCP first.
    pub const ALL: &[Self] = &[
        Self::Tcp,
        #[cfg(feature = "transports")]
        Self::Tls,
        #[cfg(feature = "transports")]
        Self::WebSocket,
    ];

    /// `mqtt`, `mqtts` or `ws`.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            #[cfg(feature = "transports")]
            Self::Tls => "mqtts",
            #[cfg(feature = "transports")]
            Self::WebSocket => "ws",
        }
    }

    /// A client's builder with the options that the transport needs to reach a relay. The certificate of the relay is made for
    /// one run and not looked at: it matters to the handshake only, which is not measured.
    pub(crate) fn prepare(self, builder: bowline::Builder<Client>) -> bowline::Builder<Client> {
        match self {
            #[cfg(feature = "transports")]
            Self::Tls => builder.tls(bowline::Tls::new().danger_accept_any_certificate()),
            _ => builder,
        }
    }
}

impl std::str::FromStr for Transport {
    type Err = String;

    fn from_str(scheme: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|transport| transport.scheme() == scheme);
        known.copied().ok_or_else(|| format!("`{scheme}` is no transport that is built in"))
    }
}
