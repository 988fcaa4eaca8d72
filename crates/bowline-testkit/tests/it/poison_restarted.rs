//! Poison in a durable session whose process does not live from one close by the broker to the next.

use bowline_proto::Version;
use bowline_proto::client::SessionLoss;
use bowline_proto::packet::Packet;
use bowline_proto::session::stored::Suspect;
use bowline_proto::session::{Entry, KeyState, PublicationId, StoredOutcome};
use bowline_proto::types::QoS;
use bowline_testkit::{ClientRig, Commit};

use crate::poison::poisoned;
use crate::script::{
    accepted, acknowledged, connect_durably, durable, message, payloads, puback, publish1, publish2,
    published, published_id, pubrec, text,
};

fn started(version: Version) -> ClientRig {
    let mut rig = ClientRig::new(durable(version));
    connect_durably(&mut rig);
    rig
}

/// The process ends and another one goes on, in a session that the broker has.
fn start_again(rig: ClientRig) -> ClientRig {
    let mut rig = rig.crash();
    rig.dial();
    rig.broker(accepted(rig.version(), true));
    assert_eq!(rig.engine.state_name(), "Active");
    rig
}

/// What is sent after CONNECT, PINGREQ left out; the broker answers one.
fn sent_after_ping(rig: &mut ClientRig) -> Vec<Packet> {
    let before = rig.sent();
    assert!(matches!(before[..], [Packet::Connect(_), Packet::PingReq]), "{before:?}");
    rig.broker(Packet::PingResp);
    rig.sent()
}

fn suspects(rig: &ClientRig) -> Vec<(PublicationId, u32)> {
    let stored = rig.store.recover(usize::MAX).suspects;
    stored.into_iter().map(|Suspect { publication, closes }| (publication, closes)).collect()
}

#[test]
fn a_process_that_is_started_again_after_each_close_gives_the_message_up_at_the_third() {
    for version in Version::ALL {
        let mut rig = started(version);
        let bad = rig.engine.publish_keyed(message("bad", QoS::ExactlyOnce), text("k"), rig.now);
        let bad = bad.expect("it is accepted");
        rig.settle();
        let later = publish1(&mut rig, "later");
        assert_eq!(payloads(&mut rig), ["bad", "later"]);
        rig.close();
        assert_eq!(suspects(&rig), [(bad, 1), (later, 1)], "{version:?}");
        let mut rig = start_again(rig);
        assert_eq!(payloads(&mut rig), ["bad", "later"], "one close proves nothing");
        rig.close();
        assert_eq!(suspects(&rig), [(bad, 2), (later, 2)]);
        let mut rig = start_again(rig);
        let sent = sent_after_ping(&mut rig);
        let [Packet::Publish(alone)] = &sent[..] else { panic!("one at a time: {sent:?}") };
        assert_eq!((alone.qos, alone.dup), (QoS::ExactlyOnce, true));
        rig.events();
        rig.close();
        assert_eq!(poisoned(&mut rig), [(bad, 3)]);
        assert_eq!(rig.store.outcome("k"), KeyState::Ended(StoredOutcome::Poison { closes: 3 }));
        assert_eq!(suspects(&rig), [(later, 2)], "who has ended is no suspect");
        // The innocent one is on trial, and acquitted.
        let mut rig = start_again(rig);
        let sent = sent_after_ping(&mut rig);
        let [Packet::Publish(other)] = &sent[..] else { panic!("{sent:?}") };
        rig.broker(puback(other.packet_id.expect("it is of QoS 1")));
        assert_eq!(rig.outcomes(), [(later, acknowledged())]);
        publish1(&mut rig, "a");
        publish1(&mut rig, "b");
        assert_eq!(payloads(&mut rig), ["a", "b"], "no suspect is left");
        assert_eq!(suspects(&rig), []);
    }
}

#[test]
fn a_message_that_is_published_again_after_each_loss_of_its_session_stays_a_suspect() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = started(version);
        rig.engine.set_on_session_loss(SessionLoss::PublishAgain);
        let bad = publish2(&mut rig, "bad");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.close();
        for _ in 0..2 {
            assert_eq!(poisoned(&mut rig), [], "{version:?}");
            rig = rig.crash();
            rig.dial();
            rig.broker(accepted(version, false));
            rig.broker(Packet::PingResp);
            assert_eq!(payloads(&mut rig), ["bad"]);
            rig.close();
        }
        assert_eq!(poisoned(&mut rig), [(bad, 3)]);
    }
}

#[test]
fn restarts_without_a_close_by_the_broker_make_no_suspect() {
    for version in Version::ALL {
        let mut rig = started(version);
        publish2(&mut rig, "x");
        publish2(&mut rig, "y");
        rig.sent();
        for _ in 0..6 {
            rig = start_again(rig);
            assert_eq!(payloads(&mut rig), ["x", "y"], "{version:?}");
            rig.lose();
        }
        assert_eq!(suspects(&rig), []);
        assert!(!rig.store.log().iter().any(|entry| matches!(entry, Entry::Blamed(_))));
    }
}

#[test]
fn a_close_costs_one_entry_however_much_is_in_flight_and_nothing_else_costs_any() {
    let mut rig = started(Version::V5);
    for _ in 0..50 {
        publish1(&mut rig, "x");
    }
    let before = rig.store.log().len();
    rig.close();
    let written = &rig.store.log()[before..];
    let [Entry::Blamed(suspects)] = written else { panic!("{written:?}") };
    assert_eq!(suspects.len(), 50);
    let mut rig = start_again(rig);
    let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    for id in ids {
        rig.broker(puback(id));
    }
    rig.close();
    let blamed = rig.store.log().iter().filter(|entry| matches!(entry, Entry::Blamed(_)));
    assert_eq!(blamed.count(), 1, "a close with nothing in flight is no news");
}

#[test]
fn a_count_that_was_not_stored_before_the_kill_is_lost_and_no_more_than_that() {
    let mut rig = started(Version::V5);
    let bad = publish2(&mut rig, "bad");
    rig.close();
    rig = start_again(rig);
    rig.sent();
    rig.store.commit = Commit::OnDemand;
    rig.close();
    assert!(matches!(rig.store.waiting()[..], [Entry::Blamed(_)]));
    rig.store.commit = Commit::AtOnce;
    let rig = start_again(rig);
    assert_eq!(suspects(&rig), [(bad, 1)]);
}
