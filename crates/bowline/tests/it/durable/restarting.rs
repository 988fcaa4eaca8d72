//! What a client finds that is started again on its store.

use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use bowline::proto::Timestamp;
use bowline::proto::packet::{Ack, Packet};
use bowline::{PublishErrorKind, QoS, SendQueue, Session, Version};
use bowline_testkit::packets::{qos1, qos2};

use crate::durable::barriers::{accept_anew, pair};
use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn what_was_accepted_and_not_acknowledged_goes_on_where_it_was() {
    for version in Version::ALL {
        let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
        let builder = harbour.builder(version).client_id("meter-7");
        let builder = builder.session(Session::stored_in(gate.clone())).in_flight_max(2);
        let (client, mut peer) = tokio::join!(builder.connect(), accept_anew(&harbour, version));
        let client = client.unwrap();
        let mut receipts = Vec::new();
        for payload in ["sent", "released", "queued"] {
            receipts.push(within(client.publish("a", payload).qos(QoS::ExactlyOnce).send()).await.unwrap());
        }
        let sent = peer.publish().await.packet_id.unwrap();
        let released = peer.publish().await.packet_id.unwrap();
        peer.send(Packet::PubRec(Ack::success(released))).await;
        assert!(matches!(peer.packet().await, Packet::PubRel(_)));
        let ending = client.disconnect();
        let ((), ()) = tokio::join!(ending, peer.disconnected());
        for receipt in receipts {
            let error = within(receipt).await.unwrap_err();
            assert_eq!(error.kind(), &PublishErrorKind::Stored);
            assert!(!error.is_certain());
        }

        let builder = harbour.builder(version).client_id("meter-7").in_flight_max(2);
        let connecting = builder.session(Session::stored_in(gate.clone())).connect();
        let accepting = async {
            let mut peer = harbour.accept(version).await;
            assert!(!peer.connect().await.clean_start);
            peer.connack(true).await;
            peer
        };
        let (client, mut peer) = tokio::join!(connecting, accepting);
        let client = client.unwrap();
        let Packet::PubRel(ack) = peer.packet().await else { panic!("PUBREL comes first") };
        assert_eq!(ack.packet_id, released);
        let again = peer.publish().await;
        assert_eq!((again.packet_id, again.dup, &again.payload[..]), (Some(sent), true, &b"sent"[..]));
        peer.send(Packet::PubComp(Ack::success(released))).await;
        let queued = peer.publish().await;
        assert_eq!((queued.dup, &queued.payload[..]), (false, &b"queued"[..]));
        for id in [sent, queued.packet_id.unwrap()] {
            peer.send(Packet::PubRec(Ack::success(id))).await;
            assert!(matches!(peer.packet().await, Packet::PubRel(_)));
            peer.send(Packet::PubComp(Ack::success(id))).await;
        }
        within(client.flush()).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_disconnect_is_not_sent_again_by_the_next_client() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let receipt = within(client.publish("a", "x").qos(QoS::AtLeastOnce).send()).await.unwrap();
    let id = peer.publish().await.packet_id.unwrap();
    // Its end waits behind another batch when the client ends.
    gate.set(Commits::Wait);
    let before = gate.begun();
    let other = client.publish("a", "y").qos(QoS::AtLeastOnce).try_send().unwrap();
    gate.until_begun(before + 1).await;
    peer.send(Packet::PubAck(Ack::success(id))).await;
    within(receipt).await.unwrap();
    let ending = tokio::spawn(async move { client.disconnect().await });
    peer.disconnected().await;
    assert!(!ending.is_finished(), "it waits for the store");
    gate.set(Commits::Succeed);
    within(ending).await.unwrap();
    assert_eq!(within(other).await.unwrap_err().kind(), &PublishErrorKind::Stored);
    let flows = gate.recovered().flows;
    let left: Vec<_> = flows.iter().map(|flow| &flow.message.payload[..]).collect();
    assert_eq!(left, [b"y"]);
}

#[tokio::test]
async fn a_client_ends_although_its_store_hangs() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, _peer) = pair(&harbour, &gate, Version::V5).await;
    gate.set(Commits::Wait);
    let before = gate.begun();
    let receipt = client.publish("a", "x").qos(QoS::AtLeastOnce).try_send().unwrap();
    gate.until_begun(before + 1).await;
    // The others wait for the thread of the stores: no more than they must.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    client.disconnect().await;
    assert!(start.elapsed() >= std::time::Duration::from_secs(5), "it gave the store time");
    tokio::time::resume();
    let error = within(receipt).await.unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Indeterminate { limit: None });
    gate.set(Commits::Succeed);
}

#[tokio::test]
async fn a_queue_longer_than_memory_is_read_back_and_receipts_of_what_is_only_stored_say_so() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let queue = || SendQueue::new().memory_bytes_max(64);
    let builder = harbour.builder(Version::V5).client_id("meter-7").send_queue(queue());
    let client = builder.session(Session::stored_in(gate.clone())).connect_lazy().unwrap();
    let mut receipts = Vec::new();
    for number in 0..30 {
        let message = client.publish("a", format!("number {number:02}")).qos(QoS::AtLeastOnce);
        receipts.push(within(message.send()).await.unwrap());
    }
    within(client.disconnect()).await;
    for receipt in receipts {
        assert_eq!(within(receipt).await.unwrap_err().kind(), &PublishErrorKind::Stored);
    }
    // The first client has left a connection behind that nobody accepted.
    let harbour = Harbour::new(64 * 1024);
    let builder = harbour.builder(Version::V5).client_id("meter-7").send_queue(queue()).in_flight_max(1);
    let client = builder.session(Session::stored_in(gate.clone())).connect_lazy().unwrap();
    assert_eq!(client.stats().queued_messages, 30);
    gate.fail_to_load(true);
    let mut peer = accept_anew(&harbour, Version::V5).await;
    for number in 0..30 {
        let sent = peer.publish().await;
        assert_eq!(sent.payload, format!("number {number:02}"));
        if number == 3 {
            gate.fail_to_load(false);
        }
        peer.send(Packet::PubAck(Ack::success(sent.packet_id.unwrap()))).await;
    }
    within(client.flush()).await.unwrap();
}

#[tokio::test]
async fn messages_for_subscriptions_of_an_earlier_run_wait_for_the_stream_that_asks_for_them_again() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let subscribing = client.subscribe("in").qos(QoS::ExactlyOnce);
    let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[2]));
    let mut stream = stream.unwrap();
    peer.send(qos2("in", "taken", 1)).await;
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("taken"));
    assert!(matches!(peer.packet().await, Packet::PubRec(_)));
    drop(stream);
    let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());

    let builder = harbour.builder(Version::V5).client_id("meter-7");
    let client = builder.session(Session::stored_in(gate.clone())).connect_lazy().unwrap();
    let mut peer = harbour.accept(Version::V5).await;
    peer.connect().await;
    peer.connack(true).await;
    // One that was acknowledged comes again and is not handed out; the others are new and wait.
    peer.send(bowline_testkit::packets::again(qos2("in", "taken", 1))).await;
    assert!(matches!(peer.packet().await, Packet::PubRec(_)));
    peer.send(qos2("in", "new", 2)).await;
    peer.send(qos1("in", "newer", 3)).await;
    peer.is_silent().await;
    let subscribing = client.subscribe("in").qos(QoS::ExactlyOnce);
    let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[2]));
    let mut stream = stream.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("new"));
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("newer"));
}

#[tokio::test]
async fn wanted_subscriptions_are_made_again_by_the_next_client_if_the_broker_has_lost_the_session() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let subscribing = client.subscribe("in").qos(QoS::AtLeastOnce);
    let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[1]));
    drop(stream.unwrap());
    let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());
    let builder = harbour.builder(Version::V5).client_id("meter-7");
    let _client = builder.session(Session::stored_in(gate.clone())).connect_lazy().unwrap();
    let mut peer = harbour.accept(Version::V5).await;
    peer.connect().await;
    peer.connack(false).await;
    assert_eq!(peer.subscribe().await.subscriptions[0].filter.as_str(), "in");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_stored_by_the_wall_clock_at_the_publish_and_not_at_the_start() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let session = Session::stored_in(gate.clone());
    let client = harbour.builder(Version::V5).client_id("meter-7").session(session).connect_lazy().unwrap();
    // The client's own clock is an hour ahead of the wall clock now: somebody has set that back.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let receipt =
        client.publish("a", "x").qos(QoS::AtLeastOnce).expires_in(Duration::from_secs(60)).try_send();
    tokio::time::resume();
    while gate.recovered().queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let deadline = gate.recovered().queue[0].deadline.unwrap().saturating_since(Timestamp::ZERO);
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(deadline <= wall + Duration::from_secs(60), "{} s too late", (deadline - wall).as_secs());
    drop(receipt);
}

#[tokio::test]
async fn however_a_client_ends_right_after_an_acknowledgement_the_next_one_does_not_send_the_message_again() {
    for end in ["disconnect", "abort", "drop"] {
        let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
        let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
        let receipt = within(client.publish("a", "x").qos(QoS::AtLeastOnce).send()).await.unwrap();
        let id = peer.publish().await.packet_id.unwrap();
        peer.send(Packet::PubAck(Ack::success(id))).await;
        within(receipt).await.unwrap();
        match end {
            "disconnect" => within(client.disconnect()).await,
            "abort" => within(client.abort()).await,
            _ => drop(client),
        }
        while peer.next().await.is_some() {}
        let next = || harbour.builder(Version::V5).session(Session::stored_in(gate.clone())).start();
        let opened = async {
            while next().await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within(opened).await;
        assert_eq!(gate.recovered().flows, [], "{end}");
    }
}
