//! Certificates, keys and revocation lists as they are given: in memory or in files, PEM or DER. Owns that a key is never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::tls_error::TlsError;

/// One or more certificates, as PEM or DER, in memory or in a file. DER is one certificate.
#[derive(Clone, Debug)]
pub struct Certificates(Source);

/// One or more certificate revocation lists, as PEM or DER, in memory or in a file. DER is one list.
#[derive(Clone, Debug)]
pub struct RevocationLists(Source);

/// A private key in PKCS#8, PKCS#1 (RSA) or SEC1 (EC), as PEM or DER, in memory or in a file, and not encrypted with a passphrase.
/// `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey(Source);

#[derive(Clone)]
enum Source {
    Memory(Arc<[u8]>),
    File(PathBuf),
}

/// More than any bundle or list that is in use.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Certificates {
    /// Those in these bytes, PEM or DER.
    pub fn bytes(pem_or_der: impl Into<Vec<u8>>) -> Self {
        Self(Source::memory(pem_or_der.into()))
    }

    /// Those in a file, PEM or DER. It is read for every attempt to connect.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    pub(super) fn read(&self) -> Result<Loaded, TlsError> {
        self.0.read("certificates")
    }
}

impl RevocationLists {
    /// Those in these bytes, PEM or DER.
    pub fn bytes(pem_or_der: impl Into<Vec<u8>>) -> Self {
        Self(Source::memory(pem_or_der.into()))
    }

    /// Those in a file, PEM or DER. It is read for every attempt to connect.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    pub(super) fn read(&self) -> Result<Loaded, TlsError> {
        self.0.read("revocation lists")
    }
}

impl PrivateKey {
    /// The first in these bytes, PEM or DER.
    pub fn bytes(pem_or_der: impl Into<Vec<u8>>) -> Self {
        Self(Source::memory(pem_or_der.into()))
    }

    /// The first in a file, PEM or DER. It is read for every attempt to connect.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    pub(super) fn read(&self) -> Result<Loaded, TlsError> {
        self.0.read("a private key")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Memory(_) => f.write_str("PrivateKey(not shown)"),
            Source::File(path) => f.debug_tuple("PrivateKey").field(path).finish(),
        }
    }
}

impl Source {
    fn memory(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }

    /// Blocks if it is a file.
    fn read(&self, what: &'static str) -> Result<Loaded, TlsError> {
        let (bytes, origin) = match self {
            Self::Memory(bytes) => (bytes.clone(), "the bytes given".to_owned()),
            Self::File(path) => {
                let origin = path.display().to_string();
                let bytes = read_file(path).map_err(|error| TlsError::unreadable(&origin, what, error))?;
                (bytes.into(), origin)
            }
        };
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(TlsError::too_large(&origin, what, FILE_BYTES_MAX));
        }
        Ok(Loaded { bytes, origin })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File(path) => path.fmt(f),
        }
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells that there is more.
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a source had in it.
pub(super) struct Loaded {
    pub(super) bytes: Arc<[u8]>,
    /// Where it is from, for texts.
    pub(super) origin: String,
}

impl Loaded {
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found = self.items(|der| CertificateDer::from(der.to_vec()));
        if found.is_empty() { Err(TlsError::no_certificate(&self.origin)) } else { Ok(found) }
    }

    pub(super) fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let found = self.items(|der| CertificateRevocationListDer::from(der.to_vec()));
        if found.is_empty() { Err(TlsError::no_revocation_list(&self.origin)) } else { Ok(found) }
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        if !is_pem(&self.bytes) {
            let key = PrivateKeyDer::try_from(&self.bytes[..]).map_err(|_| TlsError::no_key(&self.origin))?;
            return Ok(key.clone_key());
        }
        // What the reader says of broken PEM quotes it, so it is not passed on.
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| {
            if contains(&self.bytes, b"ENCRYPTED") {
                TlsError::encrypted_key(&self.origin)
            } else {
                TlsError::no_key(&self.origin)
            }
        })
    }

    /// All items of PEM, or none if one of them is broken; or the one that DER is.
    fn items<T: PemObject>(&self, of_der: impl Fn(&[u8]) -> T) -> Vec<T> {
        if is_pem(&self.bytes) {
            T::pem_slice_iter(&self.bytes).collect::<Result<_, _>>().unwrap_or_default()
        } else if self.bytes.is_empty() {
            Vec::new()
        } else {
            vec![of_der(&self.bytes)]
        }
    }
}

/// DER begins with the byte of an ASN.1 sequence, a digit `0` in text; texts before the first PEM block are allowed.
fn is_pem(bytes: &[u8]) -> bool {
    contains(bytes, b"-----BEGIN ")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
