//! How clients come and go: the first attempt, the states on the way, and the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::proto::packet::{ConnAckProperties, Packet};
use bowline::{
    Backoff, Client, ConnectError, ConnectionState, Credentials, DisconnectCause, Event, PublishErrorKind,
    QoS, ReasonCode, Reconnect, RequestError, Session, Version, Will,
};

use crate::peer::{Harbour, within};

const KIB_64: usize = 64 * 1024;

fn fast() -> Backoff {
    Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20)).expect("a legal backoff")
}

#[tokio::test]
async fn a_refused_first_attempt_is_an_error_with_the_brokers_reason_and_leaves_nothing_behind() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let refuses = async {
            let mut peer = harbour.accept(version).await;
            peer.connect().await;
            peer.connack_with(false, ReasonCode::NotAuthorized, ConnAckProperties::default()).await;
            assert_eq!(within(peer.next()).await, None, "the transport is closed");
        };
        let (refused, ()) = tokio::join!(harbour.builder(version).connect(), refuses);
        let error = refused.unwrap_err();
        assert_eq!(error.reason(), Some(ReasonCode::NotAuthorized));
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(tasks, 0, "no task is left");
    }
}

#[tokio::test]
async fn a_first_attempt_that_could_be_repeated_is_an_error_all_the_same() {
    let harbour = Harbour::new(KIB_64);
    let closes = async {
        let mut peer = harbour.accept(Version::V5).await;
        peer.connect().await;
    };
    let (closed, ()) = tokio::join!(harbour.builder(Version::V5).reconnect(fast()).connect(), closes);
    let ConnectError::Failed(why) = closed.unwrap_err() else { panic!("the attempt failed") };
    assert_eq!(*why.cause(), DisconnectCause::ClosedBeforeConnack);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test]
async fn a_transport_that_cannot_be_opened_says_why() {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5);
    drop(harbour);
    let error = builder.connect().await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn giving_up_the_first_attempt_leaves_nothing_behind() {
    let harbour = Harbour::new(KIB_64);
    let attempt = harbour.builder(Version::V5).connect();
    let mut peer = tokio::select! {
        _ = attempt => panic!("CONNECT is not answered"),
        peer = async {
            let mut peer = harbour.accept(Version::V5).await;
            peer.connect().await;
            peer
        } => peer,
    };
    assert_eq!(within(peer.next()).await, None);
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn options_are_checked_when_the_client_is_made_and_the_error_names_them() {
    let harbour = Harbour::new(KIB_64);
    let message = |error: ConnectError| error.to_string();
    let long_id = harbour.builder(Version::V3_1).client_id("123456789012345678901234").connect().await;
    assert_eq!(message(long_id.unwrap_err()), "client_id (bytes) is 24, allowed are 1 to 23");
    let nul = harbour.builder(Version::V5).client_id("a\0b").connect().await;
    assert_eq!(message(nul.unwrap_err()), "client_id contains U+0000 at byte 1");
    let window = harbour.builder(Version::V5).in_flight_max(0).connect().await;
    assert_eq!(message(window.unwrap_err()), "in_flight_max is 0, allowed are 1 to 65519");
    let expiry = Session::in_memory().expiry(Duration::from_secs(60));
    let expiry = harbour.builder(Version::V3_1_1).client_id("a").session(expiry).connect().await;
    assert_eq!(message(expiry.unwrap_err()), "session expiry needs MQTT 5.0");
    let will = harbour.builder(Version::V5).will(Will::new("a/#", "gone")).connect().await;
    assert!(message(will.unwrap_err()).starts_with("will topic has a wildcard at byte 2"));
    let keep_alive = harbour.builder(Version::V5).keep_alive(Duration::from_secs(65_536)).connect().await;
    assert_eq!(message(keep_alive.unwrap_err()), "keep_alive is 65536s, allowed are 0 and 1 to 65535 s");
    let password = Credentials::none().password("secret");
    let password = harbour.builder(Version::V3_1_1).credentials(password).connect().await.unwrap_err();
    assert!(matches!(password, ConnectError::Request(RequestError::Option { option: "password", .. })));
}

#[tokio::test]
async fn a_lazy_client_goes_on_trying_and_publishes_what_waited_before_connack() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let client = harbour.builder(version).reconnect(fast()).connect_lazy().unwrap();
        let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
        drop(harbour.accept(version).await);
        let mut peer = harbour.accept(version).await;
        peer.connect().await;
        peer.is_silent().await;
        peer.connack(false).await;
        let publish = peer.publish().await;
        assert_eq!(&publish.payload[..], b"1");
        let id = publish.packet_id.unwrap();
        assert_eq!(receipt.packet_id(), Some(id));
        peer.send(Packet::PubAck(bowline::proto::packet::Ack::success(id))).await;
        assert_eq!(within(receipt).await.unwrap().reason(), ReasonCode::Success);
    }
}

#[tokio::test]
async fn states_and_events_tell_of_a_loss_and_of_the_next_connection() {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5).reconnect(fast());
    let (client, peer) = harbour.pair(builder, Version::V5).await;
    assert!(matches!(client.state(), ConnectionState::Connected(_)));
    let mut events = client.events();
    drop(peer);
    let Some(Event::Disconnected(why)) = within(events.next()).await else { panic!("a loss") };
    assert_eq!(*why.cause(), DisconnectCause::ClosedByPeer);
    assert!(matches!(within(events.next()).await, Some(Event::Reconnecting { attempt: 1, .. })));
    let _peer = harbour.connected(Version::V5).await;
    let Some(Event::Connected(info)) = within(events.next()).await else { panic!("a connection") };
    assert_eq!((info.version, info.session_present), (Version::V5, Some(false)));
    assert!(within(client.connection().connected()).await.is_ok());
}

#[tokio::test]
async fn a_client_that_never_reconnects_ends_with_its_connection() {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5).reconnect(Reconnect::Never);
    let (client, mut peer) = harbour.pair(builder, Version::V5).await;
    let sent = client.publish("a", "1").qos(QoS::ExactlyOnce).send().await.unwrap();
    peer.publish().await;
    drop(peer);
    let error = within(sent).await.unwrap_err();
    assert_eq!(*error.kind(), PublishErrorKind::Indeterminate { limit: None });
    within(client.connection().ended()).await;
    let late = client.publish("a", "2").await.unwrap_err();
    assert_eq!(*late.kind(), PublishErrorKind::Ended);
    assert_eq!(&late.into_message().unwrap().payload[..], b"2");
    assert!(client.subscribe("a").await.is_err());
    assert!(client.flush().await.is_err());
}

#[tokio::test]
async fn dropping_the_last_handle_sends_what_is_encoded_then_disconnect() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let publisher = client.publisher();
        let second = client.clone();
        drop(client);
        drop(second);
        publisher.publish("a", "last").await.unwrap();
        drop(publisher);
        assert_eq!(&peer.publish().await.payload[..], b"last");
        peer.disconnected().await;
    }
}

#[tokio::test]
async fn a_stream_and_a_receipt_keep_the_client_alive() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    drop(client);
    let id = peer.publish().await.packet_id.unwrap();
    peer.is_silent().await;
    peer.send(Packet::PubAck(bowline::proto::packet::Ack::success(id))).await;
    within(receipt).await.unwrap();
    peer.disconnected().await;
}

#[tokio::test]
async fn disconnect_resolves_when_the_connection_is_closed_and_ends_everything() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5).in_flight_max(1), Version::V5).await;
    let sent = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let waiting = client.publish("a", "2").qos(QoS::AtLeastOnce).send().await.unwrap();
    let other = client.clone();
    tokio::join!(other.disconnect(), async {
        peer.publish().await;
        peer.disconnected().await;
        drop(peer);
    });
    assert!(matches!(client.state(), ConnectionState::Ended(why) if why.is_requested()));
    let error = within(sent).await.unwrap_err();
    assert_eq!(*error.kind(), PublishErrorKind::Indeterminate { limit: None });
    assert_eq!(*within(waiting).await.unwrap_err().kind(), PublishErrorKind::NotSent);
    client.disconnect().await;
}

#[tokio::test]
async fn abort_closes_without_disconnect() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let (_, last) = tokio::join!(client.abort(), async {
        let last = within(peer.next()).await;
        drop(peer);
        last
    });
    assert_eq!(last, None);
}

#[tokio::test]
async fn credentials_are_asked_for_before_every_connect() {
    let harbour = Harbour::new(KIB_64);
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let provider = || async {
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        Ok(Credentials::user_name("meter").password(format!("token {number}")))
    };
    let builder = harbour.builder(Version::V3_1_1).reconnect(fast()).credentials_provider(provider);
    let client = builder.connect_lazy().unwrap();
    for number in 0..3 {
        let mut peer = harbour.accept(Version::V3_1_1).await;
        let connect = peer.connect().await;
        assert_eq!(connect.user_name.unwrap().as_str(), "meter");
        assert_eq!(&connect.password.unwrap().0[..], format!("token {number}").as_bytes());
    }
    drop(client);
}

#[tokio::test]
async fn a_session_in_memory_takes_over_what_the_broker_holds_unless_it_is_fresh() {
    let harbour = Harbour::new(KIB_64);
    for (session, clean_start) in [(Session::in_memory(), false), (Session::in_memory().fresh(), true)] {
        let builder = harbour.builder(Version::V5).client_id("meter").session(session);
        let connects = async {
            let mut peer = harbour.accept(Version::V5).await;
            let connect = peer.connect().await;
            peer.connack(!clean_start).await;
            (peer, connect)
        };
        let (client, (_peer, connect)) = tokio::join!(builder.connect(), connects);
        client.unwrap();
        assert_eq!(connect.clean_start, clean_start);
        assert_eq!(connect.properties.session_expiry_secs, Some(u32::MAX));
    }
}

#[test]
fn a_runtime_that_shuts_down_leaves_nobody_waiting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let harbour = Harbour::new(KIB_64);
    let (client, _peer) = runtime.block_on(harbour.pair(harbour.builder(Version::V5), Version::V5));
    let receipt = runtime.block_on(client.publish("a", "1").qos(QoS::AtLeastOnce).send()).unwrap();
    runtime.shutdown_timeout(Duration::from_secs(10));
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = other.block_on(within(receipt)).unwrap_err();
    assert_eq!(*error.kind(), PublishErrorKind::Indeterminate { limit: None });
    assert!(other.block_on(client.connection().ended()).to_string().contains("runtime"));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let harbour = Harbour::new(KIB_64);
    assert!(matches!(harbour.builder(Version::V5).connect_lazy(), Err(ConnectError::NoRuntime)));
}

#[tokio::test]
async fn disconnect_reaches_a_broker_whose_messages_were_not_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let accepts = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut connect = [0; 1024];
        assert!(socket.read(&mut connect).await.unwrap() > 0);
        // CONNACK, and then a PUBLISH that never ends.
        socket.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        socket.write_all(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a', 0]).await.unwrap();
        socket
    };
    let (client, mut socket) = tokio::join!(Client::connect(&url), accepts);
    let client = client.unwrap();
    let reads = async move {
        let (mut reader, mut writer) = socket.split();
        let flood = vec![b'x'; 4 * 1024 * 1024];
        let mut bytes = Vec::new();
        let (_written, read) = tokio::join!(writer.write_all(&flood), reader.read_to_end(&mut bytes));
        read.expect("no reset before the end");
        bytes
    };
    let ends = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        client.disconnect().await;
    };
    let (bytes, ()) = within(async { tokio::join!(reads, ends) }).await;
    assert_eq!(bytes, [0xE0, 0]);
}
