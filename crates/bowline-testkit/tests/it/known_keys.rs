//! Publications whose key is that of an earlier one: refused by the store together with the commit, so that the order of all others
//! stays, and nothing of them is left.

use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::{Event, OnFull, Outcome};
use bowline_proto::error::PublishErrorKind;
use bowline_proto::session::{Entry, KeyState, PublicationId, StoredOutcome};
use bowline_proto::types::{Message, QoS};
use bowline_testkit::{ClientRig, Commit};

use crate::script::{
    acknowledged, connect_durably, connected_on_demand, durable, message, on_store, payloads, puback,
    published_id, text,
};

/// Publishes and does not let the engine ask for anything yet.
fn offer(rig: &mut ClientRig, payload: &'static str, key: &'static str) -> PublicationId {
    let message = message(payload, QoS::AtLeastOnce);
    rig.engine.publish_keyed(message, text(key), rig.now).expect("it is admitted")
}

fn refused(payload: &'static str, state: KeyState) -> Outcome {
    Outcome::KeyKnown { message: message(payload, QoS::AtLeastOnce), state }
}

/// Acknowledges all that is sent, until nothing more comes. Returns the payloads in the order of their sending.
fn acknowledge_all(rig: &mut ClientRig) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        rig.commit();
        let sent = crate::script::published(rig);
        if sent.is_empty() {
            return all;
        }
        for publish in sent {
            all.push(crate::script::payload(&publish));
            rig.broker(puback(publish.packet_id.expect("QoS 1 has one")));
        }
    }
}

#[test]
fn a_known_key_is_refused_wherever_it_is_known_and_the_others_keep_their_order() {
    for (version, in_flight_max) in
        Version::ALL.into_iter().flat_map(|version| [(version, 1), (version, 100)])
    {
        let mut config = durable(version);
        config.in_flight_max = in_flight_max;
        let mut rig = connected_on_demand(config);
        let ended = offer(&mut rig, "0", "ended");
        rig.settle();
        rig.commit();
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        rig.commit();
        assert_eq!(rig.outcomes(), [(ended, acknowledged())]);
        // The store is busy with this one, and all others share the next batch.
        let pending = offer(&mut rig, "1", "pending");
        rig.settle();
        let batch = [("2", "a"), ("3", "pending"), ("4", "b"), ("5", "ended"), ("6", "a"), ("7", "c")];
        let names = batch.map(|(payload, key)| offer(&mut rig, payload, key));
        rig.settle();
        assert_eq!(rig.outcomes(), [], "nobody is told before it is known");
        let done = rig.store.outcome("ended");
        let sent = acknowledge_all(&mut rig);
        assert_eq!(sent, ["1", "2", "4", "7"], "{version:?} {in_flight_max}");
        let mut outcomes = rig.outcomes();
        outcomes.sort_by_key(|(publication, _)| *publication);
        let acknowledged = |publication| (publication, acknowledged());
        let [two, three, four, five, six, seven] = names;
        assert_eq!(outcomes[0], acknowledged(pending));
        assert_eq!(outcomes[1], acknowledged(two));
        let Outcome::KeyKnown { message: back, state } = &outcomes[2].1 else { panic!("{outcomes:?}") };
        assert_eq!((outcomes[2].0, &back.payload[..]), (three, &b"3"[..]));
        // Whichever it is when the batch is committed.
        assert!(*state == KeyState::Pending(pending) || *state == done, "{state:?}");
        assert_eq!(outcomes[3], acknowledged(four));
        assert_eq!(outcomes[4], (five, refused("5", done)));
        assert_eq!(outcomes[5], (six, refused("6", KeyState::Pending(two))));
        assert_eq!(outcomes[6], acknowledged(seven));
        assert_holds_nothing(&rig);
    }
}

fn assert_holds_nothing(rig: &ClientRig) {
    assert_eq!((rig.engine.queued(), rig.engine.in_flight()), ((0, 0), 0));
    let left = rig.store.recover(usize::MAX);
    assert!(left.flows.is_empty() && left.queue.is_empty(), "{left:?}");
}

#[test]
fn what_is_refused_was_never_stored_and_its_unit_of_the_window_is_free_for_the_next() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    let mut rig = connected_on_demand(config);
    offer(&mut rig, "earlier", "k");
    rig.settle();
    rig.commit();
    let id = published_id(&mut rig);
    rig.broker(puback(id));
    rig.commit();
    let done = rig.store.outcome("k");
    rig.events();
    let log = rig.store.log().len();

    let again = offer(&mut rig, "again", "k");
    rig.settle();
    let next = offer(&mut rig, "next", "other");
    rig.settle();
    assert_eq!((rig.engine.in_flight(), rig.engine.queued().0), (1, 1));
    rig.commit();
    assert_eq!(payloads(&mut rig), ["next"]);
    assert_eq!(rig.outcomes(), [(again, refused("again", done))]);
    let about_it = |entry: &Entry| matches!(entry, Entry::Accepted(one) if one.publication == again);
    assert!(!rig.store.log()[log..].iter().any(about_it));
    assert!(rig.engine.pending(&text("other")) == Some(next) && rig.engine.pending(&text("k")).is_none());
}

#[test]
fn of_a_batch_that_fails_nobody_hears_that_the_key_is_known_and_the_key_is_free_again() {
    let mut rig = connected_on_demand(durable(Version::V5));
    let names = [offer(&mut rig, "1", "k"), offer(&mut rig, "2", "k")];
    rig.settle();
    let answer = rig.store.fail_next().unwrap();
    rig.input(answer);
    let failed = |payload| Outcome::StoreFailed { message: message(payload, QoS::AtLeastOnce) };
    assert_eq!(rig.outcomes(), [(names[0], failed("1")), (names[1], failed("2"))]);
    rig.advance(Duration::from_secs(1));
    let third = offer(&mut rig, "3", "k");
    rig.settle();
    rig.commit();
    assert_eq!(payloads(&mut rig), ["3"]);
    assert_eq!(rig.store.outcome("k"), KeyState::Pending(third));
}

#[test]
fn one_that_was_cancelled_before_it_could_be_refused_ends_once_and_changes_nothing_of_its_key() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    let mut rig = connected_on_demand(config);
    let first = offer(&mut rig, "first", "k");
    rig.settle();
    rig.commit();
    let id = published_id(&mut rig);
    // Its end is recorded while its batch is with the store, and before that one is.
    for is_with_store in [true, false] {
        let again = offer(&mut rig, "again", "k");
        if is_with_store {
            rig.settle();
        }
        assert!(rig.engine.cancel(again));
        // In the same batch as that end: what the store says is what became of the first.
        let third = offer(&mut rig, "third", "k");
        rig.settle();
        rig.commit();
        let cancelled = Outcome::Cancelled { message: message("again", QoS::AtLeastOnce) };
        let mut outcomes = rig.outcomes();
        outcomes.sort_by_key(|(publication, _)| *publication);
        assert_eq!(outcomes, [(again, cancelled), (third, refused("third", KeyState::Pending(first)))]);
        assert_eq!(rig.store.outcome("k"), KeyState::Pending(first));
    }
    rig.broker(puback(id));
    rig.commit();
    assert!(matches!(rig.store.outcome("k"), KeyState::Ended(outcome) if outcome.is_acknowledged()));
    assert_holds_nothing(&rig);
}

#[test]
fn a_key_that_was_used_and_cancelled_in_the_same_batch_is_known_to_the_next_of_it() {
    let mut rig = on_store(durable(Version::V5), Commit::OnDemand);
    let first = offer(&mut rig, "first", "k");
    assert!(rig.engine.cancel(first));
    let second = offer(&mut rig, "second", "k");
    rig.settle();
    rig.commit();
    let cancelled = Outcome::Cancelled { message: message("first", QoS::AtLeastOnce) };
    let known = refused("second", KeyState::Ended(StoredOutcome::Cancelled));
    let mut outcomes = rig.outcomes();
    outcomes.sort_by_key(|(publication, _)| *publication);
    assert_eq!(outcomes, [(first, cancelled), (second, known)]);
    assert_holds_nothing(&rig);
}

#[test]
fn what_an_earlier_life_has_accepted_is_refused_wherever_it_is_and_after_its_end() {
    for version in Version::ALL {
        let mut config = durable(version);
        config.in_flight_max = 1;
        config.queue.memory_bytes_max = 8;
        let mut rig = ClientRig::new(config);
        connect_durably(&mut rig);
        let keys = ["1", "2", "3", "4", "5", "6"];
        let names = keys.map(|key| offer(&mut rig, key, key));
        rig.settle();
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        rig.sent();
        let mut rig = rig.crash();
        // All of it is given again, with one more, before there is a connection.
        for (key, name) in keys.into_iter().zip(names) {
            let again = offer(&mut rig, key, key);
            rig.settle();
            let outcomes = rig.outcomes();
            let [(ended, Outcome::KeyKnown { state, .. })] = &outcomes[..] else { panic!("{outcomes:?}") };
            assert_eq!(*ended, again);
            match key {
                "1" => assert!(matches!(state, KeyState::Ended(_)), "{state:?}"),
                _ => assert_eq!(*state, KeyState::Pending(name)),
            }
        }
        offer(&mut rig, "7", "7");
        rig.settle();
        rig.connect(true);
        assert_eq!(acknowledge_all(&mut rig), ["2", "3", "4", "5", "6", "7"], "{version:?}");
        assert_holds_nothing(&rig);
    }
}

#[test]
fn a_refused_publication_leaves_no_gap_in_a_queue_that_is_longer_than_memory() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    config.queue.memory_bytes_max = 4;
    let mut rig = on_store(config, Commit::OnDemand);
    offer(&mut rig, "0", "k");
    rig.settle();
    rig.commit();
    for (payload, key) in [("1", "1"), ("again", "k"), ("2", "2"), ("again", "k"), ("3", "3"), ("again", "1")]
    {
        offer(&mut rig, payload, key);
    }
    rig.settle();
    rig.commit();
    let refused =
        |event: &Event| matches!(event, Event::PublishEnded { outcome: Outcome::KeyKnown { .. }, .. });
    assert_eq!(rig.events().iter().filter(|event| refused(event)).count(), 3);
    assert_eq!(rig.engine.queued().0, 4);
    rig.store.commit = Commit::AtOnce;
    rig.connect(false);
    assert_eq!(acknowledge_all(&mut rig), ["0", "1", "2", "3"]);
    assert_holds_nothing(&rig);
}

#[test]
fn a_message_without_room_enters_no_key_whatever_the_policy_of_the_queue() {
    for on_full in [OnFull::Refuse, OnFull::DropNewest] {
        let mut config = durable(Version::V5);
        config.on_full = on_full;
        config.queue.messages_max = 1;
        let mut rig = on_store(config, Commit::AtOnce);
        let keyed = |rig: &mut ClientRig, message: Message| {
            rig.engine.publish_keyed(message, text("k"), rig.now).map_err(|error| error.kind)
        };
        offer(&mut rig, "fills", "other");
        let full = keyed(&mut rig, message("x", QoS::AtLeastOnce));
        rig.settle();
        match on_full {
            OnFull::Refuse => assert!(matches!(full, Err(PublishErrorKind::Full { .. })), "{full:?}"),
            _ => assert!(matches!(rig.outcomes()[..], [(_, Outcome::Dropped { .. })])),
        }
        assert_eq!(rig.engine.pending(&text("k")), None);
        // Nor does one without a key inherit it.
        rig.connect(false);
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        let plain = rig.engine.publish(message("plain", QoS::AtLeastOnce), rig.now).unwrap();
        rig.settle();
        assert_eq!(rig.store.outcome("k"), KeyState::Unknown, "{plain:?}");
        assert!(keyed(&mut rig, message("x", QoS::AtLeastOnce)).is_ok());
        rig.settle();
        assert!(matches!(rig.store.outcome("k"), KeyState::Pending(_)));
    }
}
