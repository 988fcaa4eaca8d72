//! Mosquitto itself over TLS, with client certificates, over WebSocket, and over WebSocket over TLS.

use std::net::SocketAddr;

use bowline::transport::ConnectErrorKind;
use bowline::{Tls, TlsErrorKind};
use bowline_testkit::ports::free_address;
use rcgen::date_time_ymd;

use crate::counterpart::program::Folder;
use crate::real::Route;
use crate::real::service::Service;
use crate::tls::authority::Authority;

/// Certificates for one test, and the files that servers read.
pub(super) struct Papers {
    authority: Authority,
    folder: Folder,
}

impl Papers {
    pub(super) fn new() -> Self {
        let folder = Folder::new();
        let authority = Authority::new();
        // ejabberd takes no certificate that ends in a year of which X.509 writes all four digits.
        let server =
            authority.issue_changed("localhost", |params| params.not_after = date_time_ymd(2049, 1, 1));
        folder.file("roots.pem", &authority.pem);
        folder.file("server.crt", &server.certificate);
        folder.file("server.key", &server.key);
        folder.file("server.pem", &(server.certificate + &server.key));
        Self { authority, folder }
    }

    /// The path of one of the files.
    pub(super) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Trusts the CA, and has no certificate.
    pub(super) fn trusting(&self) -> Tls {
        Tls::new().without_platform_roots().roots(self.authority.roots())
    }

    /// Shows a certificate of the CA too.
    pub(super) fn certified(&self) -> Tls {
        self.trusting().identity(self.authority.issue("meter-7").identity())
    }

    /// Options of a listener of Mosquitto's that speaks TLS.
    pub(super) fn listener(&self) -> String {
        format!("certfile {}\nkeyfile {}\n", self.file("server.crt"), self.file("server.key"))
    }

    /// The same, where clients must have a certificate.
    pub(super) fn strict_listener(&self) -> String {
        self.listener() + &format!("cafile {}\nrequire_certificate true\n", self.file("roots.pem"))
    }
}

pub(super) const MISSING: ConnectErrorKind = ConnectErrorKind::Tls(TlsErrorKind::ClientCertificateMissing);

fn at(scheme: &str, address: SocketAddr, path: &str) -> Route {
    Route::new(format!("{scheme}://localhost:{}{path}", address.port()))
}

async fn mosquitto(address: SocketAddr, options: String) -> Service {
    Service::mosquitto(Folder::new(), free_address(), &[(address, options)]).await
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn mosquitto_carries_all_over_tls_and_takes_clients_back_after_a_restart() {
    let (papers, address) = (Papers::new(), free_address());
    let mut broker = mosquitto(address, papers.listener()).await;
    at("mqtts", address, "").tls(papers.trusting()).carries(&mut broker).await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn mosquitto_carries_all_over_tls_with_client_certificates_and_takes_clients_back_after_a_restart() {
    let (papers, address) = (Papers::new(), free_address());
    let mut broker = mosquitto(address, papers.strict_listener()).await;
    at("mqtts", address, "").tls(papers.certified()).carries(&mut broker).await;
    at("mqtts", address, "").tls(papers.trusting()).is_refused(MISSING, "give one, with its key").await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn mosquitto_carries_all_over_websocket_and_takes_clients_back_after_a_restart() {
    let address = free_address();
    let mut broker = mosquitto(address, "protocol websockets\n".to_owned()).await;
    at("ws", address, "/mqtt").carries(&mut broker).await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn mosquitto_carries_all_over_websocket_over_tls_and_takes_clients_back_after_a_restart() {
    let (papers, address) = (Papers::new(), free_address());
    let options = format!("protocol websockets\n{}", papers.listener());
    let mut broker = mosquitto(address, options).await;
    at("wss", address, "/mqtt").tls(papers.trusting()).carries(&mut broker).await;
}
