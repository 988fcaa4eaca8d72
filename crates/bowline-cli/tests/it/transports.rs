//! The ways to a broker: TLS with Mosquitto's options, Unix sockets.

use std::path::{Path, PathBuf};

use bowline::transport::{Certificates, Identity, PrivateKey, TlsServer};
use bowline_broker::Broker;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::process::{Ended, Process, until};

/// A folder of this test's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bowline-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written to");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the temporary folder has a plain name").to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).expect("the temporary folder can be written to");
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A CA in a folder.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: String,
}

impl Authority {
    pub(crate) fn new(folder: &Folder, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("certificates can be made");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("certificates can be made");
        let file = folder.write(name, &params.self_signed(&key).expect("certificates can be made").pem());
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Certificate and key as files.
    pub(crate) fn issue(&self, folder: &Folder, host: &str) -> [String; 2] {
        let key = KeyPair::generate().expect("certificates can be made");
        let certificate = CertificateParams::new(vec![host.to_owned()])
            .expect("certificates can be made")
            .signed_by(&key, &self.issuer);
        let pem = certificate.expect("certificates can be made").pem();
        [
            folder.write(&format!("{host}.crt"), &pem),
            folder.write(&format!("{host}.key"), &key.serialize_pem()),
        ]
    }
}

fn identity([certificate, key]: &[String; 2]) -> Identity {
    Identity::new(Certificates::file(certificate), PrivateKey::file(key))
}

async fn broker(tls: TlsServer) -> (Broker, String) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let broker = Broker::builder().without_tcp().listen_tls(any, tls).start().await.expect("a free port");
    let port = broker.tls_addresses()[0].port().to_string();
    (broker, port)
}

fn publish(port: &str, arguments: &[&str]) -> Ended {
    let own = ["pub", "-h", "localhost", "-p", port, "-t", "t", "-m", "x", "-q", "1"];
    Process::bowline(own.iter().chain(arguments)).finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_options_of_mosquitto() {
    let folder = Folder::new("tls");
    let authority = Authority::new(&folder, "ca.pem");
    let (broker, port) = broker(TlsServer::new(identity(&authority.issue(&folder, "localhost")))).await;
    std::fs::create_dir(folder.path("cas")).unwrap();
    std::fs::copy(&authority.file, folder.path("cas/some.crt")).unwrap();
    let (ca, cas, log) = (authority.file.as_str(), folder.path("cas"), folder.path("keys"));
    let ways: [&[&str]; 4] = [
        &["--cafile", ca],
        &["--capath", &cas],
        &["--cafile", ca, "--tls-version", "tlsv1.3", "--tls-alpn", "mqtt"],
        &["--cafile", ca, "--tls-keylog", &log],
    ];
    for (done, way) in ways.iter().enumerate() {
        publish(&port, way).successful();
        assert_eq!(broker.stats().messages_in, done as u64 + 1, "{way:?}");
    }
    let secrets = std::fs::read_to_string(&log).unwrap();
    assert!(secrets.lines().any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")), "{secrets}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // By URL, with its topic.
    let url = format!("mqtts://localhost:{port}/t");
    Process::bowline(["pub", &url, "-m", "x", "--cafile", ca]).finish().successful();
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_trusted_is_told_with_what_to_do() {
    let folder = Folder::new("distrust");
    let (authority, another) = (Authority::new(&folder, "ca.pem"), Authority::new(&folder, "another.pem"));
    let (broker, port) = broker(TlsServer::new(identity(&authority.issue(&folder, "elsewhere")))).await;
    let of_another = publish(&port, &["--cafile", &another.file]);
    assert!(of_another.code != Some(0) && of_another.stderr.contains("--cafile"), "{}", of_another.stderr);
    let other_name = publish(&port, &["--cafile", &authority.file]);
    assert!(other_name.code != Some(0) && other_name.stderr.contains("elsewhere"), "{}", other_name.stderr);
    publish(&port, &["--cafile", &authority.file, "--insecure"]).successful();
    publish(&port, &["--cafile", &authority.file, "--tls-server-name", "elsewhere"]).successful();
    assert_ne!(publish(&port, &["--cafile", &another.file, "--insecure"]).code, Some(0));
    // In the clear to a port that speaks TLS.
    let plain = publish(&port, &[]);
    assert!(plain.code != Some(0) && plain.stderr.contains("mqtts://"), "{}", plain.stderr);
    drop(broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_a_broker_that_wants_one() {
    let folder = Folder::new("client-certificate");
    let authority = Authority::new(&folder, "ca.pem");
    let server = TlsServer::new(identity(&authority.issue(&folder, "localhost")));
    let (broker, port) = broker(server.client_roots(Certificates::file(&authority.file))).await;
    let [certificate, key] = authority.issue(&folder, "meter-7");
    assert_ne!(publish(&port, &["--cafile", &authority.file]).code, Some(0));
    publish(&port, &["--cafile", &authority.file, "--cert", &certificate, "--key", &key]).successful();
    broker.assert_no_violations();
}

#[test]
fn options_of_tls_that_cannot_be_used_are_usage_errors() {
    let missing = Path::new("missing").to_str().unwrap();
    let wrong: [&[&str]; 5] = [
        &["--capath", missing],
        &["--cert", missing],
        &["--tls-version", "tlsv1.1"],
        &["-L", "mqtt://localhost", "--insecure"],
        &["--unix", "/a", "-h", "b"],
    ];
    for options in wrong {
        let own = ["pub", "-t", "t", "-m", "x"];
        let ended = Process::bowline(own.iter().chain(options)).finish();
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_of_tls_are_for_the_other_brokers_too() {
    let folder = Folder::new("also");
    let authority = Authority::new(&folder, "ca.pem");
    let (broker, port) = broker(TlsServer::new(identity(&authority.issue(&folder, "localhost")))).await;
    let also = format!("mqtts://localhost:{port}");
    // Nobody listens on the first.
    let first = ["pub", "-L", "mqtt://127.0.0.1:1", "-t", "t", "-m", "x", "-q", "1"];
    let more = ["--also", also.as_str(), "--cafile", authority.file.as_str()];
    Process::bowline(first.iter().chain(&more)).finish().successful();
    assert_eq!(broker.stats().messages_in, 1);
    // One without a scheme is as safe as the first.
    let also = format!("localhost:{port}");
    let first = ["pub", "-L", "mqtts://127.0.0.1:1", "-t", "t", "-m", "x", "-q", "1"];
    let more = ["--also", also.as_str(), "--cafile", authority.file.as_str()];
    Process::bowline(first.iter().chain(&more)).finish().successful();
    assert_eq!(broker.stats().messages_in, 2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_way_to_the_broker() {
    let folder = Folder::new("unix");
    let path = folder.path("broker.sock");
    let broker = Broker::builder().without_tcp().listen_unix(&path).start().await.unwrap();
    let subscriber = Process::bowline(["sub", "--unix", &path, "-t", "t", "-C", "2", "-W", "50"]);
    until("subscribing", || broker.stats().subscriptions == 1);
    Process::bowline(["pub", "--unix", &path, "-t", "t", "-m", "1", "-q", "1"]).finish().successful();
    let url = format!("unix://{path}");
    Process::bowline(["pub", &url, "-t", "t", "-m", "2", "-q", "1"]).finish().successful();
    assert_eq!(subscriber.finish().successful(), b"1\n2\n");
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_is_a_way_to_the_broker_by_options_and_by_url() {
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().without_tcp().listen_websocket(any).start().await.unwrap();
    let port = broker.websocket_addresses()[0].port().to_string();
    let url = format!("ws://localhost:{port}/mqtt?x=1");
    let ways: [&[&str]; 3] = [
        &["-h", "localhost", "-p", &port, "--ws"],
        &[
            "-h",
            "localhost",
            "-p",
            &port,
            "--ws",
            "--ws-path",
            "other",
            "--ws-header",
            "Authorization: Bearer secret",
        ],
        &["-L", &url, "-V", "31"],
    ];
    for (done, way) in ways.iter().enumerate() {
        let own = ["pub", "-t", "t", "-m", "x", "-q", "2"];
        Process::bowline(own.iter().chain(*way)).finish().successful();
        assert_eq!(broker.stats().messages_in, done as u64 + 1, "{way:?}");
    }
    let wrong: [&[&str]; 3] = [
        &["--ws-header", "X: secret"],
        &["--ws", "--ws-header", "secret"],
        &["--ws", "--ws-header", "A b: secret"],
    ];
    for options in wrong {
        let own = ["pub", "-h", "localhost", "-p", &port, "-t", "t", "-m", "x"];
        let ended = Process::bowline(own.iter().chain(options)).finish();
        assert!(ended.code != Some(0) && !ended.stderr.contains("secret"), "{options:?}: {}", ended.stderr);
    }
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_websocket_that_a_url_leaves_no_room_for_are_refused_and_say_where_they_belong() {
    let broker = Broker::builder().listen_websocket("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let at = |scheme: &str, address: std::net::SocketAddr| format!("{scheme}://{address}/a");
    let ws = at("ws", broker.websocket_addresses()[0]);
    let mqtt = at("mqtt", broker.address().expect("it listens on TCP"));
    let cases: [(&str, &[&str], &str); 4] = [
        (
            &ws,
            &["--ws", "--ws-path", "/x"],
            "--ws-path is for --ws with a host: a URL ends with its own path",
        ),
        (&mqtt, &["--ws", "--ws-path", "/x"], "--ws-path is for --ws with a host"),
        (&mqtt, &["--ws"], "--ws is for a host: a URL says ws:// or wss:// instead"),
        (&mqtt, &["--ws-header", "A: b"], "--ws-header needs --ws, or a URL with ws:// or wss://"),
    ];
    for (url, options, text) in cases {
        let topic: &[&str] = if url.starts_with("ws") { &["-t", "a"] } else { &[] };
        let own = ["pub", url, "-m", "x", "-q", "1"];
        let ended = Process::bowline(own.iter().chain(topic).chain(options)).finish();
        assert_eq!(ended.code, Some(2), "{url} {options:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{url} {options:?}: {}", ended.stderr);
    }
    // What says the same as the URL harms nobody.
    Process::bowline(["pub", &ws, "-t", "a", "-m", "x", "-q", "1", "--ws"]).finish().successful();
    assert_eq!(broker.stats().messages_in, 1);
}

#[test]
fn the_broker_command_listens_on_every_transport() {
    let folder = Folder::new("serving");
    let authority = Authority::new(&folder, "ca.pem");
    let [certificate, key] = authority.issue(&folder, "localhost");
    let socket = folder.path("broker.sock");
    let plain = ["broker", "-p", "0", "--ws-port", "0", "--unix", &socket];
    let encrypted = ["--tls-port", "0", "--wss-port", "0", "--cert", &certificate, "--key", &key];
    let broker = Process::bowline(plain.iter().chain(&encrypted));
    broker.until_stderr("listening on unix://");
    let said = broker.stderr();
    let urls: Vec<&str> = said.lines().filter_map(|line| line.split("listening on ").nth(1)).collect();
    let schemes: Vec<&str> = urls.iter().filter_map(|url| url.split("://").next()).collect();
    assert_eq!(schemes, ["mqtt", "mqtts", "ws", "wss", "unix"], "{said}");
    for url in urls {
        let trust: &[&str] = match url.split("://").next() {
            Some("mqtts" | "wss") => &["--cafile", &authority.file, "--tls-server-name", "localhost"],
            _ => &[],
        };
        let kept = ["pub", "-L", url, "-t", "t", "-m", url, "-q", "1", "-r"];
        Process::bowline(kept.iter().chain(trust)).finish().successful();
        let wanted = ["sub", "-L", url, "-t", "t", "-C", "1", "-W", "50"];
        let got = Process::bowline(wanted.iter().chain(trust)).finish().successful();
        assert_eq!(got, format!("{url}\n").into_bytes());
    }
    broker.signal(rustix::process::Signal::TERM);
    broker.finish().successful();
    assert!(!Path::new(&socket).exists());
}

#[test]
fn a_certificate_of_the_broker_command_is_for_tls_or_for_websocket_over_tls() {
    let folder = Folder::new("serving-securely");
    let [certificate, key] = Authority::new(&folder, "ca.pem").issue(&folder, "localhost");
    let identity = ["--cert", certificate.as_str(), "--key", &key];
    let broker = Process::bowline(["broker", "-p", "0", "--wss-port", "0"].iter().chain(&identity));
    broker.until_stderr("listening on wss://");
    assert!(!broker.stderr().contains("mqtts://"), "{}", broker.stderr());
    broker.signal(rustix::process::Signal::TERM);
    broker.finish().successful();
    let wrong: [&[&str]; 2] = [&["--wss-port", "0"], &identity];
    for options in wrong {
        let ended = Process::bowline(["broker", "-p", "0"].iter().chain(options)).finish();
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
    }
}
