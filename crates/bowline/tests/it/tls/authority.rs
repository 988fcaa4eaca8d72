//! Certificates made when a test runs: a CA and what it signs. Knows nothing of what is tested.

use bowline::{Certificates, Identity, PrivateKey};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
        params.distinguished_name.push(DnType::CommonName, "roots of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("there is randomness");
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn roots(&self) -> Certificates {
        Certificates::bytes(self.pem.clone())
    }

    pub(crate) fn issue(&self, host: &str) -> Issued {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a legal name");
        params.distinguished_name.push(DnType::CommonName, host);
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("the CA signs").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(Certificates::bytes(self.certificate.clone()), PrivateKey::bytes(self.key.clone()))
    }
}
