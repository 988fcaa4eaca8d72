//! A durable client to which anything happens at random: commits that are slow or fail, kills, lost connections and sessions, the
//! same keys again and again. Compares what arrives at a broker with what the application heard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use bowline_proto::client::{Event, Outcome, SessionLoss};
use bowline_proto::packet::{Ack, ConnAckProperties, Packet};
use bowline_proto::session::stored::StoredPhase;
use bowline_proto::session::{Entry, PublicationId};
use bowline_proto::types::{Message, QoS, Text, TopicName};
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::client_rig::connack;
use bowline_testkit::random::Random;
use bowline_testkit::{ClientRig, Commit};

use crate::script::{durable, on_store, payload};

const STEPS: usize = 400;
const KEYS: u64 = 12;

/// What is known of messages with one payload, over all lives.
#[derive(Debug, Default)]
struct Known {
    again: bool,
    was_accepted: bool,
    /// One of this name ended otherwise than by success, or how it ended nobody has heard.
    failed: bool,
    arrived: u32,
}

/// What is known of a message that was published.
fn known<'a>(messages: &'a mut BTreeMap<String, Known>, name: &str) -> &'a mut Known {
    messages.get_mut(name).expect("it was published")
}

struct Run {
    rig: ClientRig,
    random: Random,
    /// Whether the broker has a session.
    has_session: bool,
    is_connected: bool,
    /// What the broker has of QoS 2 messages before their PUBREL.
    halves: BTreeMap<PacketId, String>,
    answers: VecDeque<Packet>,
    /// A CONNECT is unanswered, and whether it wants a clean start.
    wants_connack: Option<bool>,
    losses: u32,
    /// The session that the store had when the broker said last that it has none.
    told_lost: Option<u64>,
    messages: BTreeMap<String, Known>,
    /// Of this life.
    names: BTreeMap<PublicationId, String>,
    /// Of all lives. A number that was not stored is used again.
    earlier: BTreeMap<PublicationId, String>,
    accepted: BTreeSet<PublicationId>,
    ended: BTreeSet<PublicationId>,
    next: u64,
    seed: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = random.pick(&[Version::V3_1_1, Version::V5]);
        let mut config = durable(version);
        config.in_flight_max = random.pick(&[1, 2, 3, 4]);
        config.queue.memory_bytes_max = random.pick(&[8, 20, 1_000]);
        let mut rig = on_store(config, Commit::OnDemand);
        rig.dial();
        Self {
            rig,
            random,
            has_session: false,
            is_connected: false,
            halves: BTreeMap::new(),
            answers: VecDeque::new(),
            wants_connack: None,
            losses: 0,
            told_lost: None,
            messages: BTreeMap::new(),
            names: BTreeMap::new(),
            earlier: BTreeMap::new(),
            accepted: BTreeSet::new(),
            ended: BTreeSet::new(),
            next: 0,
            seed,
        }
    }

    fn publish(&mut self) {
        let has_key = self.random.once_in(2);
        let name = if has_key {
            format!("k{}", self.random.below(KEYS))
        } else {
            self.next += 1;
            format!("m{}", self.next)
        };
        let qos2 = name.len() % 2 == 0 || self.random.once_in(2) && !has_key;
        let again = if has_key { name.ends_with('3') } else { self.random.once_in(3) };
        self.messages.entry(name.clone()).or_default().again = again;
        let message = Message::new(TopicName::from_static("a/b").expect("a legal topic"), name.clone())
            .with_qos(if qos2 { QoS::ExactlyOnce } else { QoS::AtLeastOnce });
        let choice = if again { SessionLoss::PublishAgain } else { SessionLoss::Indeterminate };
        self.rig.engine.set_on_session_loss(choice);
        let now = self.rig.now;
        let published = if has_key {
            self.rig.engine.publish_keyed(message, Text::try_from(name.clone()).expect("a legal text"), now)
        } else {
            self.rig.engine.publish(message, now)
        };
        if let Ok(publication) = published {
            self.earlier.insert(publication, name.clone());
            assert!(self.names.insert(publication, name).is_none(), "{}: {publication:?}", self.seed);
        }
        if self.random.once_in(2) {
            self.rig.settle();
        }
    }

    /// What the client sent and told.
    fn look(&mut self) {
        for packet in self.rig.sent() {
            match packet {
                Packet::Connect(connect) => {
                    if connect.clean_start {
                        self.has_session = false;
                        self.halves.clear();
                    }
                    self.answers.clear();
                    self.wants_connack = Some(connect.clean_start);
                }
                Packet::Publish(publish) => self.on_publish(&publish),
                Packet::PubRel(ack) => {
                    let known = self.halves.remove(&ack.packet_id).is_some();
                    let mut answer = Ack::success(ack.packet_id);
                    if !known && self.rig.version() == Version::V5 {
                        answer.reason = ReasonCode::PacketIdentifierNotFound;
                    }
                    self.answers.push_back(Packet::PubComp(answer));
                }
                Packet::PingReq => self.answers.push_back(Packet::PingResp),
                Packet::Disconnect(_) => self.gone(),
                _ => {}
            }
        }
        for event in self.rig.events() {
            match event {
                Event::PublishAccepted(publication) => {
                    assert!(self.accepted.insert(publication), "{}", self.seed);
                    assert!(!self.ended.contains(&publication), "{}", self.seed);
                    let name = &self.names[&publication];
                    known(&mut self.messages, name).was_accepted = true;
                }
                Event::PublishEnded { publication, outcome } => self.on_end(publication, &outcome),
                Event::Disconnected(_) => self.gone(),
                _ => {}
            }
        }
        let recovered = self.rig.store.recover(1_000_000);
        let mut ids = BTreeSet::new();
        for flow in &recovered.flows {
            if let StoredPhase::Sent { packet_id } | StoredPhase::Released { packet_id, .. } = flow.phase {
                assert!(ids.insert(packet_id), "{}: {packet_id} twice", self.seed);
                assert!(!recovered.retired.contains(&packet_id), "{}", self.seed);
            }
        }
    }

    fn gone(&mut self) {
        self.is_connected = false;
        self.wants_connack = None;
        self.answers.clear();
    }

    fn on_publish(&mut self, publish: &bowline_proto::packet::Publish) {
        assert!(self.is_connected, "{}", self.seed);
        let name = payload(publish);
        let id = publish.packet_id.expect("QoS 1 and 2 have one");
        let known = known(&mut self.messages, &name);
        if publish.qos == QoS::AtLeastOnce {
            assert!(!self.halves.contains_key(&id), "{}: {id} of {name} is in use", self.seed);
            known.arrived += 1;
            self.answers.push_back(Packet::PubAck(Ack::success(id)));
            return;
        }
        if let Some(other) = self.halves.get(&id) {
            assert_eq!((other, publish.dup), (&name, true), "{}: {id} is in use", self.seed);
        } else {
            self.halves.insert(id, name.clone());
            known.arrived += 1;
            let most = if known.again { 1 + self.losses } else { 1 };
            assert!(known.arrived <= most, "{}: {name} comes again", self.seed);
        }
        self.answers.push_back(Packet::PubRec(Ack::success(id)));
    }

    fn on_end(&mut self, publication: PublicationId, outcome: &Outcome) {
        assert!(self.ended.insert(publication), "{}: {publication:?} ends twice: {outcome:?}", self.seed);
        let Some(name) = self.names.get(&publication) else {
            let name = &self.earlier[&publication];
            let known = known(&mut self.messages, name);
            match outcome {
                Outcome::Acknowledged { .. } => assert!(known.arrived > 0, "{}: {name}", self.seed),
                _ => known.failed = true,
            }
            return;
        };
        let known = known(&mut self.messages, name);
        match outcome {
            Outcome::Acknowledged { .. } => {
                assert!(known.arrived > 0, "{}: {name} has not arrived", self.seed);
            }
            Outcome::KeyKnown { .. } | Outcome::StoreFailed { .. } => {
                assert!(!self.accepted.contains(&publication), "{}: {name} {outcome:?}", self.seed);
            }
            Outcome::Indeterminate { .. } | Outcome::Cancelled { .. } | Outcome::Poison { .. } => {
                known.failed = true
            }
            other => panic!("{}: {other:?}", self.seed),
        }
    }

    fn connack(&mut self) {
        let Some(is_clean) = self.wants_connack.take() else { return };
        let present = self.has_session;
        if !present {
            self.halves.clear();
            self.told_lost = Some(self.rig.store.recover(0).generation);
        }
        self.has_session = !(is_clean && self.rig.version() == Version::V3_1_1);
        self.is_connected = true;
        let mut properties = ConnAckProperties::default();
        if self.rig.version() == Version::V5 {
            properties.receive_maximum = NonZeroU16::new(self.random.pick(&[1, 2, 3]));
        }
        let packet = connack(self.rig.version(), present, ReasonCode::Success, properties);
        self.rig.broker(packet);
    }

    fn answer(&mut self) {
        if let Some(packet) = self.answers.pop_front() {
            self.rig.broker(packet);
        }
    }

    fn commit(&mut self, fails: bool) {
        let answer = if fails { self.rig.store.fail_next() } else { self.rig.store.commit_next() };
        if let Some(answer) = answer {
            self.rig.input(answer);
        }
    }

    fn kill(mut self) -> Self {
        if self.random.once_in(2) {
            // How these end nobody hears.
            for entry in self.rig.store.waiting() {
                if let Entry::Ended { publication, .. } = entry {
                    known(&mut self.messages, &self.earlier[&publication]).failed = true;
                }
            }
            drop(self.rig.store.commit_next());
        }
        // A client that is killed before it has stored that its session is lost would be told that it has one: that of the
        // connection at which it was lost. The protocol leaves that open.
        if self.told_lost == Some(self.rig.store.recover(0).generation) {
            self.has_session = false;
            self.losses += 1;
        }
        self.gone();
        let mut rig = self.rig.crash();
        rig.store.commit = Commit::OnDemand;
        rig.dial();
        let (names, accepted, ended) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { rig, names, accepted, ended, ..self }
    }

    fn step(mut self) -> Self {
        match self.random.below(40) {
            0..10 => self.publish(),
            10..18 => self.commit(false),
            18 => self.commit(true),
            19..27 => self.answer(),
            27..30 => self.connack(),
            30 => self.rig.lose(),
            31 => {
                self.has_session = false;
                self.losses += 1;
                self.rig.lose();
            }
            32 => return self.kill(),
            33..36 => {
                let time = self.random.up_to(Duration::from_millis(200));
                self.rig.advance(time);
            }
            36..38 => {
                let all: Vec<PublicationId> = self.names.keys().copied().collect();
                if !all.is_empty() {
                    let one = self.random.pick(&all);
                    if self.rig.engine.cancel(one) {
                        let name = &self.names[&one];
                        known(&mut self.messages, name).failed = true;
                    }
                }
            }
            38 => self.rig.advance(Duration::from_secs(5)),
            _ => self.rig.close(),
        }
        self.look();
        self
    }

    fn finish(mut self) {
        for _ in 0..3_000 {
            self.commit(false);
            self.look();
            self.connack();
            self.look();
            self.answer();
            self.look();
            self.rig.advance(Duration::from_millis(100));
            self.look();
        }
        let context = format!("seed {}", self.seed);
        assert_eq!((self.rig.engine.queued(), self.rig.engine.in_flight()), ((0, 0), 0), "{context}");
        let stored = self.rig.store.recover(1_000_000);
        assert_eq!((stored.flows.len(), stored.queue.len()), (0, 0), "{context}");
        for publication in self.names.keys() {
            assert!(self.ended.contains(publication), "{context}: {publication:?} does not end");
        }
        for (name, known) in &self.messages {
            let must_arrive = known.was_accepted && !known.failed;
            assert!(!must_arrive || known.arrived > 0, "{context}: {name} has not arrived: {known:?}");
        }
    }
}

/// Seeds that are run: some two seconds.
const SEEDS: u64 = 60;

#[test]
fn nothing_is_lost_or_doubled_or_ends_twice_whatever_happens_in_whatever_order() {
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run = run.step();
        }
        run.finish();
    }
}
