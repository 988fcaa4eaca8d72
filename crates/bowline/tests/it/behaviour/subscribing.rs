//! Subscriptions: what they match, how they end, and who acknowledges.

use std::sync::atomic::{AtomicUsize, Ordering};

use bowline::{QoS, ReasonCode, Session, StreamEnd, Version};

use crate::behaviour::publishing::{assert_nothing_is_left, is_silent};
use crate::counterpart::Counterpart;
use crate::peer::within;

pub(super) async fn many_filters_are_granted_one_by_one_and_end_in_one_stream(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client = counterpart.client(version).await;
    let filters = [("a", QoS::AtMostOnce), ("b/+", QoS::AtLeastOnce), ("c/#", QoS::ExactlyOnce)];
    let mut stream = within(client.subscribe_many(filters)).await.unwrap();
    let granted: Vec<(&str, ReasonCode)> =
        stream.granted().iter().map(|(filter, reason)| (filter.as_str(), *reason)).collect();
    let as_asked =
        [("a", ReasonCode::Success), ("b/+", ReasonCode::GrantedQoS1), ("c/#", ReasonCode::GrantedQoS2)];
    assert_eq!(granted, as_asked);
    for (topic, qos) in [("a", QoS::AtMostOnce), ("b/1", QoS::AtLeastOnce), ("c/1/2", QoS::ExactlyOnce)] {
        within(client.publish(topic, "1").qos(QoS::ExactlyOnce)).await.unwrap();
        let message = within(stream.next()).await.unwrap();
        assert_eq!((message.topic(), message.qos()), (topic, qos), "the lower QoS of the two counts");
    }
    client.disconnect().await;
}

pub(super) async fn wildcards_match_what_they_should(counterpart: &mut Counterpart, version: Version) {
    const TOPICS: [&str; 6] = ["sport", "sport/", "sport/tennis", "sport/tennis/1", "/sport", "sports"];
    let matches: [(&str, &[&str]); 5] = [
        ("sport/#", &["sport", "sport/", "sport/tennis", "sport/tennis/1"]),
        ("sport/+", &["sport/", "sport/tennis"]),
        ("+", &["sport", "sports"]),
        ("+/+", &["sport/", "sport/tennis", "/sport"]),
        ("sport/+/#", &["sport/", "sport/tennis", "sport/tennis/1"]),
    ];
    for (filter, expected) in matches {
        let client = counterpart.client(version).await;
        let mut stream =
            within(client.subscribe_many([(filter, QoS::AtLeastOnce), ("end", QoS::AtLeastOnce)]))
                .await
                .unwrap();
        for topic in TOPICS.into_iter().chain(["end"]) {
            within(client.publish(topic, "1").qos(QoS::AtLeastOnce)).await.unwrap();
        }
        let mut got = Vec::new();
        loop {
            let message = within(stream.next()).await.unwrap();
            match message.topic() {
                // `+` matches it as well, so it comes once or twice.
                "end" => break,
                topic => got.push(topic.to_owned()),
            }
        }
        assert_eq!(got, expected, "{filter}");
        client.disconnect().await;
    }
}

pub(super) async fn nothing_comes_after_unsubscribing(counterpart: &mut Counterpart, version: Version) {
    let client = counterpart.client(version).await;
    let mut ending = within(client.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap();
    let mut staying = within(client.subscribe("b").qos(QoS::AtLeastOnce)).await.unwrap();
    within(client.publish("a", "before").qos(QoS::AtLeastOnce)).await.unwrap();
    assert_eq!(within(ending.next()).await.unwrap().text(), Ok("before"));
    let results = within(ending.unsubscribe()).await.unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!((results[0].0.as_str(), results[0].1), ("a", ReasonCode::Success));
    within(client.publish("a", "after").qos(QoS::AtLeastOnce)).await.unwrap();
    within(client.publish("b", "after").qos(QoS::AtLeastOnce)).await.unwrap();
    assert!(within(ending.next()).await.is_none());
    assert!(matches!(ending.end_reason(), Some(StreamEnd::Unsubscribed)));
    assert_eq!(within(staying.next()).await.unwrap().text(), Ok("after"));
    let never_subscribed = within(client.unsubscribe("c")).await.unwrap();
    let told = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
    assert!(told.contains(&never_subscribed[0].1));
    is_silent(&mut staying).await;
    client.disconnect().await;
}

pub(super) async fn acknowledgements_by_hand_may_be_given_in_any_order(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client =
        within(counterpart.builder(version).client_id("byhand").session(Session::in_memory()).connect())
            .await
            .unwrap();
    let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce).manual_ack()).await.unwrap();
    let other = counterpart.client(version).await;
    for number in 0..30 {
        let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        within(other.publish("a", number.to_string()).qos(qos)).await.unwrap();
    }
    let mut acks = Vec::new();
    for _ in 0..30 {
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        acks.push(ack);
    }
    // From both ends inwards.
    while let Some(last) = acks.pop() {
        within(last.ack()).await.unwrap();
        if !acks.is_empty() {
            within(acks.remove(0).ack()).await.unwrap();
        }
    }
    within(other.publish("a", "last").qos(QoS::ExactlyOnce)).await.unwrap();
    let last = within(within(stream.next()).await.unwrap().ack()).await.unwrap();
    assert_eq!(last.text(), Ok("last"));
    within(client.flush()).await.unwrap();
    client.disconnect().await;
    let again = counterpart.builder(version).client_id("byhand").session(Session::in_memory()).unrouted(10);
    let (again, mut unrouted) = within(again.connect()).await.unwrap();
    within(other.publish("a", "now").qos(QoS::ExactlyOnce)).await.unwrap();
    assert_eq!(within(unrouted.next()).await.unwrap().text(), Ok("now"), "the others were acknowledged");
    again.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn a_handler_gets_every_message_and_may_publish(
    counterpart: &mut Counterpart,
    version: Version,
) {
    const MESSAGES: usize = 100;
    let client = counterpart.client(version).await;
    let handled = std::sync::Arc::new(AtomicUsize::new(0));
    let (answers, counts) = (client.clone(), handled.clone());
    let handler = client.on_message("in", move |message| {
        let (answers, counts) = (answers.clone(), counts.clone());
        async move {
            answers.publish("out", message.into_payload()).qos(QoS::ExactlyOnce).await.unwrap();
            counts.fetch_add(1, Ordering::Relaxed);
        }
    });
    let handler = within(handler.qos(QoS::ExactlyOnce)).await.unwrap();
    let mut stream = within(client.subscribe("out").qos(QoS::ExactlyOnce)).await.unwrap();
    let topic = client.topic("in").unwrap().qos(QoS::AtLeastOnce);
    let mut receipts = Vec::new();
    for number in 0..MESSAGES {
        receipts.push(topic.send(number.to_string()).await.unwrap());
    }
    for number in 0..MESSAGES {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()), "in order");
    }
    within(handler.unsubscribe()).await.unwrap();
    within(client.flush()).await.unwrap();
    assert_eq!(handled.load(Ordering::Relaxed), MESSAGES);
    assert_nothing_is_left(&client);
    client.disconnect().await;
}
