//! Why TLS failed, in words for a person and as a kind for a program. Knows no stream, and nothing that is secret.

mod handshake;
mod own;

use std::error::Error;
use std::fmt;

pub(crate) use handshake::Side;

/// Why a TLS connection did not come about or ended. The text tells what to change. It has names, dates and file names in it, and
/// never a key, nor any part of a file.
///
/// A [`ConnectError::Tls`](crate::ConnectError::Tls) contains it. With TLS 1.3 a server checks the client's certificate after the
/// client has seen the handshake succeed, so its refusal comes as the [`io::Error`](std::io::Error) of a later read or write:
/// there it is what [`get_ref`](std::io::Error::get_ref) gives.
#[derive(Debug)]
pub struct TlsError {
    kind: TlsErrorKind,
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a [`TlsError`] comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// A file of ours cannot be read.
    File,
    /// What was given as certificates is none.
    Certificates,
    /// What was given as a private key is none that can be used.
    PrivateKey,
    /// Our private key does not belong to our certificate.
    KeyMismatch,
    /// What was given as revocation lists is none.
    RevocationLists,
    /// There is no root to trust.
    NoRoots,
    /// Another of our settings cannot be used.
    Setting,
    /// The peer's certificate is no longer valid.
    CertificateExpired,
    /// The peer's certificate is not valid yet.
    CertificateNotYetValid,
    /// The peer's certificate is signed by nobody whom we trust; a self-signed one is too.
    CertificateUnknownIssuer,
    /// The server's certificate is for another host.
    CertificateWrongHost,
    /// The peer's certificate is revoked.
    CertificateRevoked,
    /// Revocation is to be checked, and no list that was given is for this certificate, or the list is out of date.
    RevocationUnknown,
    /// Something else is wrong with the peer's certificate.
    CertificateUnsuitable,
    /// The server wants a client certificate and got none.
    ClientCertificateMissing,
    /// The peer does not accept our certificate.
    CertificateRefused,
    /// The two sides have no protocol version, cipher suite or application protocol in common.
    NothingInCommon,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer closed the connection before the handshake was over.
    Closed,
    /// The handshake was not over in time.
    TimedOut,
    /// The stream ended without TLS's own end, as when a line is cut.
    Truncated,
    /// Anything else that the peer or the line did wrong.
    Protocol,
}

impl TlsError {
    pub(crate) const fn new(kind: TlsErrorKind, text: String) -> Self {
        Self { kind, text, source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it comes down to.
    pub const fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}

impl TlsErrorKind {
    /// Whether the settings of this side are at fault: then the other side was not even asked.
    pub const fn is_own_setting(self) -> bool {
        matches!(
            self,
            Self::File
                | Self::Certificates
                | Self::PrivateKey
                | Self::KeyMismatch
                | Self::RevocationLists
                | Self::NoRoots
                | Self::Setting
        )
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
