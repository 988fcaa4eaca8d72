//! Several addresses: which one a client goes to, and what it says there.

use std::time::Duration;

use bowline::proto::Text;
use bowline::proto::packet::{ConnAckProperties, Disconnect, DisconnectProperties, Packet};
use bowline::transport::{ConnectError as DialError, ConnectFuture, Connector, DuplexConnector, Endpoint};
use bowline::{
    AddressSessions, Attempt, AttemptChanges, Backoff, Builder, Client, ConnectError, Credentials,
    DisconnectCause, Event, ReasonCode, Session, Version,
};

use crate::peer::{Harbour, within};

const V5: Version = Version::V5;

/// Leads to a harbour by its host's name; other hosts do not exist.
struct Sea {
    harbours: Vec<(&'static str, DuplexConnector)>,
}

impl Connector for Sea {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        match self.harbours.iter().find(|(name, _)| *name == endpoint.host()) {
            Some((_, connector)) => connector.connect(endpoint),
            None => Box::pin(async {
                let addr = endpoint.to_string();
                Err(DialError::Refused { addr, source: std::io::ErrorKind::ConnectionRefused.into() })
            }),
        }
    }
}

/// Two harbours, and a builder of clients that know the first.
fn sea() -> (Harbour, Harbour, Builder<Client>) {
    let (one, two) = (Harbour::new(64 * 1024), Harbour::new(64 * 1024));
    let harbours = vec![("one", one.connector()), ("two", two.connector())];
    let backoff =
        Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20)).expect("a legal backoff");
    let builder =
        Client::builder("mqtt://one").expect("a legal URL").connector(Sea { harbours }).reconnect(backoff);
    (one, two, builder.client_id("meter-7").session(Session::in_memory()))
}

#[tokio::test]
async fn the_next_address_is_tried_at_once_and_the_client_says_where_it_is() {
    let (one, two, builder) = sea();
    let builder = builder.also("mqtt://nowhere").also("mqtt://two:1884");
    let (client, first) = one.pair(builder, V5).await;
    drop(one);
    drop(first);
    let _peer = two.connected(V5).await;
    let mut watch = client.connection();
    loop {
        let info = within(watch.connected()).await.unwrap();
        if info.endpoint.to_string() == "mqtt://two:1884" {
            break;
        }
        watch.changed().await;
    }
}

#[tokio::test]
async fn brokers_that_are_independent_get_a_clean_start_and_those_of_a_cluster_do_not() {
    for (sessions, clean_start) in [(AddressSessions::Shared, false), (AddressSessions::Independent, true)] {
        let (one, two, builder) = sea();
        let builder = builder.also("mqtt://two").address_sessions(sessions);
        let (_client, first) = one.pair(builder, V5).await;
        drop(one);
        drop(first);
        let connect = two.accept(V5).await.connect().await;
        assert_eq!(connect.clean_start, clean_start, "{sessions:?}");
    }
}

fn reference(name: &'static str) -> Option<Text> {
    Some(Text::from_static(name).expect("a legal string"))
}

#[tokio::test]
async fn a_server_that_names_another_one_is_followed_and_it_is_told() {
    let (one, two, builder) = sea();
    let (client, mut first) = one.pair(builder, V5).await;
    let mut events = client.events();
    let mut moved = Disconnect::new(ReasonCode::ServerMoved);
    let properties = DisconnectProperties { server_reference: reference("two:1884"), ..Default::default() };
    moved.properties = Some(Box::new(properties));
    first.send(Packet::Disconnect(Box::new(moved))).await;
    let _second = two.connected(V5).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(within(events.next()).await.unwrap());
    }
    let [Event::Disconnected(_), Event::Redirected { reference, is_permanent: true }, Event::Connected(info)] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((reference.as_str(), info.endpoint.to_string().as_str()), ("two:1884", "mqtt://two:1884"));
}

#[tokio::test]
async fn a_reference_that_must_not_be_followed_fails_the_attempt_and_says_why() {
    let (one, _two, builder) = sea();
    let (client, mut first) = one.pair(builder, V5).await;
    let mut events = client.events();
    let mut moved = Disconnect::new(ReasonCode::UseAnotherServer);
    let properties = DisconnectProperties { server_reference: reference("secret@two"), ..Default::default() };
    moved.properties = Some(Box::new(properties));
    first.send(Packet::Disconnect(Box::new(moved))).await;
    let _again = one.connected(V5).await;
    let mut why = Vec::new();
    while why.len() < 2 {
        if let Event::Disconnected(disconnection) = within(events.next()).await.unwrap() {
            why.push(disconnection.to_string());
        }
    }
    assert!(why[1].contains("not followed") && !why[1].contains("secret"), "{why:?}");
}

#[tokio::test]
async fn following_can_be_switched_off() {
    let (one, _two, builder) = sea();
    let refuses = async {
        let mut peer = one.accept(V5).await;
        peer.connect().await;
        let properties = ConnAckProperties { server_reference: reference("two"), ..Default::default() };
        peer.connack_with(false, ReasonCode::UseAnotherServer, properties).await;
        peer
    };
    let (client, first) = one.pair(builder.redirects_max(0), V5).await;
    drop(first);
    let _refused = refuses.await;
    let why = within(client.connection().ended()).await;
    assert_eq!(why.reason(), Some(ReasonCode::UseAnotherServer));
}

#[tokio::test]
async fn the_hook_sees_each_attempt_and_changes_credentials_and_address() {
    let (one, two, builder) = sea();
    let builder = builder.before_connect(|attempt: Attempt| async move {
        let user = format!("{} {}", attempt.number(), attempt.endpoint().host());
        let changes = AttemptChanges::none().credentials(Credentials::user_name(user));
        Ok(match attempt.last_disconnection().map(|last| last.cause()) {
            None => changes,
            Some(DisconnectCause::ClosedByPeer) => changes.endpoint("mqtt://nowhere".parse()?),
            Some(_) => changes.endpoint("mqtt://two".parse()?),
        })
    });
    let (connecting, accepting) = (builder.connect(), async {
        let mut peer = one.accept(V5).await;
        let said = peer.connect().await.user_name.map(|user| user.to_string());
        peer.connack(false).await;
        (peer, said)
    });
    let (client, (peer, said)) = tokio::join!(connecting, accepting);
    let _client = client.unwrap();
    assert_eq!(said.as_deref(), Some("1 one"));
    drop(peer);
    let said = two.accept(V5).await.connect().await.user_name.map(|user| user.to_string());
    assert_eq!(said.as_deref(), Some("2 one"), "the second attempt since the connection, sent elsewhere");
}

#[tokio::test]
async fn another_address_is_checked_when_the_client_is_made() {
    for (url, says) in
        [("mqtt://user:secret@two", "credentials"), ("mqtt://two:0", "port"), ("http://x", "http")]
    {
        let (_one, _two, builder) = sea();
        let error = builder.also(url).connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Option { option: "also", .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(says) && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn connect_fails_only_when_every_address_has_failed() {
    let (one, two, builder) = sea();
    let builder = builder.also("mqtt://nowhere").also("mqtt://two:1884");
    drop(one);
    let (client, _peer) = two.pair(builder, V5).await;
    let info = within(client.connection().connected()).await.unwrap();
    assert_eq!(info.endpoint.to_string(), "mqtt://two:1884");

    let (one, two, builder) = sea();
    drop((one, two));
    let error = within(builder.also("mqtt://nowhere").connect()).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "the last of them: {error}");
}

#[tokio::test]
async fn connect_follows_a_server_that_names_another_one() {
    let (one, two, builder) = sea();
    let refuses = async {
        let mut peer = one.accept(V5).await;
        peer.connect().await;
        let properties = ConnAckProperties { server_reference: reference("two"), ..Default::default() };
        peer.connack_with(false, ReasonCode::UseAnotherServer, properties).await;
        two.connected(V5).await
    };
    let (client, _peer) = tokio::join!(builder.connect(), refuses);
    client.unwrap();
}

/// An error that runs code of the application when it is dropped.
#[derive(Debug)]
struct Asks(Client);

impl std::fmt::Display for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not now")
    }
}

impl std::error::Error for Asks {}

impl Drop for Asks {
    fn drop(&mut self) {
        // Locks; under the lock this would never return.
        self.0.stats();
    }
}

#[test]
fn an_error_that_uses_the_client_when_it_is_dropped_does_not_lock_it_up() {
    let (done, finished) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (one, _two, builder) = sea();
            let known = std::sync::Arc::new(std::sync::OnceLock::<Client>::new());
            let asked = known.clone();
            let builder = builder.before_connect(move |attempt: Attempt| {
                let client = asked.get().expect("it is set before the driver runs").clone();
                async move {
                    match attempt.number() {
                        1..=5 => Err(Asks(client).into()),
                        _ => Ok(AttemptChanges::none()),
                    }
                }
            });
            let client = builder.connect_lazy().unwrap();
            known.set(client.clone()).unwrap();
            let _peer = one.connected(V5).await;
            client.disconnect().await;
        });
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(20)).expect("nothing waits for ever");
}
