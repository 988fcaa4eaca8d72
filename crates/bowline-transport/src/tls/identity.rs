//! Who this side of a TLS connection is: a chain of certificates, and the key or signer that proves it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use crate::tls::source::{Certificates, Loaded, PrivateKey};
use crate::tls_error::TlsError;

/// A chain of certificates, the own one first and then those that lead to a root, and the private key of the first.
///
/// ```
/// use bowline_transport::{Certificates, Identity, PrivateKey};
///
/// let identity = Identity::new(Certificates::file("meter-7.crt"), PrivateKey::file("meter-7.key"));
/// let identity_in_one_file = Identity::file("meter-7.pem");
/// # drop((identity, identity_in_one_file));
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Certificates,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Private(PrivateKey),
    Signer(Arc<dyn SigningKey>),
}

impl Identity {
    /// This chain and this key.
    pub const fn new(chain: Certificates, key: PrivateKey) -> Self {
        Self { chain, key: Key::Private(key) }
    }

    /// A PEM file with the chain and the key in it. It is read for every attempt to connect.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(Certificates::file(path.clone()), PrivateKey::file(path))
    }

    /// A key that does not leave its place, as in a security module: the signer is asked for each signature, on a thread of the
    /// runtime that must not be blocked for long.
    pub fn signer(chain: Certificates, signer: Arc<dyn SigningKey>) -> Self {
        Self { chain, key: Key::Signer(signer) }
    }

    pub(super) fn load(&self) -> Result<LoadedIdentity, TlsError> {
        let key = match &self.key {
            Key::Private(key) => LoadedKey::Private(key.read()?),
            Key::Signer(signer) => LoadedKey::Signer(signer.clone()),
        };
        Ok(LoadedIdentity { chain: self.chain.read()?, key })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(key) => key.fmt(f),
            Self::Signer(_) => f.write_str("Signer"),
        }
    }
}

/// An identity whose files are read.
pub(super) struct LoadedIdentity {
    chain: Loaded,
    key: LoadedKey,
}

enum LoadedKey {
    Private(Loaded),
    Signer(Arc<dyn SigningKey>),
}

impl LoadedIdentity {
    /// All bytes that were read.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let key = match &self.key {
            LoadedKey::Private(key) => &key.bytes[..],
            LoadedKey::Signer(_) => &[],
        };
        [&self.chain.bytes[..], key].into_iter()
    }

    /// Checks that the key is that of the certificate.
    pub(super) fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = self.chain.certificates()?;
        match &self.key {
            LoadedKey::Private(loaded) => {
                let key: PrivateKeyDer<'static> = loaded.private_key()?;
                CertifiedKey::from_der(chain, key, provider)
                    .map_err(|error| TlsError::bad_identity(&loaded.origin, error))
            }
            LoadedKey::Signer(signer) => {
                let certified = CertifiedKey::new(chain, signer.clone());
                match certified.keys_match() {
                    // A signer need not say what its public key is.
                    Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                        Ok(certified)
                    }
                    Err(error) => Err(TlsError::bad_identity("the signer", error)),
                }
            }
        }
    }
}
