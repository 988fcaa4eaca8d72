//! Settings that cannot be used: told before anything is sent.

use std::net::SocketAddr;

use bowline_transport::{
    Certificates, ConnectErrorKind, Endpoint, Identity, PrivateKey, RevocationLists, Tls, TlsError, TlsServer,
};

use super::super::authority::{Authority, Issued};
use super::super::{HOST, connect, trusting};
use super::Row;

/// A place where nobody listens: with settings like these nobody may ask.
const NOWHERE: &str = "mqtts://localhost:1";

pub(super) async fn rows() -> Vec<Row> {
    let authority = Authority::new("ours");
    let issued = authority.issue(HOST);
    let other_key = authority.issue(HOST).key.serialize_pem();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let tls = trusting(&authority);
    let with_key =
        |key: &str| tls.clone().identity(Identity::new(issued.certificates(), PrivateKey::bytes(key)));
    let mut rows = Vec::new();
    for (what, tls) in [
        ("a file is missing", tls.clone().identity(Identity::file("/nowhere/meter-7.pem"))),
        ("a file without a certificate", tls.clone().roots(Certificates::file("/dev/null"))),
        ("a root that is no certificate", tls.clone().roots(Certificates::bytes("30 and nonsense"))),
        ("the key of another certificate", with_key(&other_key)),
        ("an encrypted key", with_key(encrypted)),
        ("no key where one should be", with_key(&issued.certificate)),
        ("no revocation list where one should be", tls.clone().revocation_lists(RevocationLists::bytes(""))),
        ("a broken revocation list", tls.clone().revocation_lists(RevocationLists::bytes("30 and nonsense"))),
        ("no root at all", Tls::new().without_platform_roots()),
        ("a server name that none can have", tls.clone().server_name("not a name")),
        ("an application protocol without a name", tls.clone().alpn("")),
    ] {
        rows.push(client_row(what, &tls).await);
    }
    rows
}

async fn client_row(what: &'static str, tls: &Tls) -> Row {
    let endpoint: Endpoint = NOWHERE.parse().expect("a legal URL");
    let error = connect(tls, &endpoint).await.expect_err("the settings cannot be used");
    let ConnectErrorKind::Tls(kind) = error.kind() else { panic!("{error}") };
    assert!(kind.is_own_setting(), "{error}");
    Row::of_connect(what, &error, SocketAddr::from(([127, 0, 0, 1], 1)))
}

#[test]
fn a_server_checks_its_settings_before_it_listens() {
    let authority = Authority::new("ours");
    let (issued, other) = (authority.issue(HOST), authority.issue(HOST));
    let key = PrivateKey::bytes(other.key.serialize_pem());
    let error = TlsServer::new(Identity::new(issued.certificates(), key)).load().unwrap_err();
    assert_eq!(error.kind(), bowline_transport::TlsErrorKind::KeyMismatch);
}

#[test]
fn nothing_of_a_key_is_in_an_error() {
    let issued = Issued::self_signed(HOST);
    let pem = issued.key.serialize_pem();
    let secret: String = pem.lines().skip(1).take(1).collect();
    // Cut short, with other ends, and as what it is not.
    let broken = [
        pem[..pem.len() / 2].to_owned(),
        pem.replace("END PRIVATE KEY", "END PRIVATE"),
        pem.replace("BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"),
        pem.replace('M', "!"),
        secret.clone(),
    ];
    for text in broken {
        let key = PrivateKey::bytes(text.clone());
        let error: TlsError = TlsServer::new(Identity::new(issued.certificates(), key)).load().unwrap_err();
        let printed = format!("{error} {error:?} {error:#?}");
        assert!(!printed.contains(&secret[8..24]), "{printed}");
        let error = TlsServer::new(Identity::new(Certificates::bytes(text), issued_key(&issued))).load();
        let error = error.unwrap_err();
        let printed = format!("{error} {error:?} {error:#?}");
        assert!(!printed.contains(&secret[8..24]), "{printed}");
    }
}

fn issued_key(issued: &Issued) -> PrivateKey {
    PrivateKey::bytes(issued.key.serialize_der())
}
