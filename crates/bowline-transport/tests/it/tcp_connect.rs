//! Opening TCP connections: addresses, timeouts, refusals, cancelling.

use std::error::Error;
use std::future::Future;
use std::net::{Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bowline_transport::{
    ConnectError, ConnectErrorKind, Connector, Endpoint, ListenError, Listener, Stream, TcpAcceptor,
    TcpConnector, TcpOptions,
};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("the text is an address")
}

/// An address that refuses: its port is taken, so that nobody else can get it, but nobody listens.
struct Deaf(Socket);

impl Deaf {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
        socket.bind(&addr("127.0.0.1:0").into()).expect("there are free ports");
        Self(socket)
    }

    fn addr(&self) -> SocketAddr {
        let local = self.0.local_addr().expect("the socket is bound");
        local.as_socket().expect("the socket is an internet socket")
    }
}

/// An address that never answers: a listener whose queue is full of connections that nobody accepts.
struct Silent {
    acceptor: TcpAcceptor,
    _queued: Vec<Stream>,
}

impl Silent {
    async fn new() -> Self {
        let acceptor =
            TcpAcceptor::bind_with(addr("127.0.0.1:0"), TcpOptions::new(), 1).expect("there are free ports");
        let connector = TcpConnector::new().connect_timeout(Duration::from_millis(200));
        let mut queued = Vec::new();
        loop {
            match connector.connect_to(&[acceptor.local_addr()]).await {
                Ok(stream) => queued.push(stream),
                Err(error) if error.kind() == ConnectErrorKind::TimedOut => break,
                Err(error) => panic!("{error}"),
            }
            assert!(queued.len() < 16, "a backlog of 1 takes ever more connections");
        }
        Self { acceptor, _queued: queued }
    }

    fn addr(&self) -> SocketAddr {
        self.acceptor.local_addr()
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_keeps_the_systems_error() {
    let deaf = Deaf::new();
    let error = TcpConnector::new().connect(&Endpoint::from(deaf.addr())).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    let text = format!("{} refused the connection: check that a broker runs and listens there", deaf.addr());
    assert_eq!(error.to_string(), text);
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(source.raw_os_error().is_some());
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up_at_the_connect_timeout() {
    let silent = Silent::new().await;
    let limit = Duration::from_millis(300);
    let started = Instant::now();
    let connector = TcpConnector::new().connect_timeout(limit);
    let error = connector.connect(&Endpoint::from(silent.addr())).await.unwrap_err();
    let elapsed = started.elapsed();
    assert!(elapsed >= limit && elapsed < Duration::from_secs(3), "{elapsed:?}");
    let expected = format!(
        "connecting to {} got no answer within 300.0ms: check address, port and firewalls, or raise the connect timeout",
        silent.addr()
    );
    assert_eq!(error.to_string(), expected);
    let ConnectError::TimedOut { after, tried, .. } = error else { panic!("{error:?}") };
    assert_eq!((after, tried), (limit, vec![silent.addr()]));
}

#[tokio::test]
async fn the_longest_timeouts_are_as_good_as_none() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let connector = TcpConnector::new()
        .connect_timeout(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .attempt_delay(Duration::MAX);
    let deaf = Deaf::new();
    assert!(connector.connect_to(&[deaf.addr(), acceptor.local_addr()]).await.is_ok());
    let from_one_port = connector.bind_address(deaf_port());
    assert!(from_one_port.connect_to(&[acceptor.local_addr()]).await.is_ok());
}

/// An address whose port was free a moment ago.
fn deaf_port() -> SocketAddr {
    Deaf::new().addr()
}

#[tokio::test]
async fn beside_an_address_that_does_not_answer_the_next_is_tried_after_a_quarter_of_a_second() {
    let (silent, deaf) = (Silent::new().await, Deaf::new());
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let connector = TcpConnector::new().connect_timeout(Duration::from_mins(1));
    let started = Instant::now();
    let stream = connector.connect_to(&[deaf.addr(), silent.addr(), acceptor.local_addr()]).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(stream.description().peer(), acceptor.local_addr().to_string());
    // The refusal cost nothing, the silence one delay.
    assert!(elapsed >= Duration::from_millis(240) && elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[tokio::test]
async fn when_no_address_answers_all_have_until_the_timeout_and_are_named() {
    let (one, other) = (Silent::new().await, Silent::new().await);
    let limit = Duration::from_secs(1);
    let started = Instant::now();
    let connector = TcpConnector::new().connect_timeout(limit);
    let error = connector.connect_to(&[one.addr(), other.addr()]).await.unwrap_err();
    let elapsed = started.elapsed();
    assert!(elapsed >= limit * 95 / 100 && elapsed < limit * 145 / 100, "{elapsed:?}");
    let ConnectError::TimedOut { after, tried, .. } = error else { panic!("{error:?}") };
    assert_eq!((after, tried), (limit, vec![one.addr(), other.addr()]));
}

#[tokio::test]
async fn when_every_address_fails_each_failure_is_told() {
    let (one, other) = (Deaf::new(), Deaf::new());
    let error = TcpConnector::new().connect_to(&[one.addr(), other.addr()]).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    let text = error.to_string();
    assert!(text.starts_with("none of 2 addresses of the given addresses"), "{text}");
    assert!(text.contains(&one.addr().to_string()) && text.contains(&other.addr().to_string()), "{text}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn at_most_sixteen_addresses_are_tried() {
    let deaf = Deaf::new();
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let connector = TcpConnector::new();
    let mut addresses = vec![deaf.addr(); 15];
    addresses.push(acceptor.local_addr());
    assert!(connector.connect_to(&addresses).await.is_ok());
    addresses.insert(0, deaf.addr());
    let error = connector.connect_to(&addresses).await.unwrap_err();
    let ConnectError::Addresses { attempts, .. } = error else { panic!("{error:?}") };
    assert_eq!(attempts.len(), 16);
    let error = connector.connect_to(&[]).await.unwrap_err();
    assert_eq!(error.to_string(), "an empty list has no address: check the name and its DNS records");
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let endpoint = Endpoint::tcp("localhost", acceptor.local_addr().port()).unwrap();
    // Where the name also means ::1, that address refuses and this one is tried next.
    let stream = TcpConnector::new().connect(&endpoint).await.unwrap();
    assert_eq!(stream.description().peer(), acceptor.local_addr().to_string());
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_told_with_what_to_check() {
    // A label of more than 63 bytes is refused by the resolver itself, without asking the network.
    let name = format!("{}.invalid", "a".repeat(64));
    let error = TcpConnector::new().connect(&Endpoint::tcp(&name, 1883).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Resolve);
    let ConnectError::Resolve { host, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*host, name);
    assert!(error.to_string().ends_with("check its spelling and the DNS settings"), "{error}");
}

#[test]
fn a_lookup_that_takes_too_long_is_given_up() {
    // The only thread that looks names up is kept busy, so the lookup cannot even begin.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (busy, release) = std::sync::mpsc::sync_channel::<()>(1);
    runtime.spawn_blocking(move || release.recv());
    let endpoint = Endpoint::tcp("localhost", 1883).unwrap();
    let connector = TcpConnector::new().connect_timeout(Duration::from_millis(50));
    let error = runtime.block_on(connector.connect(&endpoint)).unwrap_err();
    let text = "looking up localhost:1883 took longer than 50.0ms: check the DNS settings or raise the connect timeout";
    assert_eq!(error.to_string(), text);
    drop(busy);
}

#[tokio::test]
async fn a_connection_comes_from_the_address_it_is_bound_to() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let connector = TcpConnector::new().bind_address(addr("127.0.0.2:0"));
    let stream = connector.connect(&Endpoint::from(acceptor.local_addr())).await.unwrap();
    let accepted = acceptor.accept().await.unwrap();
    assert!(stream.description().local().starts_with("127.0.0.2:"), "{stream:?}");
    assert_eq!(accepted.description().peer(), stream.description().local());
}

#[tokio::test]
async fn from_a_port_of_its_own_the_addresses_are_tried_one_at_a_time() {
    let silent = Silent::new().await;
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    // Free a moment ago, and an address that nothing else here uses.
    let ours = TcpAcceptor::bind(addr("127.0.0.3:0")).unwrap().local_addr();
    let connector = TcpConnector::new().bind_address(ours).connect_timeout(Duration::from_secs(2));
    let started = Instant::now();
    let stream = connector.connect_to(&[silent.addr(), acceptor.local_addr()]).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(stream.description().local(), ours.to_string());
    assert!(elapsed >= Duration::from_millis(950), "{elapsed:?}");
}

#[tokio::test]
async fn a_bind_address_of_another_machine_or_family_is_told() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let there = acceptor.local_addr();
    let not_ours = addr("192.0.2.1:0");
    let error = TcpConnector::new().bind_address(not_ours).connect_to(&[there, there]).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Bind);
    assert!(matches!(error, ConnectError::Bind { addr, .. } if addr == not_ours), "{error:?}");

    let error = TcpConnector::new().bind_address(addr("[::1]:0")).connect_to(&[there]).await.unwrap_err();
    let text = format!(
        "{there} has no address that can be reached from [::1]:0: bind to an address of the other family or to none"
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn ipv6_works_on_both_sides() {
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("this machine has no ::1");
        return;
    }
    let acceptor = TcpAcceptor::bind(addr("[::1]:0")).unwrap();
    let url = format!("mqtt://[::1]:{}", acceptor.local_addr().port());
    let stream = TcpConnector::new().connect(&url.parse().unwrap()).await.unwrap();
    assert_eq!(stream.description().peer(), acceptor.local_addr().to_string());
    assert_eq!(acceptor.description(), format!("tcp {}", acceptor.local_addr()));
}

#[tokio::test]
async fn a_dropped_connect_leaves_the_connector_ready_for_another() {
    let silent = Silent::new().await;
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let connector = TcpConnector::new();
    let unanswered = Endpoint::from(silent.addr());
    let dropped = timeout(Duration::from_millis(50), connector.connect(&unanswered)).await;
    assert!(dropped.is_err(), "the silent address answered");
    let mut stream = connector.connect(&Endpoint::from(acceptor.local_addr())).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let mut accepted = acceptor.accept().await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_dropped_accept_loses_no_client() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let mut nobody_yet = Context::from_waker(Waker::noop());
    assert!(pin!(acceptor.accept()).poll(&mut nobody_yet).is_pending());
    let stream = TcpConnector::new().connect_to(&[acceptor.local_addr()]).await.unwrap();
    let accepted =
        timeout(Duration::from_secs(10), acceptor.accept()).await.expect("the client waits").unwrap();
    assert_eq!(accepted.description().peer(), stream.description().local());
}

#[tokio::test]
async fn an_address_in_use_cannot_be_listened_on_but_one_just_left_can() {
    let acceptor = TcpAcceptor::bind(addr("127.0.0.1:0")).unwrap();
    let taken = acceptor.local_addr();
    assert_ne!(taken.port(), 0);
    let error = TcpAcceptor::bind(taken).unwrap_err();
    assert!(matches!(error, ListenError::Bind { addr, .. } if addr == taken), "{error:?}");
    let advice = "stop the program that does, or choose another port (0 takes a free one)";
    assert!(error.to_string().ends_with(advice), "{error}");

    // The side that closes first is left waiting for stray segments; a new listener must not wait with it.
    let mut client = TcpConnector::new().connect_to(&[taken]).await.unwrap();
    drop(acceptor.accept().await.unwrap());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    drop((client, acceptor));
    assert!(TcpAcceptor::bind(taken).is_ok());
}
