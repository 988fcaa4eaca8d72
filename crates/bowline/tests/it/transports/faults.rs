//! Lines that break below every transport: during the handshake and within a message, cut, ended in one direction, slow or stalled.
//! The client comes back, nothing is lost at QoS 1 and 2, and nothing is doubled at QoS 2.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bowline::transport::{
    Endpoint, TcpAcceptor, TlsAcceptor, TlsServer, UnixAcceptor, UnixConnector, WebSocketAcceptor,
};
use bowline::{Builder, Client, QoS, Session, Subscription, Tls, Version};
use bowline_broker::{Broker, Direction, Fault, FaultLink};
use tokio::time::timeout;

use super::directory::Directory;
use super::{impatient, reconnected};
use crate::peer::{SILENCE, within};
use crate::tls::authority::Authority;

/// Fewer than any greeting has: a record of TLS, a head of HTTP, CONNECT or CONNACK.
const HANDSHAKE_BYTES: u64 = 3;

/// In the middle of a message.
const MESSAGE_BYTES: u64 = 3_000;
const PADDING_BYTES: usize = 8_000;

/// For handshakes on a machine that does other things; those that stall wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Tls,
    WebSocket,
    SecureWebSocket,
    Unix,
}

/// A broker, and the line to it.
struct Line {
    broker: Broker,
    link: FaultLink,
    url: String,
    tls: Tls,
    _directory: Directory,
}

impl Line {
    async fn over(carrier: Carrier) -> Self {
        let (authority, directory) = (Authority::new(), Directory::new());
        let server = TlsServer::new(authority.issue("localhost").identity());
        let tls = Tls::new().without_platform_roots().roots(authority.roots());
        let (near, far) = (directory.path().join("near.sock"), directory.path().join("far.sock"));
        let tcp = TcpAcceptor::bind(LOCAL).expect("a free port");
        let address = tcp.local_addr();
        let builder = Broker::builder().without_tcp();
        let builder = match carrier {
            Carrier::Tls => builder.listener(TlsAcceptor::new(tcp, &server).expect("legal settings")),
            Carrier::WebSocket => builder.listener(WebSocketAcceptor::new(tcp)),
            Carrier::SecureWebSocket => {
                let tls = TlsAcceptor::new(tcp, &server).expect("legal settings");
                builder.listener(WebSocketAcceptor::new(tls))
            }
            Carrier::Unix => builder.listen_unix(&far),
        };
        let broker = builder.start().await.expect("it can listen");
        let (link, url) = match carrier {
            Carrier::Unix => unix_link(near, far),
            _ => {
                let link = FaultLink::over_tcp(address).expect("a free port");
                let port = link.address().expect("it is over TCP").port();
                (link, format!("{}://localhost:{port}", carrier.scheme()))
            }
        };
        Self { broker, link, url, tls, _directory: directory }
    }

    fn builder(&self, version: Version) -> Builder<Client> {
        let builder = Client::builder(&self.url).expect("a legal URL").version(version).tls(self.tls.clone());
        impatient(builder)
            .client_id("c")
            .session(Session::in_memory().fresh())
            .connect_timeout(CONNECT_TIMEOUT)
    }
}

fn unix_link(near: PathBuf, far: PathBuf) -> (FaultLink, String) {
    let url = Endpoint::unix(&near).expect("an absolute path").to_string();
    let acceptor = UnixAcceptor::bind(near).expect("the directory is ours");
    let endpoint = Endpoint::unix(&far).expect("an absolute path");
    (FaultLink::between(acceptor, UnixConnector::new(), endpoint), url)
}

impl Carrier {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "mqtts",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
            Self::Unix => "unix",
        }
    }
}

/// A client that counts what comes of what it sends.
struct Counting {
    client: Client,
    stream: Subscription,
    arrived: BTreeMap<(QoS, usize), usize>,
    sent: usize,
}

impl Counting {
    async fn over(line: &Line, version: Version) -> Self {
        let client = within(line.builder(version).connect()).await.expect("the line is whole yet");
        let stream = within(client.subscribe("n").qos(QoS::ExactlyOnce)).await.expect("it is granted");
        Self { client, stream, arrived: BTreeMap::new(), sent: 0 }
    }

    /// Sends one message at each QoS that loses nothing, and waits for both.
    async fn sends(&mut self) {
        let number = self.sent;
        self.sent += 1;
        let payload = format!("{number:<PADDING_BYTES$}");
        let mut receipts = Vec::new();
        let both = [QoS::AtLeastOnce, QoS::ExactlyOnce];
        for qos in both {
            let publish = self.client.publish("n", payload.clone()).qos(qos).send();
            receipts.push(within(publish).await.expect("accepted"));
        }
        while !both.iter().all(|qos| self.arrived.contains_key(&(*qos, number))) {
            let message = within(self.stream.next()).await.expect("nothing is lost");
            self.count(message.qos(), message.text().expect("text"));
        }
        for receipt in receipts {
            within(receipt).await.expect("acknowledged");
        }
        // The last acknowledgements of both sides cross too.
        while let Ok(message) = timeout(SILENCE, self.stream.next()).await {
            let message = message.expect("the client lives");
            self.count(message.qos(), message.text().expect("text"));
        }
    }

    fn count(&mut self, qos: QoS, text: &str) {
        let number = text.trim_end().parse().expect("a number");
        *self.arrived.entry((qos, number)).or_default() += 1;
    }

    fn assert_nothing_is_doubled(&self) {
        let exactly_once = self.arrived.iter().filter(|((qos, _), _)| *qos == QoS::ExactlyOnce);
        for ((_, number), times) in exactly_once {
            assert_eq!(*times, 1, "number {number}");
        }
    }
}

/// Breaks the line in each way in each direction.
async fn nothing_is_lost_over(carrier: Carrier) {
    for version in Version::ALL {
        let line = Line::over(carrier).await;
        let mut counting = Counting::over(&line, version).await;
        counting.sends().await;
        for direction in [Direction::ToBroker, Direction::ToClient] {
            for fault in [Fault::Cut, Fault::HalfClose] {
                let before = line.link.stats().connections;
                line.link.fault_after(direction, HANDSHAKE_BYTES, fault);
                line.link.cut();
                counting.sends().await;
                let now = line.link.stats().connections;
                assert!(now >= before + 2, "{fault:?} {direction:?} while greeting: {before} to {now}");

                line.link.fault_after(direction, MESSAGE_BYTES, fault);
                counting.sends().await;
                let last = line.link.stats().connections;
                assert!(last > now, "{fault:?} {direction:?} within a message: {now} to {last}");
            }
            // Once is enough for what takes as long as the limit.
            if version == Version::V5 {
                slow_and_stalled(&line, &mut counting, direction).await;
            }
        }
        counting.assert_nothing_is_doubled();
        line.broker.assert_no_violations();
    }
}

/// A slow line works; one that stalls is given up in time, and tried again.
async fn slow_and_stalled(line: &Line, counting: &mut Counting, direction: Direction) {
    line.link.set_delay(direction, Duration::from_millis(20));
    line.link.cut();
    counting.sends().await;
    line.link.heal();
    line.link.stall(direction);
    line.link.cut();
    within(reconnected(&line.link, line.link.stats().connections + 2)).await;
    line.link.go_on(direction);
    counting.sends().await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_line_below_tls_breaks_in_each_way() {
    nothing_is_lost_over(Carrier::Tls).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_line_below_websocket_breaks_in_each_way() {
    nothing_is_lost_over(Carrier::WebSocket).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_line_below_websocket_over_tls_breaks_in_each_way() {
    nothing_is_lost_over(Carrier::SecureWebSocket).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_line_before_a_unix_socket_breaks_in_each_way() {
    nothing_is_lost_over(Carrier::Unix).await;
}
