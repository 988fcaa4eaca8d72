//! ejabberd's mod_mqtt over TCP, TLS, WebSocket and WebSocket over TLS: 3.1.1 and 5.0, for a user that it knows. Its sessions
//! are in memory; what it restricts in 5.0, it says in CONNACK.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bowline::proto::connection::LimitError;
use bowline::{
    Client, ConnectionInfo, ConnectionState, Credentials, Event, Events, PublishErrorKind, QoS, ReasonCode,
    RequestError, Session, SubscribeError, Version,
};
use bowline_testkit::ports::free_address;

use crate::counterpart::program::Folder;
use crate::counterpart::{PASSWORD, Relay, USER};
use crate::peer::within;
use crate::real::mosquitto::Papers;
use crate::real::service::{Service, Which};
use crate::real::{Restart, Route};

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

/// How long it keeps a session at most.
const EXPIRY_MAX: Duration = Duration::from_secs(60 * 60);

/// Neither the default nor what anybody else asks for.
const KEEP_ALIVE: Duration = Duration::from_secs(77);

/// What listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
}

/// With one listener.
async fn ejabberd(over: Over, address: SocketAddr, papers: &Papers) -> Service {
    let mut text = format!(
        "hosts: [localhost]\nloglevel: info\nauth_method: [internal]\nacme: {{ auto: false }}\n\
         modules: {{ mod_mqtt: {{ session_expiry: {} seconds, max_queue: 10000, access_publish: {{}} }} }}\n",
        EXPIRY_MAX.as_secs()
    );
    let is_secure = matches!(over, Over::Tls | Over::SecureWebSocket);
    if is_secure {
        let (certificate, roots) = (papers.file("server.pem"), papers.file("roots.pem"));
        _ = writeln!(text, "certfiles: [\"{certificate}\"]\nca_file: \"{roots}\"");
    }
    _ = write!(
        text,
        "listen:\n  -\n    port: {}\n    ip: \"127.0.0.1\"\n    tls: {is_secure}\n",
        address.port()
    );
    text += match over {
        Over::Tcp | Over::Tls => "    module: mod_mqtt\n",
        Over::WebSocket | Over::SecureWebSocket => {
            "    module: ejabberd_http\n    request_handlers: { /mqtt: mod_mqtt }\n"
        }
    };
    Service::start(Which::Ejabberd, Folder::new(), &text, &[address]).await
}

/// Its user's name has the host in it.
fn login() -> Credentials {
    Credentials::user_name(format!("{USER}@localhost")).password(PASSWORD)
}

fn route(url: String) -> Route {
    Route { versions: &VERSIONS, credentials: login(), ..Route::new(url) }
}

async fn carries(over: Over) {
    let (papers, address) = (Papers::new(), free_address());
    let mut broker = ejabberd(over, address, &papers).await;
    let port = address.port();
    let route = match over {
        Over::Tcp => route(format!("mqtt://localhost:{port}")),
        Over::Tls => route(format!("mqtts://localhost:{port}")).tls(papers.trusting()),
        Over::WebSocket => route(format!("ws://localhost:{port}/mqtt")),
        Over::SecureWebSocket => route(format!("wss://localhost:{port}/mqtt")).tls(papers.trusting()),
    };
    route.carries(&mut broker).await;
    broker.stop();
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_carries_all_over_tcp_and_takes_clients_back_after_a_restart() {
    carries(Over::Tcp).await;
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_carries_all_over_tls_and_takes_clients_back_after_a_restart() {
    carries(Over::Tls).await;
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_carries_all_over_websocket_and_takes_clients_back_after_a_restart() {
    carries(Over::WebSocket).await;
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_carries_all_over_websocket_over_tls_and_takes_clients_back_after_a_restart() {
    carries(Over::SecureWebSocket).await;
}

/// Over TCP, and how to get there.
async fn over_tcp() -> (Service, Route) {
    let address = free_address();
    let broker = ejabberd(Over::Tcp, address, &Papers::new()).await;
    (broker, route(format!("mqtt://{address}")))
}

/// A client of this name with this session.
async fn client(route: &Route, version: Version, name: &str, session: Session) -> Client {
    let builder = route.builder(version).client_id(name).session(session).keep_alive(KEEP_ALIVE);
    within(builder.connect()).await.expect("the broker accepts")
}

fn connection(client: &Client) -> Arc<ConnectionInfo> {
    let ConnectionState::Connected(info) = client.state() else { panic!("{:?}", client.state()) };
    info
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn what_ejabberd_says_of_itself_in_connack_is_told_and_kept_to() {
    let (mut broker, route) = over_tcp().await;
    let client = client(&route, Version::V5, "limits", Session::in_memory().expiry(EXPIRY_MAX * 2)).await;
    let info = connection(&client);
    let properties = &info.connack.properties;
    // It repeats our Keep Alive as its own, and shortens what we ask for a session.
    assert_eq!(properties.server_keep_alive_secs, Some(KEEP_ALIVE.as_secs() as u16));
    assert_eq!(properties.session_expiry_secs, Some(EXPIRY_MAX.as_secs() as u32));
    assert_eq!(info.limits.keep_alive_secs, KEEP_ALIVE.as_secs() as u16);
    assert_eq!(info.limits.session_expiry_secs, EXPIRY_MAX.as_secs() as u32);
    assert_eq!(info.limits.topic_alias_maximum, 100);
    assert!(!info.limits.shared_subscriptions);

    // It would close the connection over a shared subscription, so none is sent.
    let error = within(client.subscribe("$share/group/a")).await.expect_err("there are none");
    let SubscribeError::Request(RequestError::Limit(limit)) = &error else { panic!("{error:?}") };
    assert!(matches!(limit, LimitError::SharedNotAvailable { .. }), "{error}");
    assert!(Arc::ptr_eq(&info, &connection(&client)), "the connection is the one that it was");
    within(client.disconnect()).await;
    broker.stop();
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_refuses_3_1_strangers_and_wrong_passwords_and_each_is_told_as_what_it_is() {
    let (mut broker, route) = over_tcp().await;
    let refusal = async |version, credentials| {
        let route = Route { credentials, ..route.clone() };
        let error = within(route.builder(version).connect()).await.expect_err("it cannot succeed");
        (error.reason(), error.to_string())
    };
    let (reason, text) = refusal(Version::V3_1, login()).await;
    assert_eq!(reason, Some(ReasonCode::UnsupportedProtocolVersion), "{text}");
    assert!(text.contains("protocol version"), "{text}");
    let wrong =
        || Credentials::user_name(format!("{USER}@localhost")).password("another-password-of-the-tests");
    for version in VERSIONS {
        for credentials in [Credentials::none(), wrong()] {
            let (reason, text) = refusal(version, credentials).await;
            assert_eq!(reason, Some(ReasonCode::NotAuthorized), "{version}: {text}");
            assert!(!text.contains("another-password"), "{text}");
        }
    }
    broker.stop();
}

/// Waits until the broker has resumed the session; if it has lost it, what was published anew and what is in doubt.
async fn loss_at_return(events: &mut Events) -> Option<(usize, usize)> {
    loop {
        match within(events.next()).await.expect("the client lives") {
            Event::Connected(info) if info.session_present == Some(true) => return None,
            Event::SessionLost { requeued, indeterminate } => return Some((requeued, indeterminate)),
            _ => {}
        }
    }
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn ejabberd_keeps_a_session_while_it_runs_and_only_retained_messages_over_a_restart() {
    let (mut broker, mut route) = over_tcp().await;
    let straight = route.clone();
    let relay = Relay::start(broker.address()).await;
    route.url = format!("mqtt://{}", relay.address);
    for version in VERSIONS {
        let (name, topic) = (format!("session-{}", version as u8), format!("sessions/{}", version as u8));
        let client = client(&route, version, &name, Session::in_memory()).await;
        let mut events = client.events();
        let mut stream =
            within(client.subscribe(&*topic).qos(QoS::ExactlyOnce)).await.expect("it is granted");
        relay.close();
        while !matches!(within(events.next()).await, Some(Event::Disconnected(_))) {}
        let other = within(straight.builder(version).connect()).await.expect("the broker accepts");
        within(other.publish(&*topic, "kept").qos(QoS::ExactlyOnce).retain()).await.expect("acknowledged");
        within(other.disconnect()).await;
        relay.open();
        assert_eq!(loss_at_return(&mut events).await, None, "{version}");
        let message = within(stream.next()).await.expect("it waited in the session");
        assert_eq!((message.text(), message.qos(), message.retain()), (Ok("kept"), QoS::ExactlyOnce, false));

        broker.stop();
        broker.start_again().await;
        assert_eq!(loss_at_return(&mut events).await, Some((0, 0)), "{version}");
        // It comes with the subscription, which was made anew, and nothing came in between.
        let message = within(stream.next()).await.expect("it is retained");
        assert_eq!((message.text(), message.retain()), (Ok("kept"), true), "{version}");
        within(client.disconnect()).await;
    }
    broker.stop();
}

#[tokio::test]
#[ignore = "needs Debian's ejabberd; .ci/run runs it with --include-ignored"]
async fn what_was_in_flight_when_ejabberd_died_is_published_anew_at_qos_1_and_in_doubt_at_qos_2() {
    let (mut broker, route) = over_tcp().await;
    for version in VERSIONS {
        let client = client(&route, version, "in-flight", Session::in_memory()).await;
        let mut events = client.events();
        let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.expect("it is granted");
        broker.freeze();
        let mut receipts = Vec::new();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            receipts.push(within(client.publish("a", "x").qos(qos).send()).await.expect("accepted"));
        }
        while client.stats().in_flight < receipts.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        broker.kill();
        broker.start_again().await;
        assert_eq!(loss_at_return(&mut events).await, Some((1, 1)), "{version}");
        let at_qos_2 = within(receipts.pop().expect("there are two")).await.expect_err("nobody knows");
        let in_doubt = PublishErrorKind::Indeterminate { limit: None };
        assert_eq!(at_qos_2.kind(), &in_doubt, "{version}: {at_qos_2}");
        within(receipts.pop().expect("there is one")).await.expect("acknowledged");
        let message = within(stream.next()).await.expect("it was published anew");
        assert_eq!((message.text(), message.qos()), (Ok("x"), QoS::AtLeastOnce), "{version}");
        within(client.disconnect()).await;
    }
    broker.stop();
}
