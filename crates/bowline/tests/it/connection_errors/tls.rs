//! Certificates, keys, and who speaks TLS where.

use std::net::SocketAddr;

use bowline::transport::TlsServer;
use bowline::{Builder, Client, Identity, PrivateKey, RevocationLists, Tls};
use bowline_broker::Broker;
use rcgen::{SerialNumber, date_time_ymd};
use tokio::net::TcpListener;

use super::scripts::{Script, encrypted};
use super::{Row, builder, row};
use crate::tls::authority::{Authority, Issued};

const HOST: &str = "localhost";

async fn broker(server: TlsServer) -> (Broker, SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let broker = Broker::builder().without_tcp().listen_tls(any, server).start().await.expect("a free port");
    let address = broker.tls_addresses()[0];
    (broker, address)
}

fn to(address: SocketAddr) -> Builder<Client> {
    builder(&format!("mqtts://{HOST}:{}", address.port()))
}

fn trusting(authority: &Authority) -> Tls {
    Tls::new().without_platform_roots().roots(authority.roots())
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = of_the_broker().await;
    rows.extend(of_the_client().await);
    rows.extend(silent().await);
    rows
}

async fn of_the_broker() -> Vec<Row> {
    let ours = Authority::new();
    let tls = trusting(&ours);
    let expired = ours.issue_changed(HOST, |params| params.not_after = date_time_ymd(2020, 2, 29));
    let revoked = ours.issue_changed(HOST, |params| params.serial_number = Some(SerialNumber::from(7_u64)));
    let lists = RevocationLists::bytes(ours.revokes(7));
    let mut rows = Vec::new();
    for (what, issued, tls) in [
        ("an expired certificate", expired, tls.clone()),
        ("a self-signed certificate that is not among the roots", Issued::self_signed(HOST), tls.clone()),
        ("a certificate for another host", ours.issue("broker.example"), tls.clone()),
        ("a revoked certificate", revoked, tls.revocation_lists(lists)),
    ] {
        let (_broker, address) = broker(TlsServer::new(issued.identity())).await;
        rows.push(row(what, Some(address), to(address).tls(tls)).await);
    }
    rows
}

async fn of_the_client() -> Vec<Row> {
    let (ours, other) = (Authority::new(), Authority::named("another"));
    let server = TlsServer::new(ours.issue(HOST).identity()).client_roots(ours.roots());
    let (_broker, address) = broker(server).await;
    let tls = trusting(&ours);
    let (mine, anothers) = (ours.issue("meter-7"), ours.issue("meter-8"));
    let mixed = Identity::new(mine.certificates(), PrivateKey::bytes(anothers.key));
    let stranger = other.issue("meter-7").identity();
    vec![
        row("no client certificate where one is wanted", Some(address), to(address).tls(tls.clone())).await,
        row(
            "a client certificate of a CA that the broker does not trust",
            Some(address),
            to(address).tls(tls.clone().identity(stranger)),
        )
        .await,
        row("the key of another certificate", Some(address), to(address).tls(tls.identity(mixed))).await,
    ]
}

async fn silent() -> Vec<Row> {
    let ours = Authority::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent_at = silent.local_addr().expect("it is bound");
    let tls = trusting(&ours);
    let mut rows =
        vec![row("TLS to one who never answers", Some(silent_at), to(silent_at).tls(tls.clone())).await];
    for (what, script) in [
        ("one who makes the TLS handshake and then says nothing", Script::says(b"")),
        ("one who makes the TLS handshake and then closes", Script::closes()),
    ] {
        let address = encrypted(script, &ours).await;
        rows.push(row(what, Some(address), to(address).tls(tls.clone())).await);
    }
    rows
}
