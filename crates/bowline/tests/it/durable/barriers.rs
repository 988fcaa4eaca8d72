//! What a client does not do before its store has it.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::store::Entry;
use bowline::{Client, QoS, Session, Version};
use bowline_testkit::packets::{qos0, qos1, qos2};
use tokio::time::timeout;

use crate::durable::gate::{Commits, Gate};
use crate::peer::{Harbour, PATIENCE, Peer, SILENCE, within};
use crate::subscribing::grant;

/// A client on this store and its peer, connected.
pub(crate) async fn pair(harbour: &Harbour, gate: &Gate, version: Version) -> (Client, Peer) {
    let builder = harbour.builder(version).client_id("meter-7").session(Session::stored_in(gate.clone()));
    let (client, peer) = tokio::join!(builder.connect(), accept_anew(harbour, version));
    gate.until_established().await;
    (client.expect("the peer accepts"), peer)
}

/// The first connection of a client without a session: before 5.0 one that discards an old session comes before.
pub(crate) async fn accept_anew(harbour: &Harbour, version: Version) -> Peer {
    if !version.rules().can_clean_start_then_keep {
        let mut peer = harbour.accept(version).await;
        assert!(peer.connect().await.clean_start);
        peer.connack(false).await;
        peer.disconnected().await;
    }
    harbour.connected(version).await
}

async fn is_pending<F: Future>(future: F) {
    assert!(timeout(SILENCE, future).await.is_err(), "it did not wait for the store");
}

#[tokio::test]
async fn a_message_is_neither_accepted_nor_sent_before_it_and_its_identifier_are_stored() {
    for version in Version::ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
            let (client, mut peer) = pair(&harbour, &gate, version).await;
            gate.set(Commits::Wait);
            let mut sending = pin!(client.publish("a", "x").qos(qos).send());
            is_pending(&mut sending).await;
            peer.is_silent().await;
            assert_eq!(gate.recovered().flows, [], "{version:?} {qos:?}");
            gate.set(Commits::Succeed);
            let receipt = within(sending).await.unwrap();
            let flows = gate.recovered().flows;
            let sent = peer.publish().await;
            assert_eq!((flows.len(), &flows[0].message.payload[..]), (1, &b"x"[..]));
            assert_eq!(sent.packet_id, receipt.packet_id());
            drop(receipt);
        }
    }
}

#[tokio::test]
async fn a_message_that_waits_without_a_connection_is_accepted_once_it_is_stored() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let session = Session::stored_in(gate.clone());
    gate.set(Commits::Wait);
    let client = harbour.builder(Version::V5).client_id("meter-7").session(session).connect_lazy().unwrap();
    let mut sending = pin!(client.publish("a", "x").qos(QoS::AtLeastOnce).send());
    is_pending(&mut sending).await;
    gate.set(Commits::Succeed);
    let receipt = within(sending).await.unwrap();
    assert_eq!(gate.recovered().queue.len(), 1);
    drop(receipt);
    // QoS 0 is not stored, and waits for nothing.
    gate.set(Commits::Wait);
    let sent = timeout(PATIENCE, client.publish("a", "not stored").send()).await;
    gate.set(Commits::Succeed);
    drop(sent.unwrap().unwrap());
}

#[tokio::test]
async fn pubrel_waits_until_pubrec_is_stored() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    let receipt = within(client.publish("a", "x").qos(QoS::ExactlyOnce).send()).await.unwrap();
    let id = peer.publish().await.packet_id.unwrap();
    gate.set(Commits::Wait);
    peer.send(Packet::PubRec(Ack::success(id))).await;
    peer.is_silent().await;
    gate.set(Commits::Succeed);
    assert_eq!(peer.packet().await, Packet::PubRel(Ack::success(id)));
    peer.send(Packet::PubComp(Ack::success(id))).await;
    within(receipt).await.unwrap();
}

#[tokio::test]
async fn an_acknowledgement_by_hand_returns_once_it_is_stored_and_pubrec_leaves_then() {
    for version in Version::ALL {
        let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
        let (client, mut peer) = pair(&harbour, &gate, version).await;
        let subscribing = client.subscribe("a").qos(QoS::ExactlyOnce).manual_ack();
        let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[2]));
        let mut stream = stream.unwrap();
        peer.send(qos2("a", "x", 5)).await;
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        gate.set(Commits::Wait);
        let mut acking = pin!(ack.ack());
        is_pending(&mut acking).await;
        peer.is_silent().await;
        assert_eq!(gate.recovered().received, [], "{version:?}");
        gate.set(Commits::Succeed);
        within(acking).await.unwrap();
        assert_eq!(gate.recovered().received.len(), 1);
        assert!(matches!(peer.packet().await, Packet::PubRec(_)));

        // QoS 1 has nothing to store.
        gate.set(Commits::Wait);
        peer.send(qos1("a", "y", 6)).await;
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        let acked = timeout(PATIENCE, ack.ack()).await;
        gate.set(Commits::Succeed);
        acked.unwrap().unwrap();
    }
}

#[tokio::test]
async fn many_messages_share_few_commits() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let (client, mut peer) = pair(&harbour, &gate, Version::V5).await;
    gate.set(Commits::Wait);
    let before = gate.begun();
    let topic = client.topic("a").unwrap().qos(QoS::AtLeastOnce);
    let receipts: Vec<_> = (0..200).map(|number| topic.try_send(number.to_string()).unwrap()).collect();
    gate.until_begun(before + 1).await;
    gate.set(Commits::Succeed);
    for _ in 0..200 {
        let id = peer.publish().await.packet_id.unwrap();
        peer.send(Packet::PubAck(Ack::success(id))).await;
    }
    for receipt in receipts {
        within(receipt).await.unwrap();
    }
    let accepted: Vec<usize> = gate
        .batches()
        .iter()
        .map(|batch| batch.iter().filter(|entry| matches!(entry, Entry::Accepted(_))).count())
        .filter(|accepted| *accepted > 0)
        .collect();
    assert_eq!(accepted.iter().sum::<usize>(), 200);
    assert!(accepted.len() <= 3, "messages in each commit: {accepted:?}");
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_neither_pings_nor_messages_that_are_not_stored() {
    let (harbour, gate) = (Harbour::new(64 * 1024), Gate::new());
    let session = Session::stored_in(gate.clone());
    let builder = harbour.builder(Version::V5).client_id("meter-7").session(session);
    let builder = builder.keep_alive(Duration::from_secs(1)).ping_timeout(Duration::from_millis(500));
    let (client, peer) = tokio::join!(builder.connect(), accept_anew(&harbour, Version::V5));
    let (client, mut peer) = (client.unwrap(), peer);
    gate.until_established().await;
    let subscribing = client.subscribe("in");
    let (stream, ()) = tokio::join!(subscribing.into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    gate.set(Commits::Wait);
    let receipt = client.publish("a", "hangs").qos(QoS::AtLeastOnce).try_send().unwrap();
    for _ in 0..2 {
        assert_eq!(peer.packet().await, Packet::PingReq);
        peer.send(Packet::PingResp).await;
    }
    within(client.publish("a", "qos 0")).await.unwrap();
    assert_eq!(&peer.publish().await.payload[..], b"qos 0");
    peer.send(qos0("in", "arrives")).await;
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("arrives"));
    gate.set(Commits::Succeed);
    assert_eq!(&peer.publish().await.payload[..], b"hangs");
    drop(receipt);
}
