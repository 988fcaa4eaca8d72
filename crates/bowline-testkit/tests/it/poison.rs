//! What becomes of a message over which the broker closes the connection, again and again.

use bowline_proto::client::{Event, Input, Outcome};
use bowline_proto::packet::{Ack, ConnAckProperties, Disconnect, Packet, SubAck};
use bowline_proto::session::PublicationId;
use bowline_proto::types::QoS;
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;

use crate::script::{
    accepted, acknowledged, clean, connect_durably, durable, kept, message, on_store, payloads, puback,
    pubcomp, publish, publish1, publish2, published, published_id, pubrec, subscription,
};

/// The broker closes, and the next connection resumes the session.
fn close_and_come_back(rig: &mut ClientRig) {
    rig.close();
    come_back(rig);
}

fn come_back(rig: &mut ClientRig) {
    rig.wait_for_dial();
    rig.broker(accepted(rig.version(), true));
    assert_eq!(rig.engine.state_name(), "Active");
}

/// What the client sent after CONNECT, PINGREQ left out; the broker answers one.
fn sent_after_ping(rig: &mut ClientRig) -> Vec<Packet> {
    let before = rig.sent();
    assert!(matches!(before[..], [Packet::Connect(_), Packet::PingReq]), "{before:?}");
    rig.broker(Packet::PingResp);
    rig.sent()
}

fn subscribe(rig: &mut ClientRig) {
    let subscriptions = vec![subscription("f", QoS::AtMostOnce)];
    let asked = rig.engine.subscribe(subscriptions, Default::default(), Default::default());
    asked.expect("the subscription is accepted");
    rig.settle();
}

/// The publications that were told to be poison, and over how many closes.
pub(crate) fn poisoned(rig: &mut ClientRig) -> Vec<(PublicationId, u32)> {
    let told = rig.events().into_iter();
    let ended = |event| match event {
        Event::PublishEnded { publication, outcome: Outcome::Poison { closes } } => {
            Some((publication, closes))
        }
        Event::PublishEnded { outcome, .. } => panic!("{outcome:?}"),
        _ => None,
    };
    told.filter_map(ended).collect()
}

#[test]
fn a_message_that_was_alone_at_the_third_close_is_not_sent_again_and_the_others_are() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let bad = publish2(&mut rig, "bad");
        let later = publish1(&mut rig, "later");
        rig.sent();
        close_and_come_back(&mut rig);
        assert_eq!(payloads(&mut rig), ["bad", "later"], "one close proves nothing");
        close_and_come_back(&mut rig);
        let sent = sent_after_ping(&mut rig);
        let [Packet::Publish(alone)] = &sent[..] else { panic!("one at a time: {sent:?}") };
        assert!(alone.dup && alone.qos == QoS::ExactlyOnce);
        let id = alone.packet_id.unwrap();
        publish(&mut rig, message("meanwhile", QoS::AtMostOnce));
        subscribe(&mut rig);
        assert_eq!(rig.sent(), [], "nothing else goes out beside a suspect");
        rig.events();
        rig.close();
        let told = rig.events();
        let event = told.iter().find_map(|event| match event {
            Event::Poison { publication, topic, qos, closes } => Some((*publication, topic, *qos, *closes)),
            _ => None,
        });
        let Some((publication, topic, QoS::ExactlyOnce, 3)) = event else { panic!("{told:?}") };
        assert_eq!((publication, topic.as_str()), (bad, "a/b"));
        assert!(told.iter().any(|event| matches!(
            event,
            Event::PublishEnded { publication, outcome: Outcome::Poison { closes: 3 } } if *publication == bad
        )));
        come_back(&mut rig);
        // The other one was there at two closes: it is on trial too, and innocent.
        let sent = sent_after_ping(&mut rig);
        let [Packet::Subscribe(request)] = &sent[..] else { panic!("{sent:?}") };
        let (packet_id, reasons) = (request.packet_id, vec![ReasonCode::Success]);
        rig.broker(Packet::SubAck(Box::new(SubAck { packet_id, reasons, properties: Default::default() })));
        let sent = rig.sent();
        let [Packet::Publish(other)] = &sent[..] else { panic!("{sent:?}") };
        rig.broker(puback(other.packet_id.unwrap()));
        assert_eq!(rig.outcomes(), [(later, acknowledged())]);
        assert_eq!(payloads(&mut rig), ["meanwhile"]);
        publish1(&mut rig, "a");
        publish1(&mut rig, "b");
        let new = published(&mut rig);
        assert_eq!(new.len(), 2, "no suspect is left");
        assert!(new.iter().all(|sent| sent.packet_id != Some(id)), "its identifier stays retired");
    }
}

#[test]
fn only_closes_by_the_broker_while_connected_count() {
    let innocent: [fn(&mut ClientRig); 4] = [
        ClientRig::lose,
        |rig| rig.broker_bytes(&[0xF0, 0x00]),
        |rig| rig.advance(std::time::Duration::from_secs(75)),
        |rig| {
            rig.broker(Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerShuttingDown))));
        },
    ];
    for (number, loss) in innocent.into_iter().enumerate() {
        let mut rig = ClientRig::connected(kept(Version::V5));
        publish2(&mut rig, "x");
        publish2(&mut rig, "y");
        for _ in 0..5 {
            loss(&mut rig);
            if rig.engine.state_name() != "AwaitConnack" {
                rig.wait_for_dial();
            }
            // A broker that closes before CONNACK has not seen the messages.
            rig.close();
            rig.sent();
            come_back(&mut rig);
            assert_eq!(payloads(&mut rig), ["x", "y"], "loss {number}");
        }
        assert_eq!(poisoned(&mut rig), []);
    }
}

#[test]
fn a_disconnect_that_names_a_fault_counts_as_a_close() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let bad = publish1(&mut rig, "bad");
    for _ in 0..2 {
        rig.broker(Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ImplementationSpecificError))));
        rig.sent();
        come_back(&mut rig);
    }
    assert_eq!(sent_after_ping(&mut rig).len(), 1);
    rig.close();
    assert_eq!(poisoned(&mut rig), [(bad, 3)]);
}

#[test]
fn a_broker_that_closes_every_connection_at_once_poisons_nothing() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    publish2(&mut rig, "x");
    for _ in 0..10 {
        close_and_come_back(&mut rig);
        rig.sent();
    }
    assert_eq!(poisoned(&mut rig), []);
    rig.broker(Packet::PingResp);
    assert_eq!(payloads(&mut rig), ["x"]);
}

#[test]
fn a_request_that_is_unanswered_takes_the_blame_from_a_message_that_is_not_alone() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    publish1(&mut rig, "x");
    subscribe(&mut rig);
    for _ in 0..6 {
        rig.close();
        rig.sent();
        rig.wait_for_dial();
        rig.broker(connack(Version::V5, false, ReasonCode::Success, ConnAckProperties::default()));
        rig.broker(Packet::PingResp);
    }
    assert!(rig.sent().iter().any(|packet| matches!(packet, Packet::Subscribe(_))));
    assert_eq!(poisoned(&mut rig), []);
}

#[test]
fn pubrel_is_on_trial_like_publish_and_waits_for_its_turn() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let bad = publish2(&mut rig, "bad");
        let good = publish2(&mut rig, "good");
        let ids: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id.unwrap()).collect();
        rig.broker(pubrec(ids[0]));
        rig.broker(pubrec(ids[1]));
        rig.sent();
        close_and_come_back(&mut rig);
        assert_eq!(rig.sent().len(), 3, "CONNECT and both PUBRELs");
        close_and_come_back(&mut rig);
        let [Packet::PubRel(ack)] = &sent_after_ping(&mut rig)[..] else { panic!("one PUBREL") };
        assert_eq!(ack.packet_id, ids[0]);
        rig.events();
        rig.close();
        assert_eq!(poisoned(&mut rig), [(bad, 3)]);
        come_back(&mut rig);
        let [Packet::PubRel(ack)] = &sent_after_ping(&mut rig)[..] else { panic!("one PUBREL") };
        assert_eq!(ack.packet_id, ids[1]);
        rig.broker(pubcomp(ids[1]));
        assert_eq!(rig.outcomes(), [(good, acknowledged())]);
    }
}

#[test]
fn a_qos_1_message_of_a_clean_session_is_suspected_although_every_connection_sends_it_anew() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let bad = publish1(&mut rig, "bad");
        for _ in 0..2 {
            rig.close();
            rig.sent();
            rig.wait_for_dial();
            rig.broker(accepted(version, false));
        }
        assert_eq!(sent_after_ping(&mut rig).len(), 1);
        rig.close();
        assert_eq!(poisoned(&mut rig), [(bad, 3)]);
    }
}

// [MQTT-2.2.1-3]
#[test]
fn the_identifier_of_a_poison_message_stays_retired_over_a_crash_until_the_brokers_last_word() {
    let endings: [fn(&mut ClientRig, PacketId); 3] = [
        |rig, id| rig.broker(pubcomp(id)),
        |rig, id| rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::UnspecifiedError))),
        |rig, _| {
            rig.input(Input::TransportFailed);
            rig.wait_for_dial();
            rig.broker(accepted(Version::V5, false));
        },
    ];
    for ending in endings {
        let mut rig = on_store(durable(Version::V5), bowline_testkit::Commit::AtOnce);
        connect_durably(&mut rig);
        publish2(&mut rig, "bad");
        let id = published_id(&mut rig);
        close_and_come_back(&mut rig);
        rig.sent();
        close_and_come_back(&mut rig);
        assert_eq!(sent_after_ping(&mut rig).len(), 1);
        rig.close();
        let mut rig = rig.crash();
        let retired = rig.store.recover(usize::MAX).retired;
        assert_eq!(retired, [id]);
        rig.dial();
        rig.broker(accepted(Version::V5, true));
        assert_eq!(payloads(&mut rig), Vec::<String>::new(), "it is not sent again");
        ending(&mut rig, id);
        assert_eq!(rig.store.recover(usize::MAX).retired, [], "the broker's last word");
    }
}

#[test]
fn a_connection_on_which_nothing_was_sent_yet_blames_nothing() {
    let mut rig = on_store(durable(Version::V5), bowline_testkit::Commit::AtOnce);
    connect_durably(&mut rig);
    publish2(&mut rig, "innocent");
    close_and_come_back(&mut rig);
    rig.close();
    rig.wait_for_dial();
    rig.sent();
    // What the broker grants is news that must be stored before anything is sent.
    rig.store.commit = bowline_testkit::Commit::OnDemand;
    let properties = ConnAckProperties { session_expiry_secs: Some(1000), ..Default::default() };
    rig.broker(connack(Version::V5, true, ReasonCode::Success, properties));
    assert_eq!((rig.engine.state_name(), rig.sent()), ("Active", vec![]));
    rig.close();
    rig.commit();
    assert_eq!(poisoned(&mut rig), []);
}

#[test]
fn a_suspect_that_is_never_answered_does_not_hold_up_everything_else_for_ever() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        publish2(&mut rig, "swallowed");
        publish1(&mut rig, "innocent");
        rig.sent();
        close_and_come_back(&mut rig);
        rig.sent();
        close_and_come_back(&mut rig);
        assert_eq!(sent_after_ping(&mut rig).len(), 1, "one at a time");
        publish(&mut rig, message("meanwhile", QoS::AtMostOnce));
        rig.advance(std::time::Duration::from_secs(25));
        assert_eq!(payloads(&mut rig), [""; 0], "the trial goes on");
        rig.advance(std::time::Duration::from_secs(10));
        assert_eq!(payloads(&mut rig), ["innocent", "meanwhile"]);
        publish1(&mut rig, "later");
        assert_eq!(payloads(&mut rig), ["later"], "this connection needs no more care");
        // A close after that says nothing about what the broker has lived with.
        let _ = rig.events();
        close_and_come_back(&mut rig);
        assert_eq!(poisoned(&mut rig), []);
    }
}
