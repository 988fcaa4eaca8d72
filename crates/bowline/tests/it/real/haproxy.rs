//! HAProxy before Mosquitto: it ends TLS and wants client certificates, or passes TLS on to a broker that wants them.

use bowline::transport::ConnectErrorKind;
use bowline_testkit::ports::free_address;

use crate::counterpart::program::Folder;
use crate::real::mosquitto::{MISSING, Papers};
use crate::real::service::{Service, Which};
use crate::real::{Restart, Route};

#[tokio::test]
#[ignore = "needs Debian's haproxy and mosquitto; .ci/run runs it with --include-ignored"]
async fn haproxy_ends_tls_with_client_certificates_or_passes_it_on_and_takes_clients_back_after_a_restart() {
    let papers = Papers::new();
    let (ends, passes, plain, secure) = (free_address(), free_address(), free_address(), free_address());
    let options = papers.strict_listener();
    let mut mosquitto = Service::mosquitto(Folder::new(), plain, &[(secure, options)]).await;
    let text = format!(
        "global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         frontend ends\n bind {ends} ssl crt {} ca-file {} verify required\n default_backend plain\n\
         frontend passes\n bind {passes}\n default_backend secure\n\
         backend plain\n server broker {plain}\nbackend secure\n server broker {secure}\n",
        papers.file("server.pem"),
        papers.file("roots.pem")
    );
    let mut haproxy = Service::start(Which::HaProxy, Folder::new(), &text, &[ends, passes]).await;
    for front in [ends, passes] {
        let route = || Route::new(format!("mqtts://localhost:{}", front.port()));
        route().tls(papers.certified()).carries(&mut haproxy).await;
        route().tls(papers.trusting()).is_refused(MISSING, "give one, with its key").await;
    }
    // Nobody is behind it any more.
    mosquitto.stop();
    let route = Route::new(format!("mqtts://localhost:{}", passes.port())).tls(papers.certified());
    let kind = ConnectErrorKind::Tls(bowline::TlsErrorKind::Closed);
    route.is_refused(kind, "during the TLS handshake").await;
}
