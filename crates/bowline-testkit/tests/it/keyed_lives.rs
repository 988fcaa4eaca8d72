//! A program that publishes the same messages with the same keys again in every life: killed at, before and after every commit, and
//! with every commit failing, each key is accepted once, in its order, and its end is known.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::{Event, Outcome};
use bowline_proto::packet::Packet;
use bowline_proto::session::{Entry, KeyState, PublicationId};
use bowline_proto::types::QoS;
use bowline_testkit::{ClientRig, Commit};

use crate::script::{connect_durably, durable, message, on_store, puback, pubcomp, published, pubrec, text};

const KEYS: [&str; 7] = ["1", "2", "3", "4", "5", "6", "7"];
/// How many are published before anybody looks at what becomes of them.
const WINDOW: usize = 3;

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fails,
    KilledBefore,
    KilledAfter,
}

/// One run over as many lives as it takes.
struct Run {
    rig: ClientRig,
    qos: QoS,
    /// The commit that does not just succeed, and what happens to it.
    trouble: Option<(usize, Fate)>,
    commits: usize,
    /// What the application heard in this life, by key.
    known: BTreeMap<&'static str, Heard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Accepted,
    Ended,
    Failed,
}

impl Run {
    /// Lets the store answer once. False if the process was killed over it.
    fn commit(&mut self) -> bool {
        self.commits += 1;
        let fate = self.trouble.filter(|(at, _)| *at == self.commits).map(|(_, fate)| fate);
        let answer = match fate {
            Some(Fate::KilledBefore) => return false,
            Some(Fate::Fails) => self.rig.store.fail_next(),
            Some(Fate::KilledAfter) | None => self.rig.store.commit_next(),
        };
        if fate == Some(Fate::KilledAfter) {
            return false;
        }
        self.rig.input(answer.expect("something waits"));
        true
    }

    /// The store and the broker answer until neither has anything to do. False if the process was killed.
    fn answer_all(&mut self) -> bool {
        loop {
            while !self.rig.store.waiting().is_empty() {
                if !self.commit() {
                    return false;
                }
            }
            let mut answers = Vec::new();
            for packet in self.rig.sent() {
                match packet {
                    Packet::Publish(publish) => {
                        let id = publish.packet_id.expect("QoS 1 and 2 have one");
                        answers.push(if self.qos == QoS::AtLeastOnce { puback(id) } else { pubrec(id) });
                    }
                    Packet::PubRel(ack) => answers.push(pubcomp(ack.packet_id)),
                    _ => {}
                }
            }
            if answers.is_empty() && self.rig.store.waiting().is_empty() {
                return true;
            }
            answers.into_iter().for_each(|answer| self.rig.broker(answer));
        }
    }

    /// One life: publishes all, a window at a time, until all have ended. False if it was killed.
    fn live(&mut self) -> bool {
        let mut names = BTreeMap::new();
        let mut next = 0;
        while next < KEYS.len() {
            let window = &KEYS[next..KEYS.len().min(next + WINDOW)];
            for key in window {
                let now = self.rig.now;
                match self.rig.engine.publish_keyed(message(key, self.qos), text(key), now) {
                    Ok(publication) => _ = names.insert(publication, *key),
                    Err(_) => _ = self.known.insert(key, Heard::Failed),
                }
            }
            self.rig.settle();
            if !self.answer_all() {
                return false;
            }
            self.hear(&names);
            // After a failure nothing more is published before that which failed.
            match window.iter().position(|key| self.known.get(key) == Some(&Heard::Failed)) {
                Some(failed) => {
                    next += failed;
                    self.rig.advance(Duration::from_secs(40));
                }
                None => next += window.len(),
            }
        }
        // What a failed store has not taken it is given again.
        self.rig.advance(Duration::from_secs(40));
        let lives = self.answer_all();
        self.hear(&names);
        lives
    }

    fn hear(&mut self, names: &BTreeMap<PublicationId, &'static str>) {
        for event in self.rig.events() {
            let (publication, heard) = match event {
                Event::PublishAccepted(publication) => (publication, Heard::Accepted),
                Event::PublishEnded { publication, outcome } => match outcome {
                    Outcome::StoreFailed { .. } => (publication, Heard::Failed),
                    Outcome::Acknowledged { .. } | Outcome::KeyKnown { .. } => (publication, Heard::Ended),
                    other => panic!("{other:?}"),
                },
                _ => continue,
            };
            if let Some(key) = names.get(&publication) {
                let before = self.known.insert(key, heard);
                assert_ne!(before, Some(Heard::Ended), "{key} is told of again: {heard:?}");
            }
        }
    }
}

/// Runs until a life comes to its end; the number of commits.
fn run(version: Version, qos: QoS, in_flight_max: u16, trouble: Option<(usize, Fate)>) -> usize {
    let mut config = durable(version);
    config.in_flight_max = in_flight_max;
    config.queue.memory_bytes_max = 2;
    let mut rig = on_store(config, Commit::AtOnce);
    connect_durably(&mut rig);
    rig.store.commit = Commit::OnDemand;
    let mut run = Run { rig, qos, trouble, commits: 0, known: BTreeMap::new() };
    let mut lives = 1;
    while !run.live() {
        lives += 1;
        assert!(lives < 4, "it is killed once");
        let mut rig = run.rig.crash();
        rig.store.commit = Commit::AtOnce;
        rig.connect(true);
        rig.store.commit = Commit::OnDemand;
        run = Run { rig, known: BTreeMap::new(), ..run };
    }
    let context = format!("{version} {qos:?} {in_flight_max} {trouble:?}");
    let key_of = |entry: &Entry| match entry {
        Entry::Accepted(accepted) => accepted.key.clone(),
        _ => None,
    };
    let accepted: Vec<String> =
        run.rig.store.log().iter().filter_map(key_of).map(|key| key.as_str().to_owned()).collect();
    assert_eq!(accepted, KEYS, "each once, in order: {context}");
    for key in KEYS {
        let state = run.rig.store.outcome(key);
        assert!(matches!(state, KeyState::Ended(outcome) if outcome.is_acknowledged()), "{key} {context}");
        assert_eq!(run.known.get(key), Some(&Heard::Ended), "{key} {context}");
    }
    assert_eq!((run.rig.engine.queued().0, run.rig.engine.in_flight()), (0, 0), "{context}");
    assert!(published(&mut run.rig).is_empty());
    run.commits
}

#[test]
fn whatever_happens_to_a_commit_each_key_is_accepted_once_and_in_order_over_all_lives() {
    for version in Version::ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for in_flight_max in [1, 2, 100] {
                let commits = run(version, qos, in_flight_max, None);
                assert!(commits >= 6, "{commits}");
                for at in 1..=commits {
                    for fate in [Fate::Fails, Fate::KilledBefore, Fate::KilledAfter] {
                        run(version, qos, in_flight_max, Some((at, fate)));
                    }
                }
            }
        }
    }
}
