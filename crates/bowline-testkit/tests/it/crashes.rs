//! Kills, cuts, store failures and lost sessions at every point of many publications: nothing that was accepted is lost,
//! and nothing of QoS 2 arrives twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bowline_proto::backoff::Jitter;
use bowline_proto::client::{Event, Outcome};
use bowline_proto::packet::{Ack, Packet, Publish};
use bowline_proto::session::PublicationId;
use bowline_proto::types::{Message, QoS, TopicName};
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit};

use crate::script::{accepted, durable, on_store, payload};

/// A broker that keeps what MQTT says it must, and the two directions of the link to it.
#[derive(Default)]
struct Broker {
    has_session: bool,
    received: BTreeSet<PacketId>,
    /// What arrived, in order: numbers of publications.
    arrived: Vec<u64>,
    to_broker: VecDeque<Packet>,
    to_client: VecDeque<Packet>,
}

impl Broker {
    /// Takes the next packet of the client.
    fn work(&mut self, version: Version) {
        let Some(packet) = self.to_broker.pop_front() else { return };
        match packet {
            Packet::Connect(connect) => {
                self.has_session &= !connect.clean_start;
                if !self.has_session {
                    self.received.clear();
                }
                self.to_client = VecDeque::from([accepted(version, self.has_session)]);
                let outlives = connect.properties.session_expiry_secs.is_some_and(|secs| secs > 0);
                self.has_session = outlives;
            }
            Packet::Publish(publish) => self.on_publish(&publish),
            Packet::PubRel(ack) => {
                self.received.remove(&ack.packet_id);
                self.to_client.push_back(Packet::PubComp(Ack::success(ack.packet_id)));
            }
            Packet::Disconnect(_) => {}
            other => panic!("the client sent {other:?}"),
        }
    }

    fn on_publish(&mut self, publish: &Publish) {
        let number = payload(publish).parse().expect("payloads are numbers");
        let id = publish.packet_id.expect("QoS 1 and 2 have an identifier");
        if publish.qos == QoS::AtLeastOnce {
            self.arrived.push(number);
            self.to_client.push_back(Packet::PubAck(Ack::success(id)));
            return;
        }
        if self.received.insert(id) {
            self.arrived.push(number);
        }
        self.to_client.push_back(Packet::PubRec(Ack::new(id, ReasonCode::Success)));
    }

    fn cut(&mut self) {
        self.to_broker.clear();
        self.to_client.clear();
    }

    fn lose_session(&mut self) {
        self.has_session = false;
        self.received.clear();
    }
}

/// What became of one publication, as far as the application was told.
#[derive(Debug, Default)]
struct Told {
    /// The payload, another for every call.
    number: u64,
    qos: QoS,
    is_accepted: bool,
    is_in_doubt: bool,
    is_refused: bool,
}

struct World {
    version: Version,
    rig: ClientRig,
    broker: Broker,
    told: BTreeMap<PublicationId, Told>,
    /// Numbers of publications that a crash took before they were stored: their names were given away again.
    never_stored: Vec<u64>,
    calls: u64,
    may_lose_sessions: bool,
}

const PUBLICATIONS: u64 = 20;

impl World {
    fn new(version: Version, may_lose_sessions: bool) -> Self {
        let mut config = durable(version);
        config.keep_alive_secs = 0;
        config.in_flight_max = 4;
        config.queue.memory_bytes_max = 12;
        let mut rig = on_store(config, Commit::OnDemand);
        rig.dial();
        Self {
            version,
            rig,
            broker: Broker::default(),
            told: BTreeMap::new(),
            never_stored: Vec::new(),
            calls: 0,
            may_lose_sessions,
        }
    }

    /// One thing happens.
    fn step(mut self, dice: &mut Jitter) -> Self {
        match dice.below(100) {
            0..25 => self.publish(dice.below(2) == 0),
            25..50 => self.commit(),
            50..70 => self.broker.work(self.version),
            70..90 => self.answer(),
            90..93 => self.cut(),
            93..95 => {
                if let Some(answer) = self.rig.store.fail_next() {
                    self.rig.input(answer);
                }
            }
            95..97 => self.rig.advance(Duration::from_millis(200)),
            97 if self.may_lose_sessions => self.lose_session(),
            _ => {
                self.broker.cut();
                self.rig = self.rig.crash();
                self.rig.dial();
            }
        }
        self.look();
        self
    }

    fn publish(&mut self, is_qos2: bool) {
        if self.calls == PUBLICATIONS {
            return;
        }
        let qos = if is_qos2 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let topic = TopicName::from_static("t").expect("a legal topic");
        let message = Message::new(topic, (self.calls + 1).to_string()).with_qos(qos);
        if let Ok(publication) = self.rig.engine.publish(message, self.rig.now) {
            self.calls += 1;
            let told = Told { number: self.calls, qos, ..Told::default() };
            if let Some(before) = self.told.insert(publication, told) {
                assert!(!before.is_accepted, "the name of {before:?} was given away");
                self.never_stored.push(before.number);
            }
        }
        self.rig.settle();
    }

    fn commit(&mut self) {
        if let Some(answer) = self.rig.store.commit_next() {
            self.rig.input(answer);
        }
    }

    fn answer(&mut self) {
        if let Some(packet) = self.broker.to_client.pop_front() {
            self.rig.broker(packet);
        }
    }

    fn cut(&mut self) {
        self.broker.cut();
        self.rig.lose();
        self.rig.sent();
        if self.rig.engine.state_name() == "Backoff" {
            self.rig.wait_for_dial();
        }
    }

    /// The broker loses the session, and the client comes to know it. A loss that it never hears of, because the link
    /// is cut or the client is killed before that is stored, cannot be told from a session that was kept.
    fn lose_session(&mut self) {
        self.cut();
        self.broker.lose_session();
        for _ in 0..50 {
            self.look();
            self.broker.work(self.version);
            self.answer();
            self.commit();
            self.rig.advance(Duration::from_millis(200));
        }
    }

    /// Notes what the client sent and told.
    fn look(&mut self) {
        self.broker.to_broker.extend(self.rig.sent());
        for event in self.rig.events() {
            match event {
                Event::PublishAccepted(publication) => self.told_of(publication).is_accepted = true,
                Event::PublishEnded { publication, outcome } => {
                    let told = self.told_of(publication);
                    told.is_in_doubt |= matches!(outcome, Outcome::Indeterminate { .. });
                    told.is_refused |= matches!(outcome, Outcome::StoreFailed { .. });
                    assert!(
                        told.is_accepted || told.is_refused,
                        "{publication:?} ended with {outcome:?} before it was accepted"
                    );
                }
                Event::Disconnected(cause) => {
                    let is_ours = matches!(*cause, bowline_proto::client::DisconnectCause::Protocol(_));
                    assert!(!is_ours, "{cause}");
                }
                _ => {}
            }
        }
    }

    fn told_of(&mut self, publication: PublicationId) -> &mut Told {
        self.told.get_mut(&publication).expect("only what was published is told of")
    }

    /// Everything works from now on, until nothing is left to do.
    fn finish(mut self) -> Self {
        self.rig.store.commit = Commit::AtOnce;
        for _ in 0..100 {
            self.rig.commit();
            for _ in 0..20 {
                self.look();
                self.broker.work(self.version);
                self.answer();
            }
            self.rig.advance(Duration::from_secs(1));
            self.look();
        }
        self
    }

    fn check(&self, seed: u64) {
        let version = self.version;
        assert_eq!(self.rig.engine.in_flight(), 0, "{version} seed {seed}");
        assert_eq!(self.rig.engine.queued(), (0, 0), "{version} seed {seed}");
        assert!(
            self.broker.arrived.iter().all(|number| !self.never_stored.contains(number)),
            "{version} seed {seed}"
        );
        for (publication, told) in &self.told {
            let arrived = self.broker.arrived.iter().filter(|one| **one == told.number).count();
            let is_right = match (told.qos, told.is_accepted, told.is_in_doubt) {
                (_, false, _) if told.is_refused => arrived == 0,
                (QoS::ExactlyOnce, true, false) => arrived == 1,
                (QoS::ExactlyOnce, ..) => arrived <= 1,
                (_, true, _) => arrived >= 1,
                (_, false, _) => true,
            };
            assert!(is_right, "{version} seed {seed}: {publication:?}, {told:?}, arrived {arrived} times");
        }
        let mut seen = BTreeSet::new();
        let first_arrivals: Vec<u64> =
            self.broker.arrived.iter().copied().filter(|number| seen.insert(*number)).collect();
        assert!(first_arrivals.is_sorted(), "{version} seed {seed}: {first_arrivals:?}");
    }
}

fn explore(versions: &[Version], may_lose_sessions: bool, seeds: std::ops::Range<u64>) {
    for &version in versions {
        for seed in seeds.clone() {
            let mut dice = Jitter::new(seed);
            let mut world = World::new(version, may_lose_sessions);
            for _ in 0..300 {
                world = world.step(&mut dice);
            }
            world.finish().check(seed);
        }
    }
}

// [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.3.3-1 of 3.1.1] [MQTT-4.4.0-1 of 3.1.1]
#[test]
fn kills_cuts_and_store_failures_lose_nothing_and_double_no_qos_2_message() {
    explore(&Version::ALL, false, 0..200);
}

// [MQTT-3.2.2-5] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn lost_sessions_put_sent_qos_2_messages_in_doubt_and_lose_and_double_nothing_else() {
    // A 3.1 broker cannot say that it has lost the session.
    explore(&[Version::V3_1_1, Version::V5], true, 1_000..1_200);
}
