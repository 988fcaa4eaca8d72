//! The policies of the send queue: what a full one does, how long a publication may wait, and that each ends once.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::{ClientConfig, ClientEngine, DropReason, Event, OnFull, Outcome};
use bowline_proto::error::PublishErrorKind;
use bowline_proto::session::PublicationId;
use bowline_proto::types::{Message, QoS, TopicName};
use bowline_testkit::ClientRig;
use bowline_testkit::random::Random;

use crate::quota::receive_maximum;
use crate::script::{
    acknowledged, clean, connected_on_demand, durable, expiring, kept, message, payloads, puback, publish,
    publish1, published, published_id,
};

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A client whose queue takes two messages.
fn for_two(version: Version, on_full: OnFull) -> ClientConfig {
    let mut config = kept(version);
    config.queue.messages_max = 2;
    config.on_full = on_full;
    config
}

/// A message for a topic of its own.
fn about(topic: &'static str, payload: &'static str, qos: QoS) -> Message {
    Message::new(TopicName::from_static(topic).expect("a legal topic"), payload).with_qos(qos)
}

fn commit_all(rig: &mut ClientRig) {
    while !rig.store.waiting().is_empty() {
        rig.commit();
    }
}

fn dropped(message: Message, why: DropReason) -> Outcome {
    Outcome::Dropped { message, why }
}

#[test]
fn a_full_queue_drops_the_oldest_for_the_newest_offline() {
    for version in Version::ALL {
        for qos in QOS {
            let mut rig = ClientRig::new(for_two(version, OnFull::DropOldest));
            let first = publish(&mut rig, message("1", qos));
            let second = publish(&mut rig, message("2", QoS::AtLeastOnce));
            publish(&mut rig, message("3", qos));
            assert_eq!(rig.outcomes(), [(first, dropped(message("1", qos), DropReason::Oldest))]);
            publish(&mut rig, message("4", qos));
            let why = dropped(message("2", QoS::AtLeastOnce), DropReason::Oldest);
            assert_eq!(rig.outcomes(), [(second, why)], "the oldest of any QoS");
            assert_eq!(rig.engine.queued(), (2, 8));
            assert_eq!(rig.engine.stats().publications_dropped, 2);
            rig.connect(false);
            assert_eq!(payloads(&mut rig), ["3", "4"]);
        }
    }
}

#[test]
fn dropping_the_oldest_touches_nothing_that_was_sent() {
    let mut config = for_two(Version::V5, OnFull::DropOldest);
    config.in_flight_max = 1;
    let mut rig = ClientRig::connected(config);
    let sent = publish1(&mut rig, "sent");
    let id = published_id(&mut rig);
    let oldest = publish1(&mut rig, "1");
    publish1(&mut rig, "2");
    publish1(&mut rig, "3");
    let why = dropped(message("1", QoS::AtLeastOnce), DropReason::Oldest);
    assert_eq!(rig.outcomes(), [(oldest, why)]);
    rig.broker(puback(id));
    assert_eq!(rig.outcomes(), [(sent, acknowledged())]);
    assert_eq!(payloads(&mut rig), ["2"]);
}

#[test]
fn as_many_of_the_oldest_are_dropped_as_a_large_message_needs_and_none_for_one_that_never_fits() {
    let mut config = clean(Version::V5);
    config.queue.bytes_max = 16;
    config.on_full = OnFull::DropOldest;
    let mut rig = ClientRig::new(config);
    for payload in ["1", "2", "3", "4"] {
        publish1(&mut rig, payload);
    }
    publish1(&mut rig, "123456");
    assert_eq!(rig.outcomes().len(), 3, "9 bytes of 16 need three of 4");
    assert_eq!(rig.engine.queued(), (2, 13));
    let never_fits = message("12345678901234", QoS::AtLeastOnce);
    let refused = rig.engine.publish(never_fits.clone(), rig.now).expect_err("it is larger than the queue");
    assert_eq!(
        (refused.message, refused.kind),
        (never_fits, PublishErrorKind::Full { messages: 2, bytes: 13 })
    );
    rig.settle();
    assert_eq!(rig.outcomes(), []);
}

#[test]
fn a_full_queue_drops_the_newest_which_is_accepted_and_ends_at_once() {
    for version in Version::ALL {
        for qos in QOS {
            let mut rig = ClientRig::new(for_two(version, OnFull::DropNewest));
            publish(&mut rig, message("1", qos));
            publish(&mut rig, message("2", qos));
            let newest = publish(&mut rig, message("3", qos));
            assert_eq!(rig.outcomes(), [(newest, dropped(message("3", qos), DropReason::Newest))]);
            assert_eq!(rig.engine.stats().publications_dropped, 1);
            rig.connect(false);
            assert_eq!(payloads(&mut rig), ["1", "2"]);
        }
    }
}

#[test]
fn a_durable_session_drops_the_newest_without_a_word_to_its_store() {
    let mut config = durable(Version::V5);
    config.queue.messages_max = 1;
    config.in_flight_max = 1;
    config.on_full = OnFull::DropNewest;
    let mut rig = connected_on_demand(config);
    publish1(&mut rig, "in flight");
    publish1(&mut rig, "waits");
    commit_all(&mut rig);
    rig.events();
    let newest = publish1(&mut rig, "newest");
    let events = rig.events();
    let [Event::PublishEnded { publication, outcome: Outcome::Dropped { why, .. } }] = &events[..] else {
        panic!("dropped, and never accepted: {events:?}");
    };
    assert_eq!((*publication, *why), (newest, DropReason::Newest));
    assert_eq!(rig.store.waiting(), []);
}

#[test]
fn policies_that_a_durable_session_cannot_keep_are_refused_when_it_is_made() {
    let refusal = |change: fn(&mut ClientConfig)| {
        let mut config = durable(Version::V5);
        change(&mut config);
        let now = bowline_proto::Timestamp::ZERO;
        ClientEngine::new(config, 1, now, now).expect_err("it is refused").to_string()
    };
    let on_full = "send queue: on_full must be to refuse or to drop the newest with a durable session";
    assert_eq!(refusal(|config| config.on_full = OnFull::DropOldest), on_full);
    assert_eq!(refusal(|config| config.on_full = OnFull::KeepLastPerTopic), on_full);
    assert_eq!(
        refusal(|config| config.queue_age_max = Some(Duration::from_secs(1))),
        "send queue: age_max cannot be had with a durable session"
    );
    assert_eq!(
        refusal(|config| {
            *config = clean(Version::V5);
            config.queue_age_max = Some(Duration::ZERO);
        }),
        "send queue: age_max must not be zero"
    );
}

#[test]
fn of_each_topic_only_the_newest_waits_and_keeps_the_turn_of_the_first() {
    for version in Version::ALL {
        for qos in QOS {
            let mut config = kept(version);
            config.on_full = OnFull::KeepLastPerTopic;
            let mut rig = ClientRig::new(config);
            let busy = publish(&mut rig, about("busy", "b1", qos));
            publish(&mut rig, about("calm", "c1", qos));
            let again = publish(&mut rig, about("busy", "b2", qos));
            publish(&mut rig, about("busy", "b3", qos));
            let replaced = |payload| dropped(about("busy", payload, qos), DropReason::Replaced);
            assert_eq!(rig.outcomes(), [(busy, replaced("b1")), (again, replaced("b2"))]);
            assert_eq!(rig.engine.queued(), (2, 12));
            rig.connect(false);
            assert_eq!(payloads(&mut rig), ["b3", "c1"]);
        }
    }
}

#[test]
fn a_newer_message_replaces_an_older_one_of_its_topic_in_a_queue_that_is_full() {
    let mut rig = ClientRig::new(for_two(Version::V5, OnFull::KeepLastPerTopic));
    publish(&mut rig, about("a", "1", QoS::AtLeastOnce));
    publish(&mut rig, about("b", "1", QoS::AtLeastOnce));
    publish(&mut rig, about("a", "2", QoS::AtLeastOnce));
    let third = about("c", "1", QoS::AtLeastOnce);
    let refused = rig.engine.publish(third, rig.now).expect_err("there is no room for a third topic");
    assert_eq!(refused.kind, PublishErrorKind::Full { messages: 2, bytes: 4 });
    rig.connect(false);
    assert_eq!(payloads(&mut rig), ["2", "1"]);
}

#[test]
fn the_newest_of_a_topic_wins_across_qos_and_a_retained_one_is_not_replaced_by_one_that_is_not() {
    let mut config = kept(Version::V3_1_1);
    config.on_full = OnFull::KeepLastPerTopic;
    config.in_flight_max = 1;
    let mut rig = ClientRig::new(config);
    let old = publish(&mut rig, about("a", "old", QoS::AtLeastOnce));
    publish(&mut rig, about("b", "b", QoS::AtLeastOnce));
    publish(&mut rig, about("a", "new", QoS::AtMostOnce));
    publish(&mut rig, about("a", "kept", QoS::AtMostOnce).with_retain(true));
    let ended = (old, dropped(about("a", "old", QoS::AtLeastOnce), DropReason::Replaced));
    assert_eq!(rig.outcomes(), [ended]);
    rig.connect(false);
    assert_eq!(payloads(&mut rig), ["b", "new", "kept"]);
    // The window is used up: the older value waits, and a newer one of QoS 0 goes past it.
    let waits = publish(&mut rig, about("a", "waits", QoS::AtLeastOnce));
    publish(&mut rig, about("a", "newest", QoS::AtMostOnce));
    assert_eq!(payloads(&mut rig), ["newest"]);
    let ended = (waits, dropped(about("a", "waits", QoS::AtLeastOnce), DropReason::Replaced));
    assert_eq!(rig.outcomes(), [ended], "it must not be the last to arrive");
}

#[test]
fn a_message_that_waits_too_long_is_dropped_when_its_time_is_up_with_and_without_a_connection() {
    for version in Version::ALL {
        for is_connected in [false, true] {
            let mut config = kept(version);
            config.queue_age_max = Some(Duration::from_secs(5));
            config.in_flight_max = 1;
            let mut rig = if is_connected { ClientRig::connected(config) } else { ClientRig::new(config) };
            if is_connected {
                publish1(&mut rig, "in flight");
            }
            rig.outcomes();
            let old = publish1(&mut rig, "old");
            rig.advance(Duration::from_secs(3));
            let later = publish1(&mut rig, "later");
            rig.advance(Duration::from_millis(1_999));
            assert_eq!(rig.outcomes(), []);
            rig.advance(Duration::from_millis(1));
            let why = |payload| dropped(message(payload, QoS::AtLeastOnce), DropReason::TooOld);
            assert_eq!(rig.outcomes(), [(old, why("old"))]);
            rig.advance(Duration::from_secs(3));
            assert_eq!(rig.outcomes(), [(later, why("later"))]);
            assert_eq!(rig.engine.queued(), (0, 0));
            assert_eq!(rig.engine.stats().publications_dropped, 2);
        }
    }
}

// [MQTT-3.3.2-5]
#[test]
fn a_message_expires_while_it_waits_without_a_connection_at_the_time_that_sleep_named() {
    for version in Version::ALL {
        for qos in QOS {
            let mut config = kept(version);
            config.queue_age_max = Some(Duration::from_secs(60));
            let mut rig = ClientRig::new(config);
            let brief = expiring(message("brief", qos), 10);
            let publication = publish(&mut rig, brief.clone());
            rig.advance(Duration::from_millis(9_999));
            assert_eq!(rig.outcomes(), []);
            rig.advance(Duration::from_millis(1));
            assert_eq!(rig.outcomes(), [(publication, Outcome::Expired { message: brief })]);
            assert_eq!(rig.engine.queued(), (0, 0));
            let stats = rig.engine.stats();
            assert_eq!((stats.publications_expired, stats.publications_dropped), (1, 0));
        }
    }
}

#[test]
fn an_expired_message_makes_room_before_a_full_queue_is_looked_at() {
    let mut rig = ClientRig::new(for_two(Version::V5, OnFull::Refuse));
    publish(&mut rig, expiring(message("1", QoS::AtLeastOnce), 1));
    publish1(&mut rig, "2");
    // The driver is late: nobody has polled when the next message comes.
    rig.now = rig.now + Duration::from_secs(1);
    publish1(&mut rig, "3");
    rig.connect(false);
    assert_eq!(payloads(&mut rig), ["2", "3"]);
}

#[test]
fn what_may_have_arrived_before_the_session_was_lost_is_dropped_by_no_policy() {
    for on_full in [OnFull::DropOldest, OnFull::KeepLastPerTopic] {
        let mut config = for_two(Version::V5, on_full);
        config.queue_age_max = Some(Duration::from_secs(5));
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "1");
        let doubtful = publish1(&mut rig, "2");
        rig.reconnect_with(false, receive_maximum(1));
        rig.events();
        let newer = publish1(&mut rig, "3");
        publish1(&mut rig, "4");
        assert_eq!(rig.engine.queued().0, 2, "2 and 4 wait");
        let [(publication, Outcome::Dropped { .. })] = rig.outcomes()[..] else { panic!("one is dropped") };
        assert_eq!(publication, newer, "{on_full:?}");
        rig.advance(Duration::from_secs(60));
        assert_eq!(rig.outcomes().len(), 1, "4 is too old");
        assert!(!rig.engine.cancel(doubtful), "its first byte was out");
        rig.sent();
        rig.reconnect_with(true, receive_maximum(2));
        assert_eq!(payloads(&mut rig), ["1", "2"], "it waited all the time");
    }
}

/// Any policy and any limits, all of them narrow.
fn random_config(random: &mut Random) -> ClientConfig {
    let version = random.pick(&Version::ALL);
    let mut config = kept(version);
    config.queue.messages_max = 1 + random.below(5) as usize;
    config.queue.bytes_max = 20 + random.below(100) as usize;
    config.in_flight_max = 1 + random.below(3) as u16;
    config.on_full =
        random.pick(&[OnFull::Refuse, OnFull::DropOldest, OnFull::DropNewest, OnFull::KeepLastPerTopic]);
    config.queue_age_max = random.once_in(2).then(|| Duration::from_secs(1 + random.below(20)));
    config
}

#[test]
fn every_publication_ends_exactly_once_whatever_the_policy() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut rig = ClientRig::new(random_config(&mut random));
        let mut accepted: BTreeMap<PublicationId, QoS> = BTreeMap::new();
        let mut ended: BTreeMap<PublicationId, usize> = BTreeMap::new();
        for _ in 0..60 {
            step(&mut rig, &mut random, &mut accepted);
            for (publication, _) in rig.outcomes() {
                *ended.entry(publication).or_default() += 1;
            }
        }
        for event in rig.engine.end() {
            if let Event::PublishEnded { publication, .. } = event {
                *ended.entry(publication).or_default() += 1;
            }
        }
        for (publication, qos) in accepted {
            let times = ended.remove(&publication).unwrap_or(0);
            let is_right = times == 1 || (times == 0 && qos == QoS::AtMostOnce);
            assert!(is_right, "seed {seed}: {publication:?} {qos:?} ended {times} times");
        }
        assert!(ended.is_empty(), "seed {seed}: {ended:?} ended and were never accepted");
    }
}

fn step(rig: &mut ClientRig, random: &mut Random, accepted: &mut BTreeMap<PublicationId, QoS>) {
    match random.below(10) {
        0..5 => {
            let mut message =
                about(random.pick(&["a", "b", "c"]), random.pick(&["", "12345"]), random.pick(&QOS));
            if random.once_in(3) {
                message = expiring(message, 1 + random.below(9) as u32);
            }
            let qos = message.qos;
            if let Ok(publication) = rig.engine.publish(message, rig.now) {
                accepted.insert(publication, qos);
            }
        }
        5 => {
            let last = accepted.keys().next_back().map_or(0, |last| last.as_u64());
            rig.engine.cancel(PublicationId::new(last.saturating_sub(random.below(4))));
        }
        6 if rig.engine.state_name() == "Stopped" => rig.connect(false),
        6 if rig.engine.state_name() == "Active" => {
            let present = rig.version().rules().has_session_present && random.once_in(2);
            rig.reconnect(present);
        }
        7 => {
            let sent = published(rig).into_iter().filter(|sent| sent.qos == QoS::AtLeastOnce);
            sent.filter_map(|sent| sent.packet_id).for_each(|id| rig.broker(puback(id)));
        }
        _ if rig.engine.state_name() != "Active" => rig.advance(random.up_to(Duration::from_secs(5))),
        _ => rig.settle(),
    }
    rig.settle();
}
