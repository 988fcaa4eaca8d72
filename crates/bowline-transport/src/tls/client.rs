//! The client side of TLS: its options, and the handshake over any stream. Knows no transport and no time limit.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, KeyLog, KeyLogFile};

use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stream::{Encrypted, Stream};
use crate::tls::client_config::{Cache, Settings, Versions};
use crate::tls::identity::Identity;
use crate::tls::source::{Certificates, RevocationLists};
use crate::tls_error::{Side, TlsError};

/// How a client speaks TLS. What is not set has a default that is safe:
///
/// | option | default |
/// |---|---|
/// | [`roots`](Self::roots) | none beside the platform's |
/// | [`without_platform_roots`](Self::without_platform_roots) | the platform's roots are trusted |
/// | [`revocation_lists`](Self::revocation_lists) | none: revocation is not checked |
/// | [`revocation_lists_must_be_current`](Self::revocation_lists_must_be_current) | a list may be out of date |
/// | [`identity`](Self::identity), [`identity_resolver`](Self::identity_resolver) | no client certificate |
/// | [`alpn`](Self::alpn) | none |
/// | [`server_name`](Self::server_name) | the host of the URL |
/// | [`without_sni`](Self::without_sni) | the server is told the name |
/// | [`min_version`](Self::min_version) | TLS 1.2 |
/// | [`key_log`](Self::key_log), [`key_log_file`](Self::key_log_file) | none |
/// | [`crypto_provider`](Self::crypto_provider) | ring |
/// | [`danger_accept_any_certificate`](Self::danger_accept_any_certificate) | certificates are verified |
/// | [`danger_accept_any_server_name`](Self::danger_accept_any_server_name) | the name is verified |
/// | [`config`](Self::config) | made of the above |
///
/// Files are read for every attempt to connect, so that a renewed certificate needs no restart. While nothing has changed, all
/// connections share one configuration, and with it the sessions that can be resumed; clones share it too. The platform's roots
/// are read again when they are older than an hour.
///
/// ```
/// use bowline_transport::{Certificates, Identity, PrivateKey, Tls};
///
/// let tls = Tls::new()
///     .roots(Certificates::file("/etc/meter/ca.pem"))
///     .without_platform_roots()
///     .identity(Identity::new(Certificates::file("meter-7.crt"), PrivateKey::file("meter-7.key")));
/// # drop(tls);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Tls {
    settings: Settings,
    cache: Arc<Cache>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl Tls {
    /// The defaults.
    pub fn new() -> Self {
        Self { settings: Settings::default(), cache: Arc::default() }
    }

    /// Trusts these roots: certificates of CAs, or a server's own if it is self-signed. May be called several times. The
    /// platform's are trusted too, unless [`without_platform_roots`](Self::without_platform_roots) says otherwise.
    pub fn roots(self, roots: Certificates) -> Self {
        self.set(|settings| settings.roots.push(roots))
    }

    /// Trusts only what [`roots`](Self::roots) gives.
    pub fn without_platform_roots(self) -> Self {
        self.set(|settings| settings.has_platform_roots = false)
    }

    /// Refuses servers whose certificate, or one of those above it, is revoked by these lists. There must be a list of the issuer
    /// of every certificate in the chain but the root. May be called several times.
    pub fn revocation_lists(self, lists: RevocationLists) -> Self {
        self.set(|settings| settings.revocation_lists.push(lists))
    }

    /// Refuses servers if the revocation list of an issuer is older than it says it may be.
    pub fn revocation_lists_must_be_current(self) -> Self {
        self.set(|settings| settings.needs_current_lists = true)
    }

    /// The client certificate, for servers that ask for one.
    pub fn identity(self, identity: Identity) -> Self {
        self.set(|settings| settings.identity = Some(identity))
    }

    /// Chooses a client certificate in each handshake in which the server asks for one; goes before
    /// [`identity`](Self::identity).
    pub fn identity_resolver(self, resolver: Arc<dyn ResolvesClientCert>) -> Self {
        self.set(|settings| settings.resolver = Some(resolver))
    }

    /// Offers an application protocol (ALPN). `mqtt` is the registered one; servers with more than one protocol on a port, such as
    /// AWS IoT on 443 (`x-amzn-mqtt-ca`), need it. May be called several times, the best first. A name of 0 or more than 255 bytes
    /// fails the attempt.
    pub fn alpn(self, protocol: impl Into<Vec<u8>>) -> Self {
        self.set(|settings| settings.alpn.push(protocol.into()))
    }

    /// The name that the server's certificate must be for, and that the server is told (SNI), instead of the host of the URL. A name
    /// or an address; of an address no server is told.
    pub fn server_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.server_name = Some(name.into()))
    }

    /// Does not tell the server which name it is called by (SNI).
    pub fn without_sni(self) -> Self {
        self.set(|settings| settings.sends_name = false)
    }

    /// The least version of TLS to speak; the best that both sides know is used.
    pub fn min_version(self, version: TlsVersion) -> Self {
        let versions = match version {
            TlsVersion::V1_2 => Versions::V1_2AndLater,
            TlsVersion::V1_3 => Versions::V1_3Only,
        };
        self.set(|settings| settings.versions = versions)
    }

    /// Hands the secrets of each session to this log. Whoever reads it can read the connection.
    pub fn key_log(self, log: Arc<dyn KeyLog>) -> Self {
        self.set(|settings| settings.key_log = Some(log))
    }

    /// Writes the secrets of each session to the file that the environment variable `SSLKEYLOGFILE` names, for tools such as
    /// Wireshark; to nowhere if it is not set. Whoever reads the file can read the connection; on Unix a file that is made for it can be
    /// read by its owner alone.
    pub fn key_log_file(self) -> Self {
        self.key_log(Arc::new(KeyLogFile::new()))
    }

    /// Computes with another library than ring: with the feature `tls-aws-lc-rs`, for instance
    /// `rustls::crypto::aws_lc_rs::default_provider()`.
    pub fn crypto_provider(self, provider: Arc<CryptoProvider>) -> Self {
        self.set(|settings| settings.provider = Some(provider))
    }

    /// Takes any certificate of any server: **whoever is on the way can read and change everything**, passwords included. For a
    /// self-signed certificate, give it as a [root](Self::roots) instead.
    pub fn danger_accept_any_certificate(self) -> Self {
        self.set(|settings| settings.accepts_any = true)
    }

    /// Takes a certificate for any host, if it is valid otherwise: **whoever has a certificate of one of the trusted CAs can stand in
    /// for the broker**. With a CA that gives its certificates to brokers alone that is little; with the platform's roots it is
    /// everybody. If the broker is only called by another name than the certificate's, say that one with
    /// [`server_name`](Self::server_name).
    pub fn danger_accept_any_server_name(self) -> Self {
        self.set(|settings| settings.accepts_any_name = true)
    }

    /// Takes a prepared configuration instead of all other options but [`server_name`](Self::server_name): for what has no option
    /// here, such as another verifier. If it is to resume sessions, keep one for all connections.
    pub fn config(self, config: Arc<ClientConfig>) -> Self {
        self.set(|settings| settings.prepared = Some(config))
    }

    /// Speaks TLS over an open stream to this endpoint: makes the handshake and gives the stream inside. It has no time limit of its
    /// own. This is what other transports put between their protocol and TCP.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Tls`] if the settings cannot be used, or the two sides do not come to an agreement.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn connect_over(&self, stream: Stream, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let prepared = self.prepare(endpoint).await?;
        prepared.handshake(stream).await
    }

    /// Reads what there is to read, before anything is sent: what is wrong with the settings is told without a connection.
    pub(crate) async fn prepare(&self, endpoint: &Endpoint) -> Result<Prepared, ConnectError> {
        let failed = |source| ConnectError::Tls { source };
        let peer = endpoint.host_and_port();
        let name = self.name_of_server(endpoint).map_err(failed)?;
        let (settings, cache) = (self.settings.clone(), self.cache.clone());
        // Files are read and parsed where that may block.
        let loading = tokio::task::spawn_blocking(move || cache.config(&settings));
        let config = match loading.await {
            Ok(config) => config.map_err(failed)?,
            Err(error) => return Err(ConnectError::custom(error)),
        };
        Ok(Prepared { config, name, peer })
    }

    fn name_of_server(&self, endpoint: &Endpoint) -> Result<ServerName<'static>, TlsError> {
        let wanted = match &self.settings.server_name {
            Some(name) => name,
            // The zone of an IPv6 address is this machine's business.
            None => endpoint.host().split_once('%').map_or_else(|| endpoint.host(), |(address, _)| address),
        };
        ServerName::try_from(wanted.to_owned()).map_err(|_| {
            TlsError::setting(format!(
                "`{wanted}` is no name that a certificate can be for: say the broker's name with Tls::server_name"
            ))
        })
    }

    /// Clones that were made before share a cache that this one leaves.
    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.cache = Arc::default();
        self
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.settings).finish()
    }
}

/// Settings that have been read, for one connection.
pub(crate) struct Prepared {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    peer: String,
}

impl Prepared {
    pub(crate) async fn handshake(self, stream: Stream) -> Result<Stream, ConnectError> {
        let Self { config, name, peer } = self;
        match tokio_rustls::TlsConnector::from(config).connect(name, stream).await {
            Ok(stream) => Ok(Stream::tls(Encrypted::new(stream, Side::Client, &peer))),
            Err(error) => {
                Err(ConnectError::Tls { source: TlsError::of_handshake(Side::Client, &peer, error) })
            }
        }
    }
}
