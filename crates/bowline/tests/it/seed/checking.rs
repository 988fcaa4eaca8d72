//! The checks of arguments: by type where that is possible, otherwise when a client or a message is made.

use std::time::Duration;

use bowline::proto::Bytes;
use bowline::{ConnectError, Credentials, QoS, SendQueue, Topic, Version, Will};

use crate::peer::{Harbour, within};
use crate::round_trip::echoed;

const KIB_64: usize = 64 * 1024;

fn refusal<T: std::fmt::Debug>(result: Result<T, ConnectError>) -> String {
    result.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn arguments_of_connect_are_checked_when_the_client_is_made() {
    let harbour = Harbour::new(KIB_64);
    let v3_1 = || harbour.builder(Version::V3_1);
    let too_long = "x".repeat(65_536);
    let connect_lazy = |builder: bowline::Builder<bowline::Client>| refusal(builder.connect_lazy());
    assert_eq!(
        connect_lazy(v3_1().client_id("123456789012345678901234")),
        "client_id (bytes) is 24, allowed are 1 to 23"
    );
    assert_eq!(
        connect_lazy(v3_1().keep_alive(Duration::from_secs(65_536))),
        "keep_alive is 65536s, allowed are 0 and 1 to 65535 s"
    );
    assert_eq!(connect_lazy(v3_1().in_flight_max(0)), "in_flight_max is 0, allowed are 1 to 65519");
    let refused = connect_lazy(v3_1().credentials(Credentials::none().password("secret")));
    assert!(refused.starts_with("password"), "{refused}");
    assert!(!refused.contains("secret"));
    for (builder, named) in [
        (harbour.builder(Version::V5).client_id(&*too_long), "client_id"),
        (v3_1().credentials(Credentials::user_name(&*too_long)), "user name"),
        (v3_1().credentials(Credentials::user_name("a").password(too_long.clone())), "password"),
        (v3_1().will(Will::new(&*too_long, "gone")), "will topic"),
        (v3_1().will(Will::new("a", too_long.clone())), "will"),
        (v3_1().connect_timeout(Duration::ZERO), "connect_timeout"),
        (v3_1().ping_timeout(Duration::ZERO), "ping_timeout"),
    ] {
        let refused = connect_lazy(builder);
        assert!(refused.starts_with(named), "{named}: {refused}");
        assert!(refused.len() < 200, "{named}: {} bytes of text", refused.len());
    }
    assert!(bowline::Client::builder("not a URL").is_err());
}

#[test]
fn a_qos_above_two_and_an_unknown_version_cannot_be_written() {
    assert_eq!(QoS::from_u8(2), Some(QoS::ExactlyOnce));
    assert_eq!(QoS::from_u8(3), None);
    assert_eq!(Version::ALL.len(), 3);
}

#[tokio::test]
async fn a_payload_is_bytes_or_text_of_at_most_what_a_packet_can_hold() {
    let client = echoed(Version::V3_1_1).await;
    for publish in [
        client.publish("a", "text"),
        client.publish("a", String::from("text")),
        client.publish("a", b"bytes".as_slice()),
        client.publish("a", vec![0_u8; 3]),
        client.publish("a", Bytes::new()),
    ] {
        within(publish.qos(QoS::AtLeastOnce)).await.unwrap();
    }
    let harbour = Harbour::new(KIB_64);
    let queue = SendQueue::new().bytes_max(usize::MAX);
    let (client, mut peer) =
        harbour.pair(harbour.builder(Version::V3_1_1).send_queue(queue), Version::V3_1_1).await;
    // Zeros that nobody looks at take no memory. Topic and packet identifier take 5 bytes of the packet as well.
    for (payload_bytes, says) in [
        (268_435_451, "the packet has 268435461 bytes, the server's maximum is 268435460"),
        (268_435_456, "message (bytes) is 268435457, allowed are 0 to 268435455"),
    ] {
        let payload = Bytes::from(vec![0; payload_bytes]);
        let error = within(client.publish("a", payload).qos(QoS::AtLeastOnce)).await.unwrap_err();
        assert_eq!(error.to_string(), says);
        assert_eq!(error.into_message().unwrap().payload.len(), payload_bytes);
    }
    peer.is_silent().await;
}

#[tokio::test]
async fn a_topic_is_checked_when_it_is_given() {
    let client = echoed(Version::V3_1_1).await;
    let too_long = "x".repeat(65_536);
    for topic in ["", "a/+", "a/#", "a\0b", &*too_long] {
        assert!(client.topic(topic).is_err());
        assert!(within(client.publish(topic, "1")).await.is_err());
    }
    for filter in ["", "a/#/b", "a+", "a\0b", &*too_long] {
        assert!(within(client.subscribe(filter)).await.is_err());
        assert!(within(client.unsubscribe(filter)).await.is_err());
    }
    let prepared: Topic = client.topic("a").unwrap();
    within(prepared.publish("1").qos(QoS::AtLeastOnce)).await.unwrap();
}
