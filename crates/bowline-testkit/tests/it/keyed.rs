//! Publications with a key: the store remembers how they ended, and nobody is told before it does.

use std::time::Duration;

use bowline_proto::error::{PublishErrorKind, RequestError};
use bowline_proto::packet::{Ack, Packet};
use bowline_proto::session::{Entry, KeyState, KeyedOutcome, PublicationId, StoredOutcome};
use bowline_proto::types::{Message, QoS};
use bowline_proto::{ReasonCode, Text, Version};
use bowline_testkit::ClientRig;

use crate::script::{
    accepted, acknowledged, clean, connect_durably, connected_on_demand, durable, expiring, kept, message,
    payloads, puback, pubcomp, published_id, pubrec, text,
};

const DONE: StoredOutcome = StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false };

fn publish_keyed(rig: &mut ClientRig, message: Message, key: &'static str) -> PublicationId {
    let publication = rig.engine.publish_keyed(message, text(key), rig.now).expect("it is accepted");
    rig.settle();
    publication
}

/// Why a publication with this key is refused.
fn refusal(rig: &mut ClientRig, qos: QoS, key: Text) -> PublishErrorKind {
    rig.engine.publish_keyed(message("x", qos), key, rig.now).expect_err("it is refused").kind
}

#[test]
fn b7_success_with_a_key_is_stored_together_with_its_outcome_before_it_is_told() {
    for version in Version::ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut rig = connected_on_demand(durable(version));
            let publication = publish_keyed(&mut rig, message("x", qos), "invoice-17");
            let waiting = rig.store.waiting();
            let [Entry::Accepted(stored)] = &waiting[..] else { panic!("{waiting:?}") };
            assert_eq!(stored.key, Some(text("invoice-17")));
            rig.commit();
            assert_eq!(rig.store.outcome("invoice-17"), KeyState::Pending(publication));
            let id = published_id(&mut rig);
            if qos == QoS::ExactlyOnce {
                rig.broker(pubrec(id));
                rig.commit();
                rig.broker(pubcomp(id));
            } else {
                rig.broker(puback(id));
            }
            assert_eq!(rig.outcomes(), [], "{version:?} {qos:?}");
            let outcome = Some(KeyedOutcome { key: text("invoice-17"), outcome: DONE });
            let ended = Entry::Ended { publication, retired: None, outcome };
            assert_eq!(rig.store.waiting(), [ended]);
            rig.commit();
            assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
            assert_eq!(rig.store.outcome("invoice-17"), KeyState::Ended(DONE));
        }
    }
}

#[test]
fn every_end_of_a_publication_with_a_key_is_remembered_as_what_it_was() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    let mut rig = connected_on_demand(config);
    publish_keyed(&mut rig, message("rejected", QoS::AtLeastOnce), "rejected");
    let cancelled = publish_keyed(&mut rig, message("cancelled", QoS::AtLeastOnce), "cancelled");
    publish_keyed(&mut rig, expiring(message("expired", QoS::ExactlyOnce), 10), "expired");
    publish_keyed(&mut rig, message("lost", QoS::ExactlyOnce), "lost");
    rig.commit();
    rig.events();
    assert!(rig.engine.cancel(cancelled));
    rig.advance(Duration::from_secs(11));
    let id = published_id(&mut rig);
    rig.broker(Packet::PubAck(Ack::new(id, ReasonCode::NotAuthorized)));
    rig.commit();
    assert_eq!(payloads(&mut rig), ["lost"]);
    rig.lose();
    rig.wait_for_dial();
    rig.broker(accepted(Version::V5, false));
    rig.commit();
    for (key, outcome) in [
        ("rejected", StoredOutcome::Rejected { reason: ReasonCode::NotAuthorized }),
        ("cancelled", StoredOutcome::Cancelled),
        ("expired", StoredOutcome::Expired),
        ("lost", StoredOutcome::Indeterminate),
    ] {
        assert_eq!(rig.store.outcome(key), KeyState::Ended(outcome), "{key}");
    }
}

#[test]
fn what_is_published_again_after_a_lost_session_keeps_its_key() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        let publication = publish_keyed(&mut rig, message("x", QoS::AtLeastOnce), "k");
        rig.commit();
        published_id(&mut rig);
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.broker(accepted(version, false));
        rig.commit();
        if version != Version::V3_1 {
            assert_eq!(rig.store.recover(usize::MAX).flows[0].key, Some(text("k")));
        }
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        rig.commit();
        assert_eq!(rig.store.outcome("k"), KeyState::Ended(DONE), "{version:?}");
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
    }
}

#[test]
fn a_key_outlives_the_process_whether_its_message_is_in_flight_in_memory_or_in_the_store_alone() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    config.queue.memory_bytes_max = 8;
    let mut rig = ClientRig::new(config);
    connect_durably(&mut rig);
    let keys = ["1", "2", "3", "4", "5"];
    for key in keys {
        publish_keyed(&mut rig, message(key, QoS::AtLeastOnce), key);
    }
    assert!(rig.engine.pending(&text("5")).is_none(), "the last one is only in the store");
    let mut rig = rig.crash();
    rig.connect(true);
    for key in keys {
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(rig.store.outcome(key), KeyState::Ended(DONE), "{key}");
    }
    assert_eq!(rig.store.outcome("6"), KeyState::Unknown);
}

#[test]
fn a_key_needs_a_durable_session_a_qos_above_zero_and_a_legal_length() {
    for config in [clean(Version::V5), kept(Version::V3_1_1)] {
        let mut rig = ClientRig::connected(config);
        let refused = refusal(&mut rig, QoS::AtLeastOnce, text("k"));
        assert!(
            matches!(refused, PublishErrorKind::Request(RequestError::Option { option: "key", .. })),
            "{refused:?}"
        );
    }
    let mut rig = connected_on_demand(durable(Version::V5));
    let refused = refusal(&mut rig, QoS::AtMostOnce, text("k"));
    assert!(
        matches!(refused, PublishErrorKind::Request(RequestError::Option { option: "key", .. })),
        "{refused:?}"
    );
    for length in [0, 1_025] {
        let key = Text::try_from("k".repeat(length)).unwrap();
        let expected =
            RequestError::OutOfRange { option: "key (bytes)", value: length, least: 1, most: 1_024 };
        assert_eq!(refusal(&mut rig, QoS::ExactlyOnce, key), PublishErrorKind::Request(expected));
    }
    let longest = Text::try_from("k".repeat(1_024)).unwrap();
    assert!(rig.engine.publish_keyed(message("x", QoS::AtLeastOnce), longest, rig.now).is_ok());
}
