//! Sessions that outlive their connection, their program, or neither.

use std::time::Duration;

use bowline::{Event, QoS, Session, Version};
use tokio::time::timeout;

use crate::behaviour::publishing::is_silent;
use crate::counterpart::Counterpart;
use crate::peer::{SILENCE, within};

pub(super) async fn a_resumed_session_loses_and_doubles_nothing_however_often_it_is_cut(
    counterpart: &mut Counterpart,
    version: Version,
) {
    const MESSAGES: usize = 500;
    let relay = counterpart.relay().await;
    // Bytes until the cut: each connection gets a little further, mostly in the middle of a packet.
    relay.cut_after((1..=12).map(|number| number * 701));
    let builder = relay.builder(version).client_id("cut").session(Session::in_memory());
    let client = within(builder.connect()).await.unwrap();
    let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
    let topic = client.topic("a").unwrap().qos(QoS::ExactlyOnce);
    let mut receipts = Vec::new();
    for number in 0..MESSAGES {
        receipts.push(topic.send(number.to_string()).await.unwrap());
    }
    for number in 0..MESSAGES {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()));
    }
    for receipt in receipts {
        within(receipt).await.unwrap();
    }
    is_silent(&mut stream).await;
    let stats = client.stats();
    assert_eq!((stats.queued_messages, stats.in_flight), (0, 0));
    assert!(relay.connections() > 5, "it was cut {} times", relay.connections() - 1);
    client.disconnect().await;
}

pub(super) async fn what_came_while_the_client_was_away_is_delivered(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let relay = counterpart.relay().await;
    let builder = relay.builder(version).client_id("away").session(Session::in_memory());
    let client = within(builder.connect()).await.unwrap();
    let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
    let mut events = client.events();
    relay.close();
    while !matches!(within(events.next()).await, Some(Event::Disconnected(_))) {}
    let other = counterpart.client(version).await;
    let waits = client.publish("b", "meanwhile").qos(QoS::ExactlyOnce).send().await.unwrap();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        within(other.publish("a", "kept").qos(qos)).await.unwrap();
    }
    assert!(timeout(SILENCE, stream.next()).await.is_err());
    relay.open();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = within(stream.next()).await.unwrap();
        assert_eq!((message.text(), message.qos()), (Ok("kept"), qos));
    }
    within(waits).await.unwrap();
    is_silent(&mut stream).await;
    client.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn a_new_program_adopts_the_session_and_the_unrouted_stream_gets_its_messages(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let builder = || counterpart.builder(version).client_id("adopted").session(Session::in_memory());
    let first = within(builder().connect()).await.unwrap();
    drop(within(first.subscribe("a/#").qos(QoS::ExactlyOnce)).await.unwrap());
    first.abort().await;
    let other = counterpart.client(version).await;
    for number in 0..20 {
        let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        within(other.publish("a/b", number.to_string()).qos(qos)).await.unwrap();
    }
    let (second, mut unrouted) = within(builder().unrouted(10).connect()).await.unwrap();
    for number in 0..10 {
        assert_eq!(within(unrouted.next()).await.unwrap().text(), Ok(&*number.to_string()));
    }
    // What nobody has taken goes to the stream that wants it.
    drop(unrouted);
    let mut stream = within(second.subscribe("a/#").qos(QoS::ExactlyOnce)).await.unwrap();
    for number in 10..20 {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()));
    }
    is_silent(&mut stream).await;
    second.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn messages_that_were_not_acknowledged_are_delivered_to_the_next_program(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let builder = || counterpart.builder(version).client_id("again").session(Session::in_memory());
    let first = within(builder().connect()).await.unwrap();
    let mut stream = within(first.subscribe("a").qos(QoS::ExactlyOnce).manual_ack()).await.unwrap();
    let other = counterpart.client(version).await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        within(other.publish("a", "mine").qos(qos)).await.unwrap();
    }
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(within(stream.next()).await.unwrap());
    }
    first.abort().await;
    drop(held);
    let (second, mut unrouted) = within(builder().unrouted(10).connect()).await.unwrap();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = within(unrouted.next()).await.unwrap();
        assert_eq!((message.text(), message.qos(), message.dup()), (Ok("mine"), qos, true));
    }
    second.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn a_fresh_session_gets_nothing_of_the_old_one(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let builder = || counterpart.builder(version).client_id("fresh");
    let first = within(builder().session(Session::in_memory()).connect()).await.unwrap();
    drop(within(first.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap());
    first.abort().await;
    let other = counterpart.client(version).await;
    within(other.publish("a", "old").qos(QoS::AtLeastOnce)).await.unwrap();
    let second = builder().session(Session::in_memory().fresh()).unrouted(10).connect();
    let (second, mut unrouted) = within(second).await.unwrap();
    within(other.publish("a", "new").qos(QoS::AtLeastOnce)).await.unwrap();
    assert!(timeout(SILENCE, unrouted.next()).await.is_err(), "neither message nor subscription is left");
    second.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn everything_is_made_anew_at_a_restarted_broker(
    counterpart: &mut Counterpart,
    version: Version,
) {
    // A broker need not keep the order between messages of different QoS.
    for (session, qos) in [(Session::clean(), QoS::AtLeastOnce), (Session::in_memory(), QoS::ExactlyOnce)] {
        let builder = counterpart.builder(version).client_id("restarted").session(session);
        let client = within(builder.connect()).await.unwrap();
        let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
        let mut events = client.events();
        counterpart.stop().await;
        while !matches!(within(events.next()).await, Some(Event::Disconnected(_))) {}
        let mut receipts = Vec::new();
        for number in 0..50 {
            receipts.push(client.publish("a", number.to_string()).qos(qos).send().await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        counterpart.start_again().await;
        for number in 0..50 {
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()));
        }
        for receipt in receipts {
            within(receipt).await.unwrap();
        }
        is_silent(&mut stream).await;
        client.disconnect().await;
    }
}
