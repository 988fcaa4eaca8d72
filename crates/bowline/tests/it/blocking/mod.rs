//! The client without async: each operation, time limits, threads, and runtimes around it.

mod ending;
mod sharing;
mod side_broker;
mod within_runtimes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bowline::blocking::{Client, Publisher, Subscriber, TimedOut, WaitError};
use bowline::{
    ConnectError, ConnectionState, Event, PublishErrorKind, QoS, ReasonCode, SendQueue, StreamEnd, Version,
    VersionFallback,
};
use bowline_broker::{Direction, VersionRefusal};
use bowline_testkit::ports::free_address;

use crate::round_trip::ALL_QOS;
use side_broker::{MOMENT, PATIENCE, SideBroker, within};

#[test]
fn a_client_without_async_falls_back_too() {
    let side = SideBroker::start_with(|config| {
        config.versions = vec![Version::V3_1_1];
        config.version_refusal = VersionRefusal::Close;
    });
    let fallback = VersionFallback::to(Version::V3_1_1);
    let client = side.builder(Version::V5).version_fallback(fallback).connect().unwrap();
    assert_eq!(client.connection().connected_timeout(PATIENCE).unwrap().version, Version::V3_1_1);
    client.publish("a", "m").qos(QoS::ExactlyOnce).call().unwrap();
}

#[test]
fn messages_go_out_and_come_back_without_async_at_every_qos_in_every_version() {
    let side = SideBroker::start();
    for version in Version::ALL {
        let client = side.builder(version).connect().unwrap();
        for qos in ALL_QOS {
            let mut stream = client.subscribe("a/+").qos(qos).call().unwrap();
            assert_eq!(stream.granted().len(), 1);
            for number in 0..50 {
                let acknowledgement = client.publish("a/b", number.to_string()).qos(qos).call().unwrap();
                assert_eq!(acknowledgement.reason(), ReasonCode::Success);
            }
            let numbers: Vec<String> =
                stream.by_ref().take(20).map(|message| message.text().unwrap().to_owned()).collect();
            assert_eq!(numbers, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
            let mut more = Vec::new();
            while more.len() < 30 {
                let batch = stream.next_batch(7);
                assert!((1..=7).contains(&batch.len()));
                more.extend(batch);
            }
            assert_eq!(more[29].text(), Ok("49"));
            assert_eq!(stream.unsubscribe().unwrap().len(), 1);
            assert!(stream.next().is_none());
            assert!(matches!(stream.end_reason(), Some(StreamEnd::Unsubscribed)));
        }
        client.disconnect();
        assert!(matches!(client.state(), ConnectionState::Ended(why) if why.is_requested()));
    }
}

#[test]
fn a_first_attempt_that_fails_is_an_error() {
    let refused = Client::connect(&format!("mqtt://{}", free_address())).unwrap_err();
    assert!(matches!(refused, ConnectError::Failed(_)), "{refused}");
    assert!(matches!(Client::connect("http://broker"), Err(ConnectError::Url(_))));
    let side = SideBroker::start();
    side.link.stall(Direction::ToClient);
    let silent = side.builder(Version::V5).connect_timeout(MOMENT).connect();
    assert!(matches!(silent, Err(ConnectError::Failed(_))));
}

#[test]
fn a_lazy_client_publishes_what_was_accepted_before_there_was_a_connection() {
    let side = SideBroker::start();
    side.link.stall(Direction::ToClient);
    let client = side.builder(Version::V5).connect_lazy().unwrap();
    let mut watch = client.connection();
    let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    assert!(watch.connected_timeout(MOMENT).unwrap_err().is_timed_out());
    side.link.go_on(Direction::ToClient);
    assert_eq!(watch.connected_timeout(PATIENCE).unwrap().version, Version::V5);
    receipt.wait().unwrap();
}

#[test]
fn roles_have_their_methods_and_prepared_topics_publish_what_an_iterator_has() {
    let side = SideBroker::start();
    let subscriber = Subscriber::connect(&side.link.url()).unwrap();
    let publisher = Publisher::connect(&side.link.url()).unwrap();
    let stream =
        subscriber.subscribe_many([("a", QoS::AtLeastOnce), ("b", QoS::ExactlyOnce)]).call().unwrap();
    let topic = publisher.topic("a").unwrap().qos(QoS::AtLeastOnce);
    assert_eq!(topic.publish_all((0..500).map(|number| number.to_string())).unwrap(), 500);
    topic.send("500").unwrap().wait().unwrap();
    publisher.publish("b", "501").qos(QoS::ExactlyOnce).call().unwrap();
    let got: Vec<_> =
        stream.take(502).map(|message| message.text().unwrap().parse::<u32>().unwrap()).collect();
    assert_eq!(got, (0..502).collect::<Vec<_>>());
    assert_eq!(publisher.client_id().map(|id| id.as_str().starts_with("bowline")), Some(true));
}

#[test]
fn time_limits_end_every_wait_and_what_was_waited_for_goes_on() {
    let side = SideBroker::start();
    let client = side.client();
    let mut stream = client.subscribe("a").qos(QoS::AtLeastOnce).call().unwrap();
    let mut events = client.events();
    let timed_out: TimedOut = stream.next_timeout(MOMENT).unwrap_err();
    assert_eq!(timed_out.to_string(), "the time was up");
    assert!(stream.next_batch_timeout(5, MOMENT).is_err());
    while matches!(events.next_timeout(MOMENT), Ok(Some(Event::Connected(_)))) {}
    assert!(events.next_timeout(MOMENT).is_err());
    side.link.stall(Direction::ToClient);
    let called = client.publish("a", "1").qos(QoS::AtLeastOnce).call_timeout(MOMENT);
    assert!(matches!(called, Err(WaitError::TimedOut)));
    let receipt = client.publish("a", "2").qos(QoS::ExactlyOnce).send().unwrap();
    let receipt = receipt.wait_timeout(MOMENT).unwrap_err();
    assert!(client.flush_timeout(MOMENT).unwrap_err().is_timed_out());
    assert!(client.subscribe("b").call_timeout(MOMENT).unwrap_err().is_timed_out());
    assert!(client.unsubscribe_timeout("c", MOMENT).unwrap_err().is_timed_out());
    assert!(client.connection().ended_timeout(MOMENT).is_err());
    assert!(client.connection().changed_timeout(MOMENT).is_err());
    side.link.go_on(Direction::ToClient);
    receipt.wait_timeout(PATIENCE).unwrap().unwrap();
    for text in ["1", "2"] {
        let message = stream.next_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(message.text(), Ok(text));
    }
    client.flush_timeout(PATIENCE).unwrap();
    assert!(stream.next_timeout(Duration::ZERO).is_err());
}

#[test]
fn a_full_queue_hands_the_message_back_and_sending_waits_for_room() {
    let side = SideBroker::start();
    let queue = SendQueue::new().messages_max(1);
    let client = side.builder(Version::V5).send_queue(queue).in_flight_max(1).connect().unwrap();
    side.link.stall(Direction::ToClient);
    let publish = |text: &'static str| client.publish("a", text).qos(QoS::AtLeastOnce);
    let receipts = [publish("in flight").send().unwrap(), publish("queued").send().unwrap()];
    let full = publish("back").try_send().unwrap_err();
    assert!(full.is_full());
    assert_eq!(&full.into_message().unwrap().payload[..], b"back");
    assert!(publish("gone").send_timeout(MOMENT).unwrap_err().is_timed_out());
    let other = client.clone();
    let waiting = std::thread::spawn(move || {
        other
            .publish("a", "waited")
            .qos(QoS::AtLeastOnce)
            .call()
            .map(|acknowledgement| acknowledgement.reason())
    });
    std::thread::sleep(MOMENT);
    assert!(!waiting.is_finished(), "there is no room");
    side.link.go_on(Direction::ToClient);
    assert!(waiting.join().unwrap().is_ok());
    receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap()));
    assert_eq!(side.broker.stats().messages_in, 3);
}

#[test]
fn a_subscription_loop_may_publish_while_the_queue_is_full() {
    const MESSAGES: usize = 300;
    let side = Arc::new(SideBroker::start());
    for version in Version::ALL {
        let side = side.clone();
        within("the bridge loop", move || {
            let queue = SendQueue::new().messages_max(1);
            let bridge = side.builder(version).send_queue(queue).in_flight_max(1).connect().unwrap();
            let source = side.client();
            let incoming = bridge.subscribe("in").qos(QoS::AtLeastOnce).call().unwrap();
            let outgoing = source.subscribe("out").qos(QoS::AtLeastOnce).call().unwrap();
            let sending = std::thread::spawn(move || {
                let topic = source.topic("in").unwrap().qos(QoS::AtLeastOnce);
                topic.publish_all((0..MESSAGES).map(|number| number.to_string())).unwrap()
            });
            let bridging = std::thread::spawn(move || {
                for message in incoming.take(MESSAGES) {
                    let payload = message.into_payload();
                    drop(bridge.publish("out", payload.clone()).send().unwrap());
                    bridge.publish("out", payload).qos(QoS::AtLeastOnce).call().unwrap();
                }
            });
            assert_eq!(outgoing.take(2 * MESSAGES).count(), 2 * MESSAGES);
            assert_eq!(sending.join().unwrap(), MESSAGES as u64);
            bridging.join().unwrap();
        });
    }
}

#[test]
fn one_client_is_used_from_many_threads_at_once() {
    const THREADS: usize = 8;
    const EACH: usize = 200;
    let side = SideBroker::start();
    let client = side.client();
    let stream = client.subscribe("a/#").qos(QoS::ExactlyOnce).call().unwrap();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let client = client.clone();
            std::thread::spawn(move || {
                for number in 0..EACH {
                    let publish = client.publish(format!("a/{thread}"), number.to_string());
                    publish.qos(QoS::ExactlyOnce).call_timeout(PATIENCE).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    for message in stream.take(THREADS * EACH) {
        let thread: usize = message.topic()[2..].parse().unwrap();
        assert_eq!(message.text().unwrap(), next[thread].to_string(), "in order for each thread");
        next[thread] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn acknowledgements_given_by_hand_move_to_other_threads() {
    let side = SideBroker::start();
    let client = side.client();
    let mut stream = client.subscribe("a").qos(QoS::ExactlyOnce).manual_ack().call().unwrap();
    for text in ["1", "2", "3"] {
        client.publish("a", text).qos(QoS::ExactlyOnce).call().unwrap();
    }
    let first = stream.next().unwrap();
    assert_eq!(first.message().text(), Ok("1"));
    let (_, second) = stream.next().unwrap().into_parts();
    let third = stream.next().unwrap();
    std::thread::spawn(move || second.ack().unwrap()).join().unwrap();
    first.ack().unwrap();
    third.into_parts().1.reject(ReasonCode::QuotaExceeded).unwrap();
    client.flush_timeout(PATIENCE).unwrap();
}

#[test]
fn a_handler_runs_on_its_own_thread_and_may_wait_and_a_panic_of_it_is_told() {
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    let side = SideBroker::start();
    let client = side.client();
    let mut events = client.events();
    let replies = client.subscribe("reply").qos(QoS::AtLeastOnce).call().unwrap();
    let (tell, name) = mpsc::sync_channel(2);
    let replier = client.clone();
    let handler = client.on_message("ask", move |message| {
        assert!(message.text() != Ok("panic"), "as the test wants it");
        tell.send(std::thread::current().name().map(str::to_owned)).unwrap();
        let reply = replier.publish("reply", message.into_payload()).qos(QoS::AtLeastOnce);
        reply.call_timeout(PATIENCE).unwrap();
        HANDLED.fetch_add(1, Ordering::Relaxed);
    });
    let handler = handler.qos(QoS::AtLeastOnce).call().unwrap();
    assert_eq!(handler.granted().len(), 1);
    client.publish("ask", "1").qos(QoS::AtLeastOnce).call().unwrap();
    client.publish("ask", "2").qos(QoS::AtLeastOnce).call().unwrap();
    let got: Vec<_> = replies.take(2).map(|reply| reply.text().unwrap().to_owned()).collect();
    assert_eq!(got, ["1", "2"]);
    assert_eq!(name.recv_timeout(PATIENCE).unwrap().as_deref(), Some("bowline-handler"));
    client.publish("ask", "panic").qos(QoS::AtLeastOnce).call().unwrap();
    // The news of the connection may come after `connect` has returned.
    let panicked = loop {
        match events.next_timeout(PATIENCE).unwrap().unwrap() {
            Event::Connected(_) => {}
            event => break event,
        }
    };
    assert!(matches!(&panicked, Event::HandlerPanicked { topic } if topic.as_str() == "ask"), "{panicked:?}");
    assert_eq!(HANDLED.load(Ordering::Relaxed), 2);
}

#[test]
fn unrouted_messages_come_with_the_client() {
    let side = SideBroker::start();
    let build = || side.builder(Version::V5).client_id("kept").session(bowline::Session::in_memory());
    let first = build().connect().unwrap();
    drop(first.subscribe("a").qos(QoS::AtLeastOnce).call().unwrap());
    first.disconnect();
    side.client().publish("a", "while away").qos(QoS::AtLeastOnce).call().unwrap();
    let (_second, mut unrouted) = build().unrouted(10).connect().unwrap();
    let message = unrouted.next_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(message.text(), Ok("while away"));
}

#[test]
fn what_cannot_be_sent_fails_at_once_with_the_same_errors_as_the_async_client() {
    let side = SideBroker::start();
    let client = side.client();
    let wildcard = client.publish("a/#", "1").call().unwrap_err();
    assert!(matches!(wildcard.kind(), PublishErrorKind::Topic(_)));
    assert!(client.topic("a/+").is_err());
    assert!(client.unsubscribe("a/#/b").is_err());
    let failed = client.subscribe("a/#/b").call_timeout(PATIENCE).unwrap_err();
    assert!(failed.into_failure().is_some());
}
