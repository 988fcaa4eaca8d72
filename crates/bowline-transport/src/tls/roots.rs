//! Whom to trust: the roots of the platform and those that were given.

use tokio_rustls::rustls::RootCertStore;

use crate::tls::source::Loaded;
use crate::tls_error::TlsError;

/// Adds what the platform trusts. Blocks. Roots that cannot be parsed are left out: every system has some.
pub(super) fn add_platform_roots(store: &mut RootCertStore) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let problem = found.errors.first().map(|error| error as &dyn std::fmt::Display);
        return Err(TlsError::no_platform_roots(problem));
    }
    Ok(())
}

/// Adds roots that somebody has chosen, each of which must be good.
pub(super) fn add_roots(store: &mut RootCertStore, loaded: &Loaded) -> Result<(), TlsError> {
    for certificate in loaded.certificates()? {
        store.add(certificate).map_err(|error| TlsError::bad_certificate(&loaded.origin, error))?;
    }
    Ok(())
}
