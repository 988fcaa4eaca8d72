//! Certificates made when a test runs: a CA and what it signs. Knows nothing of what is tested.

use bowline::{Certificates, Identity, PrivateKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

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
        Self::named("roots of a test")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("there is randomness");
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn roots(&self) -> Certificates {
        Certificates::bytes(self.pem.clone())
    }

    pub(crate) fn issue(&self, host: &str) -> Issued {
        self.issue_changed(host, |_| {})
    }

    pub(crate) fn issue_changed(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a legal name");
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("the CA signs").pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    /// A list on which the certificate with this serial number is, in PEM.
    pub(crate) fn revokes(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 6, 17),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2023, 6, 17),
            next_update: date_time_ymd(2024, 6, 17),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("the CA signs")
    }
}

impl Issued {
    /// Signed by itself.
    pub(crate) fn self_signed(host: &str) -> Self {
        let key = KeyPair::generate().expect("there is randomness");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a legal name");
        let certificate = params.self_signed(&key).expect("it signs itself").pem();
        Self { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn certificates(&self) -> Certificates {
        Certificates::bytes(self.certificate.clone())
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(self.certificates(), PrivateKey::bytes(self.key.clone()))
    }
}
