//! Handshakes that succeed: what can be given, what is agreed on, what is read again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline_transport::rustls::{KeyLog, ProtocolVersion};
use bowline_transport::{
    Certificates, ConnectErrorKind, Endpoint, Identity, Listener, PrivateKey, RevocationLists, TcpAcceptor,
    Tls, TlsAcceptor, TlsErrorKind, TlsServer, TlsVersion,
};
use rcgen::SerialNumber;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::authority::{Authority, Issued};
use super::{EchoServer, HOST, assert_echo, connect, trusting};

/// A folder of this test's own, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bowline-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written to");
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn bytes_go_there_and_back_in_both_versions() {
    let authority = Authority::new("roots");
    let server = EchoServer::of(&authority.issue(HOST));
    let mut stream = server.connect(&trusting(&authority)).await.unwrap();
    assert_echo(&mut stream).await;
    let session = stream.tls_session().unwrap();
    assert_eq!((session.version, session.alpn), (Some(ProtocolVersion::TLSv1_3), None));
    let port = server.addr.port();
    assert!(stream.description().to_string().ends_with(&format!("-> 127.0.0.1:{port}")));
    assert_eq!(stream.description().transport(), "tls");

    let old = EchoServer::start(&only_tls_1_2(&authority));
    let mut stream = old.connect(&trusting(&authority)).await.unwrap();
    assert_echo(&mut stream).await;
    assert_eq!(stream.tls_session().unwrap().version, Some(ProtocolVersion::TLSv1_2));
    let strict = trusting(&authority).min_version(TlsVersion::V1_3);
    let error = old.connect(&strict).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Tls(TlsErrorKind::NothingInCommon));
}

/// A server of another house, which has not heard of TLS 1.3.
pub(super) fn only_tls_1_2(authority: &Authority) -> TlsServer {
    use bowline_transport::rustls::pki_types::pem::PemObject;
    use bowline_transport::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use bowline_transport::rustls::{ServerConfig, crypto, version};
    let issued = authority.issue(HOST);
    let chain = vec![
        CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("certificates can be used"),
    ];
    let key = PrivateKeyDer::from_pem_slice(issued.key.serialize_pem().as_bytes())
        .expect("certificates can be used");
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .expect("certificates can be used")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("certificates can be used");
    TlsServer::of_config(Arc::new(config))
}

#[tokio::test]
async fn certificates_and_keys_are_taken_from_memory_and_files_as_pem_and_der() {
    let authority = Authority::new("roots");
    let folder = Folder::new();
    let client = authority.issue("meter-7");
    let der_of = |pem: &str| {
        use bowline_transport::rustls::pki_types::{CertificateDer, pem::PemObject};
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    };
    let (chain_der, key_der) = (der_of(&client.certificate), client.key.serialize_der());
    let (chain_pem, key_pem) = (client.certificate.clone(), client.key.serialize_pem());
    let both = folder.write("both.pem", format!("{key_pem}{chain_pem}"));
    let identities = [
        Identity::new(Certificates::bytes(chain_pem.clone()), PrivateKey::bytes(key_pem.clone())),
        Identity::new(Certificates::bytes(chain_der.clone()), PrivateKey::bytes(key_der.clone())),
        Identity::new(
            Certificates::file(folder.write("c.pem", &chain_pem)),
            PrivateKey::file(folder.write("k.pem", &key_pem)),
        ),
        Identity::new(
            Certificates::file(folder.write("c.der", &chain_der)),
            PrivateKey::file(folder.write("k.der", &key_der)),
        ),
        Identity::file(both),
    ];
    let wants = TlsServer::new(authority.issue(HOST).identity()).client_roots(authority.roots());
    let server = EchoServer::start(&wants);
    for identity in identities {
        let tls = trusting(&authority).identity(identity.clone());
        let mut stream = server.connect(&tls).await.unwrap_or_else(|error| panic!("{identity:?}: {error}"));
        assert_echo(&mut stream).await;
    }
    for roots in [
        Certificates::bytes(der_of(authority.pem())),
        Certificates::file(folder.write("ca.pem", format!("a comment\n{}", authority.pem()))),
        Certificates::file(folder.write("ca.der", der_of(authority.pem()))),
    ] {
        let tls = Tls::new().without_platform_roots().roots(roots).identity(client.identity());
        assert_echo(&mut server.connect(&tls).await.unwrap()).await;
    }
}

#[tokio::test]
async fn given_roots_are_trusted_beside_those_of_the_platform() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let tls = Tls::new().roots(one.roots()).roots(other.roots());
    for authority in [&one, &other] {
        assert_echo(&mut EchoServer::of(&authority.issue(HOST)).connect(&tls).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_its_own_root() {
    let issued = Issued::self_signed(HOST);
    let tls = Tls::new().without_platform_roots().roots(issued.certificates());
    assert_echo(&mut EchoServer::of(&issued).connect(&tls).await.unwrap()).await;
}

#[tokio::test]
async fn an_identity_in_files_is_read_again_for_the_next_connection() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new();
    let write = |authority: &Authority| {
        let issued = authority.issue("meter-7");
        let text = format!("{}{}", issued.certificate, issued.key.serialize_pem());
        folder.write("identity.pem", text)
    };
    let host = old.issue(HOST);
    let path = write(&old);
    let tls = trusting(&old)
        .identity(Identity::file(path))
        .roots(Certificates::file(folder.write("ca", old.pem())));
    let before = EchoServer::start(&TlsServer::new(host.identity()).client_roots(old.roots()));
    assert_echo(&mut before.connect(&tls).await.unwrap()).await;

    write(&new);
    folder.write("ca", new.pem());
    let after = EchoServer::start(&TlsServer::new(new.issue(HOST).identity()).client_roots(new.roots()));
    assert_echo(&mut after.connect(&tls).await.unwrap()).await;
}

#[tokio::test]
async fn a_certificate_that_is_on_no_revocation_list_is_good_until_it_is_on_one() {
    let authority = Authority::new("roots");
    let issued =
        authority.issue_changed(HOST, |params| params.serial_number = Some(SerialNumber::from(7_u64)));
    let server = EchoServer::of(&issued);
    let folder = Folder::new();
    let path = folder.write("list.pem", authority.revokes(Some(8)));
    for lists in [authority.revocation_lists(None), RevocationLists::file(path)] {
        let tls = trusting(&authority).revocation_lists(lists);
        assert_echo(&mut server.connect(&tls).await.unwrap()).await;
    }
    let tls = trusting(&authority).revocation_lists(authority.revocation_lists(Some(7)));
    let error = server.connect(&tls).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Tls(TlsErrorKind::CertificateRevoked));
}

#[tokio::test]
async fn sessions_are_resumed_while_nothing_has_changed() {
    let authority = Authority::new("roots");
    let server = EchoServer::of(&authority.issue(HOST));
    let tls = trusting(&authority);
    let mut first = server.connect(&tls).await.unwrap();
    // The tickets come after the handshake and are read with the first bytes.
    assert_echo(&mut first).await;
    assert!(!first.tls_session().unwrap().is_resumed);
    let mut second = server.connect(&tls.clone()).await.unwrap();
    assert_echo(&mut second).await;
    assert!(second.tls_session().unwrap().is_resumed);
    let mut other = server.connect(&tls.min_version(TlsVersion::V1_2)).await.unwrap();
    assert_echo(&mut other).await;
    assert!(!other.tls_session().unwrap().is_resumed, "other options, other sessions");
}

#[tokio::test]
async fn application_protocol_and_server_name_are_as_they_were_set() {
    let authority = Authority::new("roots");
    let issued = authority.issue("broker.example");
    let server = EchoServer::start(&TlsServer::new(issued.identity()).alpn("mqtt"));
    let tls = trusting(&authority).server_name("broker.example").alpn("x-amzn-mqtt-ca").alpn("mqtt");
    let mut stream = server.connect(&tls).await.unwrap();
    assert_echo(&mut stream).await;
    assert_eq!(stream.tls_session().unwrap().alpn.as_deref(), Some(&b"mqtt"[..]));
    let mut stream =
        server.connect(&trusting(&authority).server_name("broker.example").without_sni()).await.unwrap();
    assert_echo(&mut stream).await;
}

#[tokio::test]
async fn an_address_is_found_in_a_certificate_for_addresses() {
    let authority = Authority::new("roots");
    let server = EchoServer::of(&authority.issue("127.0.0.1"));
    let endpoint: Endpoint = format!("mqtts://127.0.0.1:{}", server.addr.port()).parse().unwrap();
    assert_echo(&mut connect(&trusting(&authority), &endpoint).await.unwrap()).await;
}

#[tokio::test]
async fn nothing_is_verified_only_if_that_was_asked_for_by_its_dangerous_name() {
    let server = EchoServer::of(&Issued::self_signed("elsewhere.example"));
    assert!(server.connect(&Tls::new()).await.is_err());
    assert_echo(&mut server.connect(&Tls::new().danger_accept_any_certificate()).await.unwrap()).await;
}

#[tokio::test]
async fn any_name_is_taken_only_if_that_was_asked_for_and_only_from_a_trusted_ca() {
    let (authority, another) = (Authority::new("roots"), Authority::new("another"));
    let server = EchoServer::of(&authority.issue("elsewhere.example"));
    let error = server.connect(&trusting(&authority)).await.unwrap_err();
    assert!(error.to_string().contains("elsewhere.example"), "{error}");
    let any_name = trusting(&authority).danger_accept_any_server_name();
    assert_echo(&mut server.connect(&any_name).await.unwrap()).await;
    let of_another = trusting(&another).danger_accept_any_server_name();
    assert!(server.connect(&of_another).await.is_err());
    let expired = authority.issue_changed("elsewhere.example", |params| {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    assert!(EchoServer::of(&expired).connect(&any_name).await.is_err());
}

#[tokio::test]
async fn a_key_log_gets_the_secrets_of_each_session() {
    #[derive(Debug, Default)]
    struct Counts(AtomicUsize);
    impl KeyLog for Counts {
        fn log(&self, _label: &str, _client_random: &[u8], _secret: &[u8]) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let authority = Authority::new("roots");
    let server = EchoServer::of(&authority.issue(HOST));
    let log = Arc::new(Counts::default());
    let tls = trusting(&authority).key_log(log.clone());
    assert_echo(&mut server.connect(&tls).await.unwrap()).await;
    assert!(log.0.load(Ordering::Relaxed) >= 4, "handshake and traffic, both directions");
}

#[tokio::test]
async fn a_handshake_works_with_a_key_log_file_and_without_its_name() {
    let authority = Authority::new("roots");
    let server = EchoServer::of(&authority.issue(HOST));
    assert_echo(&mut server.connect(&trusting(&authority).key_log_file()).await.unwrap()).await;
}

/// The name of the file is in the environment, which only a process of its own can have for itself.
#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_key_log_file() {
    use std::os::unix::fs::PermissionsExt;

    let path = std::env::temp_dir().join(format!("bowline key log {}", std::process::id()));
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "tls::handshakes::a_handshake_works_with_a_key_log_file_and_without_its_name"]);
    let output = test.env("SSLKEYLOGFILE", &path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let secrets = std::fs::read_to_string(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    std::fs::remove_file(&path).unwrap();
    assert!(secrets.contains("CLIENT_TRAFFIC_SECRET_0 "), "the session's secrets are in it");
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody_and_is_let_go_in_the_end() {
    let authority = Authority::new("roots");
    let limit = Duration::from_millis(300);
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = tcp.local_addr();
    let server = TlsServer::new(authority.issue(HOST).identity()).handshake_timeout(limit);
    let acceptor = TlsAcceptor::new(tcp, &server).unwrap();
    let silent = TcpStream::connect(addr).await.unwrap();
    let endpoint: Endpoint = format!("mqtts://{HOST}:{}", addr.port()).parse().unwrap();
    let tls = trusting(&authority);
    let (accepted, connected) = tokio::join!(acceptor.accept(), connect(&tls, &endpoint));
    assert_eq!(accepted.unwrap().description().transport(), "tls");
    connected.unwrap();
    let error = timeout(Duration::from_secs(5), acceptor.accept()).await.unwrap().unwrap_err();
    assert!(error.is_of_one_client() && error.is_transient());
    let peer = silent.local_addr().unwrap();
    let text = format!(
        "the handshake with {peer} failed: the client {peer} did not finish the TLS handshake within 300.0ms"
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn beyond_so_many_handshakes_at_a_time_clients_wait_to_be_accepted() {
    type Acceptor = TlsAcceptor<TcpAcceptor>;
    let authority = Authority::new("roots");
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = tcp.local_addr();
    let server = TlsServer::new(authority.issue(HOST).identity()).handshake_timeout(Duration::from_secs(1));
    let acceptor = TlsAcceptor::new(tcp, &server).unwrap();
    let mut silent = Vec::new();
    for _ in 0..Acceptor::HANDSHAKES_MAX {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    let endpoint: Endpoint = format!("mqtts://{HOST}:{}", addr.port()).parse().unwrap();
    let tls = trusting(&authority);
    let accepting = async {
        assert!(acceptor.accept().await.is_err(), "the first to end is one that was silent");
        while acceptor.accept().await.is_err() {}
    };
    let (connected, accepted) =
        tokio::join!(connect(&tls, &endpoint), timeout(Duration::from_secs(20), accepting));
    connected.unwrap();
    accepted.unwrap();
}

#[tokio::test]
async fn the_key_of_an_elliptic_curve_is_taken_in_its_old_form_too() {
    let authority = Authority::new("roots");
    let issued = authority.issue("meter-7");
    let pkcs8 = issued.key.serialize_der();
    // PKCS#8 has the older form (SEC1) inside, as an octet string of 109 bytes that begins with a sequence.
    let begin = pkcs8.windows(3).position(|bytes| bytes == [0x04, 0x6d, 0x30]).unwrap() + 2;
    let old_form = PrivateKey::bytes(&pkcs8[begin..begin + 0x6d]);
    let wants = TlsServer::new(authority.issue(HOST).identity()).client_roots(authority.roots());
    let tls = trusting(&authority).identity(Identity::new(issued.certificates(), old_form));
    assert_echo(&mut EchoServer::start(&wants).connect(&tls).await.unwrap()).await;
}

#[test]
fn neither_options_nor_identities_show_a_key() {
    let issued = Issued::self_signed(HOST);
    let (pem, key) = (issued.key.serialize_pem(), issued.identity());
    let secret = pem.lines().nth(1).unwrap();
    let tls = Tls::new().identity(key.clone());
    let server = TlsServer::new(key.clone());
    let printed = format!("{tls:?} {tls:#?} {server:?} {key:?} {:?}", PrivateKey::bytes(pem.clone()));
    assert!(!printed.contains(&secret[..10]), "{printed}");
    assert!(printed.contains("PrivateKey(not shown)"), "{printed}");
}
