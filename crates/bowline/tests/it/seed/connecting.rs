//! `MQTTFactory`, `connect`, `disconnect`, keep-alive, reconnecting, two brokers.

use std::time::Duration;

use bowline::proto::packet::{ConnAckProperties, Packet, Secret};
use bowline::{
    Backoff, Client, Credentials, DisconnectCause, Event, Publisher, QoS, ReasonCode, Reconnect, Session,
    Subscriber, Version, Will,
};
use bowline_broker::Broker;
use tokio::time::Instant;

use crate::peer::{Harbour, within};
use crate::round_trip::ALL_QOS;

const KIB_64: usize = 64 * 1024;

#[tokio::test]
async fn profiles_are_types_publisher_subscriber_and_both() {
    let broker = Broker::builder().start().await.unwrap();
    let url = format!("mqtt://{}", broker.address().unwrap());
    let publisher = within(Publisher::connect(&url)).await.unwrap();
    let subscriber = within(Subscriber::connect(&url)).await.unwrap();
    let both = within(Client::connect(&url)).await.unwrap();
    let mut stream = within(subscriber.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap();
    within(publisher.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
    within(both.publisher().publish("a", "2").qos(QoS::AtLeastOnce)).await.unwrap();
    for text in ["1", "2"] {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok(text));
    }
    let mut narrowed = within(both.subscriber().subscribe("b")).await.unwrap();
    within(publisher.publish("b", "3").qos(QoS::AtLeastOnce)).await.unwrap();
    assert_eq!(within(narrowed.next()).await.unwrap().text(), Ok("3"));
    for connection in [&*publisher, &*subscriber, &*both] {
        within(connection.disconnect()).await;
    }
    broker.assert_no_violations();
}

#[test]
fn handles_are_used_and_not_inherited_from_and_go_to_any_task() {
    fn is_a_handle<H: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    is_a_handle::<Client>();
    is_a_handle::<Publisher>();
    is_a_handle::<Subscriber>();
}

#[tokio::test]
async fn connect_sends_client_id_keepalive_will_login_and_clean_start_in_both_versions() {
    for version in [Version::V3_1, Version::V3_1_1] {
        for (session, clean_start) in [(Session::clean(), true), (Session::in_memory(), false)] {
            let harbour = Harbour::new(KIB_64);
            let will = Will::new("meter/state", "gone").qos(QoS::ExactlyOnce).retain();
            let builder = harbour
                .builder(version)
                .client_id("meter-7")
                .keep_alive(Duration::from_secs(33))
                .will(will)
                .credentials(Credentials::user_name("user").password("word"))
                .session(session);
            let connects = async {
                let mut peer = harbour.accept(version).await;
                let connect = peer.connect().await;
                peer.connack(!clean_start).await;
                (peer, connect)
            };
            let (client, (_peer, connect)) = tokio::join!(builder.connect(), connects);
            client.unwrap();
            assert_eq!((connect.version, connect.client_id.as_str()), (version, "meter-7"));
            assert_eq!((connect.keep_alive_secs, connect.clean_start), (33, clean_start));
            let will = connect.will.unwrap().message;
            assert_eq!((will.topic.as_str(), &will.payload[..]), ("meter/state", &b"gone"[..]));
            assert_eq!((will.qos, will.retain), (QoS::ExactlyOnce, true));
            assert_eq!(connect.user_name.unwrap().as_str(), "user");
            assert_eq!(connect.password.unwrap(), Secret("word".into()));
        }
    }
}

#[tokio::test]
async fn connect_resolves_with_the_session_flag() {
    for session_present in [false, true] {
        let harbour = Harbour::new(KIB_64);
        let builder = harbour.builder(Version::V3_1_1).client_id("meter").session(Session::in_memory());
        let accepts = async {
            let mut peer = harbour.accept(Version::V3_1_1).await;
            peer.connect().await;
            peer.connack(session_present).await;
            peer
        };
        let (client, _peer) = tokio::join!(builder.connect(), accepts);
        let info = within(client.unwrap().connection().connected()).await.unwrap();
        assert_eq!(info.session_present, Some(session_present));
    }
}

#[tokio::test]
async fn every_return_code_that_refuses_is_a_typed_error() {
    for version in [Version::V3_1, Version::V3_1_1] {
        for code in 1..=5 {
            let reason = [
                ReasonCode::UnsupportedProtocolVersion,
                ReasonCode::ClientIdentifierNotValid,
                ReasonCode::ServerUnavailable,
                ReasonCode::BadUserNameOrPassword,
                ReasonCode::NotAuthorized,
            ][code - 1];
            let harbour = Harbour::new(KIB_64);
            let refuses = async {
                let mut peer = harbour.accept(version).await;
                peer.connect().await;
                peer.connack_with(false, reason, ConnAckProperties::default()).await;
            };
            let (refused, ()) = tokio::join!(harbour.builder(version).connect(), refuses);
            let reason = refused.unwrap_err().reason().unwrap();
            assert_eq!(usize::from(reason.as_connect_return_code()), code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_connect_is_given_up() {
    let harbour = Harbour::new(KIB_64);
    let began = Instant::now();
    let silent = async {
        let mut peer = harbour.accept(Version::V3_1_1).await;
        peer.connect().await;
        assert_eq!(peer.next().await, None, "the transport is closed");
    };
    let builder = harbour.builder(Version::V3_1_1).connect_timeout(Duration::from_secs(10));
    let (failed, ()) = tokio::join!(builder.connect(), silent);
    let error = failed.unwrap_err();
    assert_eq!(*error.disconnection().unwrap().cause(), DisconnectCause::ConnectTimeout);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_sent_in_each_keepalive_period_and_one_without_answer_ends_the_connection() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let builder = harbour
            .builder(version)
            .keep_alive(Duration::from_secs(30))
            .ping_timeout(Duration::from_secs(5))
            .reconnect(Reconnect::Never);
        let (client, mut peer) = harbour.pair(builder, version).await;
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(peer.next().await, Some(Packet::PingReq));
            assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
            peer.send(Packet::PingResp).await;
        }
        assert_eq!(peer.next().await, Some(Packet::PingReq));
        let began = Instant::now();
        while peer.next().await.is_some() {}
        assert_eq!(began.elapsed().as_secs(), 5);
        let why = client.connection().ended().await;
        assert_eq!(*why.cause(), DisconnectCause::PingTimeout);
    }
}

#[tokio::test(start_paused = true)]
async fn reconnecting_goes_on_with_growing_delays_until_there_is_a_connection() {
    let harbour = Harbour::new(KIB_64);
    let backoff = Backoff::full_jitter(Duration::from_secs(1), Duration::from_secs(60)).unwrap();
    let client = harbour.builder(Version::V3_1_1).reconnect(backoff).connect_lazy().unwrap();
    let mut events = client.events();
    let mut limit = Duration::from_secs(1);
    let mut longest = Duration::ZERO;
    for number in 1..=12 {
        let mut peer = harbour.accept(Version::V3_1_1).await;
        peer.connect().await;
        drop(peer);
        let (attempt, delay) = loop {
            if let Some(Event::Reconnecting { attempt, delay }) = events.next().await {
                break (attempt, delay);
            }
        };
        assert_eq!(attempt, number);
        assert!(delay <= limit, "{delay:?} of at most {limit:?}");
        longest = longest.max(delay);
        limit = (limit * 2).min(Duration::from_secs(60));
        let began = Instant::now();
        let mut states = client.connection();
        while !matches!(states.state(), bowline::ConnectionState::Connecting) {
            states.changed().await;
        }
        assert!(began.elapsed() <= delay + Duration::from_millis(10));
    }
    assert!(longest > Duration::from_secs(2), "the delays grow: {longest:?}");
    let _peer = harbour.connected(Version::V3_1_1).await;
    within(client.connection().connected()).await.unwrap();
}

#[tokio::test]
async fn two_brokers_at_once_are_two_clients_with_sessions_of_their_own() {
    let brokers = [Broker::builder().start().await.unwrap(), Broker::builder().start().await.unwrap()];
    let mut clients = Vec::new();
    for broker in &brokers {
        let builder = Client::builder(&format!("mqtt://{}", broker.address().unwrap())).unwrap();
        let builder = builder.version(Version::V3_1_1).client_id("same").session(Session::in_memory());
        let client = within(builder.connect()).await.unwrap();
        let stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
        clients.push((client, stream));
    }
    for (number, qos) in ALL_QOS.into_iter().enumerate() {
        for (at, (client, _)) in clients.iter().enumerate() {
            within(client.publish("a", format!("{at} {number}")).qos(qos)).await.unwrap();
        }
        for (at, (_, stream)) in clients.iter_mut().enumerate() {
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*format!("{at} {number}")));
        }
    }
    within(clients[0].0.disconnect()).await;
    within(clients[1].0.publish("a", "still here").qos(QoS::ExactlyOnce)).await.unwrap();
    assert_eq!(within(clients[1].1.next()).await.unwrap().text(), Ok("still here"));
    for broker in &brokers {
        broker.assert_no_violations();
    }
}
