//! Certificates made when a test runs: CAs, what they sign, and what they revoke. Knows nothing of what is tested.

use bowline_transport::{Certificates, Identity, PrivateKey, RevocationLists};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};

/// A CA.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: KeyPair,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("certificates can be made");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("certificates can be made");
        let pem = params.self_signed(&key).expect("certificates can be made").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn roots(&self) -> Certificates {
        Certificates::bytes(self.pem.clone())
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for this host, valid from 1975 to 4096.
    pub(super) fn issue(&self, host: &str) -> Issued {
        self.issue_changed(host, |_| {})
    }

    pub(super) fn issue_changed(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("certificates can be made");
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let key = KeyPair::generate().expect("certificates can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificates can be made").pem();
        Issued { certificate, key }
    }

    /// A list on which the certificate with this serial number is, or nothing.
    pub(super) fn revokes(&self, serial: Option<u64>) -> String {
        let revoked = |serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 6, 17),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2023, 6, 17),
            next_update: date_time_ymd(2024, 6, 17),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serial.map(revoked).into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer)
            .expect("certificates can be made")
            .pem()
            .expect("certificates can be made")
    }

    pub(super) fn revocation_lists(&self, serial: Option<u64>) -> RevocationLists {
        RevocationLists::bytes(self.revokes(serial))
    }
}

impl Issued {
    /// Signed by itself.
    pub(super) fn self_signed(host: &str) -> Self {
        let key = KeyPair::generate().expect("certificates can be made");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("certificates can be made");
        let certificate = params.self_signed(&key).expect("certificates can be made").pem();
        Self { certificate, key }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(self.certificates(), PrivateKey::bytes(self.key.serialize_pem()))
    }

    pub(super) fn certificates(&self) -> Certificates {
        Certificates::bytes(self.certificate.clone())
    }
}
