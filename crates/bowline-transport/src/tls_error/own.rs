//! Texts about what was given to this side: files, certificates, keys. Never shows what is in them.

use std::io;

use super::{TlsError, TlsErrorKind};

impl TlsError {
    pub(crate) fn unreadable(origin: &str, what: &str, source: io::Error) -> Self {
        let text =
            format!("{what} cannot be read from {origin} ({source}): check the path and its permissions");
        Self::new(TlsErrorKind::File, text).with_source(source)
    }

    pub(crate) fn too_large(origin: &str, what: &str, limit: u64) -> Self {
        let text = format!("{origin} has more than {limit} bytes: it cannot be a file of {what}");
        Self::new(TlsErrorKind::File, text)
    }

    pub(crate) fn no_certificate(origin: &str) -> Self {
        let text = format!("there is no certificate in {origin}: give PEM with `BEGIN CERTIFICATE`, or DER");
        Self::new(TlsErrorKind::Certificates, text)
    }

    pub(crate) fn bad_certificate(origin: &str, source: tokio_rustls::rustls::Error) -> Self {
        let text = format!(
            "what is in {origin} is no certificate, or a damaged one: give PEM with `BEGIN CERTIFICATE`, or DER"
        );
        Self::new(TlsErrorKind::Certificates, text).with_source(source)
    }

    pub(crate) fn no_key(origin: &str) -> Self {
        let text = format!("there is no private key in {origin}: give PKCS#8, PKCS#1 or SEC1, as PEM or DER");
        Self::new(TlsErrorKind::PrivateKey, text)
    }

    pub(crate) fn encrypted_key(origin: &str) -> Self {
        let text = format!(
            "the private key in {origin} is encrypted with a passphrase: decrypt it, for instance with `openssl pkey`, and protect the file instead"
        );
        Self::new(TlsErrorKind::PrivateKey, text)
    }

    /// The certificate and its key, which were read, do not do.
    pub(crate) fn bad_identity(origin: &str, source: tokio_rustls::rustls::Error) -> Self {
        use tokio_rustls::rustls::{Error, InconsistentKeys};
        match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let text = format!(
                    "the private key in {origin} does not belong to the certificate: give the key that the certificate was made with, and the chain with that certificate first"
                );
                Self::new(TlsErrorKind::KeyMismatch, text).with_source(source)
            }
            // The library says of a key which algorithm it expected, and nothing of the key itself.
            source => {
                let text = format!(
                    "the private key in {origin} cannot be used ({source}): give one for RSA of 2048 bits or more, ECDSA or Ed25519"
                );
                Self::new(TlsErrorKind::PrivateKey, text).with_source(source)
            }
        }
    }

    pub(crate) fn no_revocation_list(origin: &str) -> Self {
        let text = format!("there is no revocation list in {origin}: give PEM with `BEGIN X509 CRL`, or DER");
        Self::new(TlsErrorKind::RevocationLists, text)
    }

    pub(crate) fn bad_revocation_list(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let text = "what was given as a revocation list is none, or a damaged one: give PEM with `BEGIN X509 CRL`, or DER".to_owned();
        Self::new(TlsErrorKind::RevocationLists, text).with_source(source)
    }

    /// The platform has none.
    pub(crate) fn no_platform_roots(problem: Option<&dyn std::fmt::Display>) -> Self {
        let problem = problem.map_or_else(String::new, |problem| format!(" ({problem})"));
        let text = format!(
            "there is no root certificate to trust on this machine{problem}: install the system's ca-certificates, or give roots with Tls::roots"
        );
        Self::new(TlsErrorKind::NoRoots, text)
    }

    /// Those of the platform are not wanted, and there are no others.
    pub(crate) fn no_roots() -> Self {
        let text = "nobody is trusted: give roots with Tls::roots, or leave out Tls::without_platform_roots";
        Self::new(TlsErrorKind::NoRoots, text.to_owned())
    }

    pub(crate) fn setting(text: String) -> Self {
        Self::new(TlsErrorKind::Setting, text)
    }
}
