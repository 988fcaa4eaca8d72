//! From the options of a client to a configuration of the TLS library, made anew only when something has changed.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, KeyLog, RootCertStore};

use crate::tls::danger::{AcceptsAny, AcceptsAnyName};
use crate::tls::identity::{Identity, LoadedIdentity};
use crate::tls::roots::{add_platform_roots, add_roots};
use crate::tls::source::{Certificates, Loaded, RevocationLists};
use crate::tls_error::TlsError;

/// How long roots of the platform are kept that were read.
const PLATFORM_ROOTS_KEPT: Duration = Duration::from_secs(60 * 60);

/// The versions to offer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Versions {
    #[default]
    V1_2AndLater,
    V1_3Only,
}

/// All options of a client.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) roots: Vec<Certificates>,
    pub(super) has_platform_roots: bool,
    pub(super) revocation_lists: Vec<RevocationLists>,
    pub(super) needs_current_lists: bool,
    pub(super) identity: Option<Identity>,
    pub(super) resolver: Option<Arc<dyn ResolvesClientCert>>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) server_name: Option<String>,
    pub(super) sends_name: bool,
    pub(super) versions: Versions,
    pub(super) key_log: Option<Arc<dyn KeyLog>>,
    pub(super) provider: Option<Arc<CryptoProvider>>,
    pub(super) accepts_any: bool,
    pub(super) accepts_any_name: bool,
    pub(super) prepared: Option<Arc<ClientConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            has_platform_roots: true,
            revocation_lists: Vec::new(),
            needs_current_lists: false,
            identity: None,
            resolver: None,
            alpn: Vec::new(),
            server_name: None,
            sends_name: true,
            versions: Versions::default(),
            key_log: None,
            provider: None,
            accepts_any: false,
            accepts_any_name: false,
            prepared: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("roots", &self.roots)
            .field("has_platform_roots", &self.has_platform_roots)
            .field("revocation_lists", &self.revocation_lists)
            .field("identity", &self.identity)
            .field("server_name", &self.server_name)
            .field("versions", &self.versions)
            .field("accepts_any", &self.accepts_any)
            .field("accepts_any_name", &self.accepts_any_name)
            .finish_non_exhaustive()
    }
}

/// The configuration that was made last.
#[derive(Default)]
pub(super) struct Cache {
    last: Mutex<Option<Made>>,
    hasher: RandomState,
}

struct Made {
    config: Arc<ClientConfig>,
    /// Of all bytes that were read: keeping those of a key only to compare them would be one copy too many.
    fingerprint: u64,
    at: Instant,
}

impl Cache {
    /// The configuration for the next connection. Blocks while files are read.
    pub(super) fn config(&self, settings: &Settings) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(prepared) = &settings.prepared {
            return Ok(prepared.clone());
        }
        let loaded = LoadedSettings::load(settings)?;
        let fingerprint = loaded.fingerprint(&self.hasher);
        // Nothing under the lock can leave it half changed.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*last
            && made.fingerprint == fingerprint
            && (!settings.has_platform_roots || made.at.elapsed() < PLATFORM_ROOTS_KEPT)
        {
            return Ok(made.config.clone());
        }
        let config = Arc::new(loaded.into_config(settings)?);
        *last = Some(Made { config: config.clone(), fingerprint, at: Instant::now() });
        Ok(config)
    }
}

/// What the files of the settings had in them.
struct LoadedSettings {
    roots: Vec<Loaded>,
    revocation_lists: Vec<Loaded>,
    identity: Option<LoadedIdentity>,
}

impl LoadedSettings {
    fn load(settings: &Settings) -> Result<Self, TlsError> {
        Ok(Self {
            roots: settings.roots.iter().map(Certificates::read).collect::<Result<_, _>>()?,
            revocation_lists: settings
                .revocation_lists
                .iter()
                .map(RevocationLists::read)
                .collect::<Result<_, _>>()?,
            identity: settings.identity.as_ref().map(Identity::load).transpose()?,
        })
    }

    fn fingerprint(&self, state: &RandomState) -> u64 {
        let mut hasher = state.build_hasher();
        let shared = self.roots.iter().chain(&self.revocation_lists).map(|loaded| &loaded.bytes[..]);
        for part in shared.chain(self.identity.iter().flat_map(LoadedIdentity::parts)) {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    fn into_config(self, settings: &Settings) -> Result<ClientConfig, TlsError> {
        let provider = settings.provider.clone().unwrap_or_else(default_provider);
        let versions: &[_] = match settings.versions {
            Versions::V1_2AndLater => &[&TLS12, &TLS13],
            Versions::V1_3Only => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::setting(format!("TLS cannot be set up like this ({error})")))?;
        let builder = if settings.accepts_any {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptsAny(provider.clone())))
        } else if settings.accepts_any_name {
            let verifier = AcceptsAnyName(self.verifier(settings, &provider)?);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            builder.with_webpki_verifier(self.verifier(settings, &provider)?)
        };
        let mut config = match (&settings.resolver, &self.identity) {
            (Some(resolver), _) => builder.with_client_cert_resolver(resolver.clone()),
            (None, Some(identity)) => {
                let certified = identity.certified(&provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            (None, None) => builder.with_no_client_auth(),
        };
        check_alpn(&settings.alpn)?;
        config.alpn_protocols.clone_from(&settings.alpn);
        config.enable_sni = settings.sends_name;
        if let Some(log) = &settings.key_log {
            config.key_log = log.clone();
        }
        Ok(config)
    }

    fn verifier(
        &self,
        settings: &Settings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        let mut store = RootCertStore::empty();
        for loaded in &self.roots {
            add_roots(&mut store, loaded)?;
        }
        if settings.has_platform_roots {
            add_platform_roots(&mut store)?;
        }
        if store.is_empty() {
            return Err(TlsError::no_roots());
        }
        let mut lists = Vec::new();
        for loaded in &self.revocation_lists {
            lists.extend(loaded.revocation_lists()?);
        }
        let mut builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).with_crls(lists);
        if settings.needs_current_lists {
            builder = builder.enforce_revocation_expiration();
        }
        builder.build().map_err(TlsError::bad_revocation_list)
    }
}

/// Never the one that the process has installed: whether another library did must make no difference.
pub(super) fn default_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The wire has one byte for the length of a name.
pub(super) fn check_alpn(protocols: &[Vec<u8>]) -> Result<(), TlsError> {
    match protocols.iter().find(|protocol| protocol.is_empty() || protocol.len() > 255) {
        None => Ok(()),
        Some(protocol) => Err(TlsError::setting(format!(
            "an application protocol (ALPN) has {} bytes: it must have 1 to 255",
            protocol.len()
        ))),
    }
}
