//! Each scheme at each port of a Mosquitto and an nginx that it is not for: who is there is told, and told soon.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowline::transport::ConnectErrorKind as Kind;
use bowline::{Client, ConnectError, Tls, TlsErrorKind};
use bowline_testkit::ports::free_address;

use crate::counterpart::program::Folder;
use crate::peer::within;
use crate::real::mosquitto::Papers;
use crate::real::nginx::web_server;
use crate::real::service::Service;

const CLOSED: Kind = Kind::Tls(TlsErrorKind::Closed);
const NOT_TLS: Kind = Kind::Tls(TlsErrorKind::NotTls);

/// The scheme, what is behind the port, how it may show, and what the text says of it.
const WRONG: [(&str, &str, &[Kind], &str); 20] = [
    ("mqtt", "mqtts", &[Kind::BrokenOff, Kind::SpeaksTls, Kind::Closed], "mqtts://"),
    ("mqtt", "wss", &[Kind::BrokenOff, Kind::SpeaksTls, Kind::Closed], "mqtts://"),
    ("mqtt", "ws", &[Kind::SpeaksHttp], "with the status 403: connect with ws://"),
    ("mqtt", "http", &[Kind::SpeaksHttp], "with the status 400: connect with ws://"),
    ("mqtt", "https", &[Kind::SpeaksHttp], "with the status 400: connect with ws://"),
    ("mqtts", "mqtt", &[CLOSED], "check that its port speaks TLS"),
    ("mqtts", "ws", &[NOT_TLS], "does not speak TLS"),
    ("mqtts", "wss", &[Kind::SpeaksHttp], "with the status 403: connect with wss://"),
    ("mqtts", "http", &[NOT_TLS], "does not speak TLS"),
    ("mqtts", "https", &[Kind::SpeaksHttp], "with the status 400: connect with wss://"),
    ("ws", "mqtt", &[Kind::WebSocket], "check"),
    ("ws", "mqtts", &[Kind::WebSocket, Kind::SpeaksTls], "wss://"),
    ("ws", "wss", &[Kind::WebSocket, Kind::SpeaksTls], "wss://"),
    ("ws", "http", &[Kind::WebSocket], "HTTP 404"),
    ("ws", "https", &[Kind::WebSocket], "check the scheme (ws:// or wss://)"),
    ("wss", "mqtt", &[CLOSED], "check that its port speaks TLS"),
    ("wss", "mqtts", &[Kind::WebSocket], "check"),
    ("wss", "ws", &[NOT_TLS], "ws:// instead of wss://"),
    ("wss", "http", &[NOT_TLS], "ws:// instead of wss://"),
    ("wss", "https", &[Kind::WebSocket], "HTTP 404"),
];

#[tokio::test]
#[ignore = "needs Debian's nginx and mosquitto; .ci/run runs it with --include-ignored"]
async fn each_scheme_at_each_wrong_port_of_mosquitto_and_nginx_is_told_who_is_there() {
    let papers = Papers::new();
    let names = ["mqtt", "mqtts", "ws", "wss", "http", "https"];
    let ports = names.map(|name| (name, free_address()));
    let web = "protocol websockets\n".to_owned();
    let others =
        [(ports[1].1, papers.listener()), (ports[2].1, web.clone()), (ports[3].1, web + &papers.listener())];
    let _mosquitto = Service::mosquitto(Folder::new(), ports[0].1, &others).await;
    let _nginx = web_server(&papers, ports[4].1, ports[5].1, "").await;
    for (name, address) in &ports[..4] {
        let client = within(builder(name, *address, papers.trusting()).connect()).await;
        within(client.unwrap_or_else(|error| panic!("{name}: {error}")).disconnect()).await;
    }
    for (scheme, port, kinds, text) in WRONG {
        let (_, address) = ports.iter().find(|(name, _)| *name == port).expect("it is in the list");
        let started = Instant::now();
        let error = within(builder(scheme, *address, papers.trusting()).connect()).await;
        let error = error.expect_err("it cannot succeed");
        let ConnectError::Failed(why) = &error else { panic!("{error}") };
        println!("{scheme} to {port}: {:?}: {error}", why.transport_error_kind());
        let kind = why.transport_error_kind().unwrap_or_else(|| panic!("{scheme} to {port}: {error}"));
        assert!(kinds.contains(&kind), "{scheme} to {port}: {kind:?}: {error}");
        assert!(error.to_string().contains(text), "{scheme} to {port}: {error}");
        // The limit is 30 s.
        assert!(started.elapsed() < Duration::from_secs(8), "{scheme} to {port} took too long");
    }
}

fn builder(scheme: &str, address: SocketAddr, tls: Tls) -> bowline::Builder<Client> {
    let url = format!("{scheme}://localhost:{}/mqtt", address.port());
    Client::builder(&url).expect("a legal URL").tls(tls)
}
