//! Connections that are made, refused, kept alive and ended.

use std::time::Duration;

use bowline::{ConnectionState, Credentials, QoS, ReasonCode, Version, Will};
use tokio::time::{sleep, timeout};

use crate::counterpart::{Counterpart, PASSWORD, USER};
use crate::peer::{PATIENCE, within};

pub(super) async fn a_connection_is_made_and_ended_without_a_complaint(
    counterpart: &mut Counterpart,
    version: Version,
) {
    for _ in 0..3 {
        let client = counterpart.client(version).await;
        let ConnectionState::Connected(info) = client.state() else { panic!("it is connected") };
        assert_eq!(info.version, version);
        let is_told = version.rules().has_session_present;
        assert_eq!(info.session_present, is_told.then_some(false));
        within(client.disconnect()).await;
        assert!(matches!(client.state(), ConnectionState::Ended(why) if why.is_requested()));
    }
}

pub(super) async fn a_login_is_refused_with_the_brokers_reason_or_accepted(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let guarded = Counterpart::start_with_login(counterpart.kind()).await;
    let wrong = Credentials::user_name(USER).password("wrong");
    for credentials in [None, Some(wrong)] {
        let builder = guarded.builder(version);
        let builder = match credentials {
            Some(credentials) => builder.credentials(credentials),
            None => builder,
        };
        let error = within(builder.connect()).await.unwrap_err();
        assert_eq!(error.reason(), Some(ReasonCode::NotAuthorized));
    }
    let right = Credentials::user_name(USER).password(PASSWORD);
    let client = within(guarded.builder(version).credentials(right).connect()).await.unwrap();
    within(client.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
    client.disconnect().await;
    guarded.finish().await;
}

pub(super) async fn an_idle_connection_is_kept_alive_with_pings(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let relay = counterpart.relay().await;
    let client = within(relay.builder(version).keep_alive(Duration::from_secs(1)).connect()).await.unwrap();
    timeout(PATIENCE, async {
        loop {
            let (from_client, from_broker) = relay.record();
            if from_client.ends_with(&[0xC0, 0, 0xC0, 0]) && from_broker.ends_with(&[0xD0, 0, 0xD0, 0]) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("two pings and two answers");
    // The second ping is later than a broker waits for the first.
    assert!(matches!(client.state(), ConnectionState::Connected(_)));
    assert_eq!(relay.connections(), 1);
    client.disconnect().await;
}

pub(super) async fn a_will_is_published_when_the_connection_is_lost_and_not_when_it_is_ended(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let watcher = counterpart.client(version).await;
    let mut wills = within(watcher.subscribe("state/+").qos(QoS::ExactlyOnce)).await.unwrap();
    let mortal = |name: &str| {
        let will = Will::new(format!("state/{name}"), "gone").qos(QoS::ExactlyOnce);
        let builder = counterpart.builder(version).will(will);
        async { within(builder.connect()).await.unwrap() }
    };
    within(mortal("ended").await.disconnect()).await;
    within(mortal("aborted").await.abort()).await;
    // Publications of one client keep their order, wills of several need not: the last one is published by us.
    let will = within(wills.next()).await.unwrap();
    assert_eq!((will.topic(), will.text()), ("state/aborted", Ok("gone")));
    within(watcher.publish("state/watcher", "here").qos(QoS::ExactlyOnce)).await.unwrap();
    assert_eq!(within(wills.next()).await.unwrap().topic(), "state/watcher");
    watcher.disconnect().await;
}
