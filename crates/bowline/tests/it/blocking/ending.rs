//! How blocking clients end: everybody who waits is woken, and handles may go in any order.

use std::time::Duration;

use bowline::{Event, PublishErrorKind, QoS, SendQueue, SubscribeError, Version, Will};
use bowline_broker::Direction;

use super::side_broker::{MOMENT, PATIENCE, SideBroker, within};

#[test]
fn the_end_of_a_client_wakes_all_who_wait() {
    let side = SideBroker::start();
    let queue = SendQueue::new().messages_max(1);
    let client = side.builder(Version::V5).send_queue(queue).in_flight_max(1).connect().unwrap();
    let mut stream = client.subscribe("a").call().unwrap();
    side.link.stall(Direction::ToClient);
    let publish = || client.publish("a", "1").qos(QoS::AtLeastOnce);
    let receipts = [publish().send().unwrap(), publish().send().unwrap()];
    let mut events = client.events();
    let mut watch = client.connection();
    let others = [client.clone(), client.clone(), client.clone()];
    let [publishing, subscribing, flushing] = others;
    let waiting = [
        std::thread::spawn(move || assert!(stream.next().is_none())),
        std::thread::spawn(move || assert!(events.any(|event| matches!(event, Event::Ended(_))))),
        std::thread::spawn(move || assert!(watch.ended().is_requested())),
        std::thread::spawn(move || {
            let error = publishing.publish("a", "3").qos(QoS::AtLeastOnce).send().unwrap_err();
            assert_eq!(*error.kind(), PublishErrorKind::Ended);
        }),
        std::thread::spawn(move || {
            assert_eq!(subscribing.subscribe("b").call().unwrap_err(), SubscribeError::Ended);
        }),
        std::thread::spawn(move || assert!(flushing.flush().is_err())),
        std::thread::spawn(move || {
            receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap_err()))
        }),
    ];
    std::thread::sleep(MOMENT);
    assert!(waiting.iter().all(|thread| !thread.is_finished()), "there is nothing for them yet");
    within("disconnecting", move || client.disconnect());
    for thread in waiting {
        within("a thread that waited", move || thread.join().unwrap());
    }
}

#[test]
fn handles_may_be_dropped_in_any_order_and_the_last_says_goodbye() {
    let side = SideBroker::start();
    let watcher = side.client();
    let mut wills = watcher.subscribe("will").call().unwrap();
    for first in 0..5 {
        for step in 1..5 {
            let will = Will::new("will", format!("{first} {step}"));
            let client = side.builder(Version::V5).will(will).connect().unwrap();
            side.until_clients(2);
            let stream = client.subscribe("a").qos(QoS::AtLeastOnce).call().unwrap();
            let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
            let handles: [Box<dyn std::any::Any>; 5] = [
                Box::new(stream),
                Box::new(receipt),
                Box::new(client.publisher()),
                Box::new(client.topic("a").unwrap()),
                Box::new(client),
            ];
            let mut handles = handles.map(Some);
            // Steps below five reach every one of the five.
            for place in 0..5 {
                side.until_clients(2);
                drop(handles[(first + place * step) % 5].take());
            }
            side.until_clients(1);
        }
    }
    assert!(wills.next_timeout(MOMENT).is_err(), "no connection was lost");
}

#[test]
fn draining_says_what_was_left_undone_and_ends_in_time() {
    let side = SideBroker::start();
    let client = side.client();
    client.publish("a", "1").qos(QoS::ExactlyOnce).send().unwrap().wait().unwrap();
    client.drain(PATIENCE).unwrap();
    assert!(client.flush().is_err(), "it is over");

    let client = side.builder(Version::V5).in_flight_max(1).connect().unwrap();
    side.link.stall(Direction::ToClient);
    let receipts =
        ["1", "2", "3"].map(|text| client.publish("a", text).qos(QoS::AtLeastOnce).send().unwrap());
    let left = client.drain(MOMENT).unwrap_err();
    assert_eq!((left.in_flight, left.queued), (1, 2));
    let kinds = receipts.map(|receipt| receipt.wait().unwrap_err().kind().clone());
    assert_eq!(kinds[0], PublishErrorKind::Indeterminate { limit: None });
    assert_eq!(kinds[1..], [PublishErrorKind::NotSent, PublishErrorKind::NotSent]);
}

#[test]
fn disconnecting_with_a_limit_and_aborting_end_the_client() {
    let side = SideBroker::start();
    let client = side.client();
    client.disconnect_timeout(PATIENCE).unwrap();
    let client = side.client();
    let again = client.clone();
    within("aborting", move || client.abort());
    again.abort_timeout(Duration::ZERO).unwrap();
    side.until_clients(0);
}
