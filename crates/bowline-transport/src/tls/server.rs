//! The server side of TLS: its options, and the handshake over any stream. Knows no listener.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::stream::{Encrypted, Stream};
use crate::tls::client::TlsVersion;
use crate::tls::client_config::{check_alpn, default_provider};
use crate::tls::identity::Identity;
use crate::tls::roots::add_roots;
use crate::tls::source::{Certificates, RevocationLists};
use crate::tls_error::{Side, TlsError};

/// How a server speaks TLS.
///
/// | option | default |
/// |---|---|
/// | [`client_roots`](Self::client_roots) | clients are not asked for a certificate |
/// | [`client_certificate_optional`](Self::client_certificate_optional) | required, if there are roots for it |
/// | [`client_revocation_lists`](Self::client_revocation_lists) | none: revocation is not checked |
/// | [`alpn`](Self::alpn) | none |
/// | [`min_version`](Self::min_version) | TLS 1.2 |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s |
/// | [`config`](Self::of_config) | made of the above |
#[derive(Clone)]
#[must_use]
pub struct TlsServer {
    origin: Origin,
    handshake_timeout: Duration,
}

#[derive(Clone)]
enum Origin {
    Settings(Box<Settings>),
    Prepared(Arc<ServerConfig>),
}

#[derive(Clone, Debug)]
struct Settings {
    identity: Identity,
    client_roots: Vec<Certificates>,
    is_client_certificate_optional: bool,
    client_revocation_lists: Vec<RevocationLists>,
    alpn: Vec<Vec<u8>>,
    min_version: TlsVersion,
}

impl TlsServer {
    /// A server with this certificate and key.
    pub fn new(identity: Identity) -> Self {
        let settings = Settings {
            identity,
            client_roots: Vec::new(),
            is_client_certificate_optional: false,
            client_revocation_lists: Vec::new(),
            alpn: Vec::new(),
            min_version: TlsVersion::V1_2,
        };
        Self { origin: Origin::Settings(Box::new(settings)), handshake_timeout: Duration::from_secs(10) }
    }

    /// A server with a prepared configuration: for what has no option here. The options that follow then change nothing, but
    /// [`handshake_timeout`](Self::handshake_timeout).
    pub const fn of_config(config: Arc<ServerConfig>) -> Self {
        Self { origin: Origin::Prepared(config), handshake_timeout: Duration::from_secs(10) }
    }

    /// Asks clients for a certificate from one of these CAs. May be called several times.
    pub fn client_roots(self, roots: Certificates) -> Self {
        self.set(|settings| settings.client_roots.push(roots))
    }

    /// Also takes clients that have no certificate. One that is shown must be good all the same.
    pub fn client_certificate_optional(self) -> Self {
        self.set(|settings| settings.is_client_certificate_optional = true)
    }

    /// Refuses clients whose certificate is revoked by these lists; there must be one of each issuer. May be called several times.
    pub fn client_revocation_lists(self, lists: RevocationLists) -> Self {
        self.set(|settings| settings.client_revocation_lists.push(lists))
    }

    /// Offers an application protocol (ALPN), such as `mqtt`. May be called several times, the best first. A client that offers
    /// some, but none of these, is refused.
    pub fn alpn(self, protocol: impl Into<Vec<u8>>) -> Self {
        self.set(|settings| settings.alpn.push(protocol.into()))
    }

    /// The least version of TLS to speak.
    pub fn min_version(self, version: TlsVersion) -> Self {
        self.set(|settings| settings.min_version = version)
    }

    /// How long the handshake with one client may take.
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Reads the files and checks everything; later changes of the files have no effect on the result.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub fn load(&self) -> Result<LoadedTlsServer, TlsError> {
        let config = match &self.origin {
            Origin::Prepared(config) => config.clone(),
            Origin::Settings(settings) => Arc::new(settings.config()?),
        };
        Ok(LoadedTlsServer { config, handshake_timeout: self.handshake_timeout })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        if let Origin::Settings(settings) = &mut self.origin {
            change(settings);
        }
        self
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: &dyn fmt::Debug = match &self.origin {
            Origin::Settings(settings) => settings,
            Origin::Prepared(_) => &"a prepared configuration",
        };
        f.debug_tuple("TlsServer").field(settings).finish()
    }
}

impl Settings {
    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = default_provider();
        let versions: &[_] = match self.min_version {
            TlsVersion::V1_2 => &[&TLS12, &TLS13],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::setting(format!("TLS cannot be set up like this ({error})")))?;
        let certified = self.identity.load()?.certified(&provider)?;
        let mut config = builder
            .with_client_cert_verifier(self.client_verifier(provider)?)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        check_alpn(&self.alpn)?;
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }

    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        if self.client_roots.is_empty() {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let mut store = RootCertStore::empty();
        for roots in &self.client_roots {
            add_roots(&mut store, &roots.read()?)?;
        }
        let mut lists = Vec::new();
        for given in &self.client_revocation_lists {
            lists.extend(given.read()?.revocation_lists()?);
        }
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).with_crls(lists);
        if self.is_client_certificate_optional {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map_err(TlsError::bad_revocation_list)
    }
}

/// A [`TlsServer`] whose settings have been read and checked. Cheap to clone; all clones share the sessions that can be resumed.
#[derive(Clone)]
pub struct LoadedTlsServer {
    config: Arc<ServerConfig>,
    handshake_timeout: Duration,
}

impl LoadedTlsServer {
    /// Speaks TLS over a stream that was accepted: makes the handshake and gives the stream inside. This is what listeners of
    /// other transports put between TCP and their protocol.
    ///
    /// # Errors
    ///
    /// If the client and this server do not come to an agreement, or not within the time limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn accept_over(&self, stream: Stream) -> Result<Stream, TlsError> {
        let peer = stream.description().peer().to_owned();
        let handshake = tokio_rustls::TlsAcceptor::from(self.config.clone()).accept(stream);
        match timeout(self.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => Ok(Stream::tls(Encrypted::new(stream, Side::Server, &peer))),
            Ok(Err(error)) => Err(TlsError::of_handshake(Side::Server, &peer, error)),
            Err(_) => Err(TlsError::timed_out(Side::Server, &peer, self.handshake_timeout)),
        }
    }
}

impl fmt::Debug for LoadedTlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedTlsServer")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}
