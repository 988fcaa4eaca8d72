//! Certificates that are refused, by either side.

use bowline_transport::{Certificates, Identity, PrivateKey, Tls, TlsServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SerialNumber, date_time_ymd};

use super::super::authority::{Authority, Issued};
use super::super::{HOST, trusting};
use super::{Meeting, Row};

pub(super) async fn of_servers() -> Vec<Row> {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let tls = trusting(&ours);
    let mut rows = Vec::new();
    let expired = ours.issue_changed(HOST, |params| params.not_after = date_time_ymd(2020, 2, 29));
    let early = ours.issue_changed(HOST, |params| params.not_before = date_time_ymd(2090, 1, 1));
    for (what, issued) in [
        ("expired", expired),
        ("not valid yet", early),
        ("self-signed", Issued::self_signed(HOST)),
        ("of a CA that is not trusted", other.issue(HOST)),
        ("for another host", ours.issue("broker.example")),
        (
            "with the host as common name alone",
            ours.issue_changed(HOST, |params| params.subject_alt_names.clear()),
        ),
    ] {
        rows.push(Meeting::of(&tls, &TlsServer::new(issued.identity())).await.client_row(what).await);
    }
    let server = TlsServer::new(ours.issue("broker.example").identity());
    let meeting = Meeting::at(&tls, &server, "127.0.0.1").await;
    rows.push(meeting.client_row("for a name, and connected to by address").await);
    rows.push(ca_as_server().await);
    rows.extend(revoked(&ours, &other).await);
    rows
}

/// What `openssl req -x509` makes, and itself as a root.
fn of_a_ca() -> (Identity, Certificates) {
    let key = KeyPair::generate().expect("there is randomness");
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).expect("a legal name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let roots = Certificates::bytes(params.self_signed(&key).expect("it signs itself").pem());
    (Identity::new(roots.clone(), PrivateKey::bytes(key.serialize_pem())), roots)
}

async fn ca_as_server() -> Row {
    let (identity, roots) = of_a_ca();
    let tls = Tls::new().without_platform_roots().roots(roots);
    Meeting::of(&tls, &TlsServer::new(identity)).await.client_row("a CA's own, trusted as a root").await
}

async fn ca_as_client(ours: &Authority) -> Row {
    let (identity, roots) = of_a_ca();
    let server = TlsServer::new(ours.issue(HOST).identity()).client_roots(roots);
    let tls = trusting(ours).identity(identity);
    Meeting::of(&tls, &server).await.server_row("a certificate of a CA, trusted as a root")
}

async fn revoked(ours: &Authority, other: &Authority) -> Vec<Row> {
    let issued = ours.issue_changed(HOST, |params| params.serial_number = Some(SerialNumber::from(7_u64)));
    let server = TlsServer::new(issued.identity());
    let mut rows = Vec::new();
    for (what, tls) in [
        ("revoked", trusting(ours).revocation_lists(ours.revocation_lists(Some(7)))),
        ("of an issuer whose list is missing", trusting(ours).revocation_lists(other.revocation_lists(None))),
        (
            "on a list that is out of date and must not be",
            trusting(ours).revocation_lists(ours.revocation_lists(None)).revocation_lists_must_be_current(),
        ),
    ] {
        rows.push(Meeting::of(&tls, &server).await.client_row(what).await);
    }
    rows
}

pub(super) async fn of_clients() -> Vec<Row> {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let server = strict(&ours);
    let tls = trusting(&ours);
    let expired = ours.issue_changed("meter-7", |params| params.not_after = date_time_ymd(2020, 2, 29));
    let mut rows = Vec::new();
    for (what, tls) in [
        ("missing", tls.clone()),
        ("of a CA that the broker does not trust", tls.clone().identity(other.issue("meter-7").identity())),
        ("expired", tls.clone().identity(expired.identity())),
        ("revoked", tls.clone().identity(with_serial(&ours, 9).identity())),
    ] {
        rows.push(Meeting::of(&tls, &server).await.client_row(what).await);
    }
    rows
}

pub(super) async fn seen_by_servers() -> Vec<Row> {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let server = strict(&ours);
    let tls = trusting(&ours);
    let known = ours.issue("meter-7").identity();
    let expired = ours.issue_changed("meter-7", |params| params.not_after = date_time_ymd(2020, 2, 29));
    let mut rows = Vec::new();
    for (what, tls) in [
        ("no certificate, and one is required", tls.clone()),
        ("a certificate of another CA", tls.clone().identity(other.issue("meter-7").identity())),
        ("an expired certificate", tls.clone().identity(expired.identity())),
        ("a revoked certificate", tls.clone().identity(with_serial(&ours, 9).identity())),
        ("a client that does not trust the broker", trusting(&other).identity(known)),
    ] {
        rows.push(Meeting::of(&tls, &server).await.server_row(what));
    }
    rows.push(ca_as_client(&ours).await);
    rows.push(super::speaking::plain_client(&server).await);
    rows.push(super::speaking::silent_client(&server).await);
    rows
}

/// Takes clients with a certificate of this CA, but not the one with the number 9.
fn strict(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.issue(HOST).identity())
        .client_roots(authority.roots())
        .client_revocation_lists(authority.revocation_lists(Some(9)))
}

fn with_serial(authority: &Authority, serial: u64) -> Issued {
    authority.issue_changed("meter-7", |params| params.serial_number = Some(SerialNumber::from(serial)))
}
