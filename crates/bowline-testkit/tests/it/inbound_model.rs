//! A broker that keeps its word and reuses packet identifiers at once, an application that takes messages in any order,
//! and a link, a store and a process that fail at any time: acknowledgements keep their order, nothing is acknowledged
//! before it is taken, nothing is lost, and no QoS 2 message comes again once its acknowledgement is stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bowline_proto::backoff::Jitter;
use bowline_proto::client::{ClientConfig, Event, Qos0Limits};
use bowline_proto::packet::{Ack, Packet, Publish};
use bowline_proto::routing::StreamId;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::{QoS, SubscriptionIds, TopicName};
use bowline_proto::{Bytes, PacketId, Version};
use bowline_testkit::{ClientRig, Commit, packets};

use crate::script::{accepted, durable, kept};

const MESSAGES: u64 = 25;
const WINDOW: usize = 4;

/// A message that the broker has not been relieved of.
#[derive(Clone, Copy)]
struct Open {
    number: u64,
    id: PacketId,
    qos: QoS,
    /// PUBREC came.
    is_released: bool,
}

struct World {
    version: Version,
    rig: ClientRig,
    open: Vec<Open>,
    /// What was published on this connection and not answered, in order: QoS 1 and QoS 2.
    unanswered: [VecDeque<PacketId>; 2],
    to_client: VecDeque<Packet>,
    published: u64,
    streams: Vec<StreamId>,
    /// In the application's hands.
    untaken: Vec<(DeliveryId, StreamId, u64)>,
    numbers: BTreeMap<DeliveryId, u64>,
    /// How often each stream, by its place, got each message.
    copies: BTreeMap<(usize, u64), u32>,
    /// Taken by all, and in a durable session stored.
    settled: BTreeSet<u64>,
}

impl World {
    fn new(version: Version, config: ClientConfig) -> Self {
        let mut world = Self {
            version,
            rig: ClientRig::new(config),
            open: Vec::new(),
            unanswered: Default::default(),
            to_client: VecDeque::new(),
            published: 0,
            streams: Vec::new(),
            untaken: Vec::new(),
            numbers: BTreeMap::new(),
            copies: BTreeMap::new(),
            settled: BTreeSet::new(),
        };
        crate::script::connect_durably(&mut world.rig);
        world.open_streams();
        world
    }

    /// Two streams, one of which wants every second message only.
    fn open_streams(&mut self) {
        self.streams = ["t/#", "t/even"]
            .map(|text| self.rig.asks_for(&[text], QoS::ExactlyOnce, Qos0Limits::default()))
            .to_vec();
    }

    fn step(mut self, dice: &mut Jitter) -> Self {
        match dice.below(100) {
            0..20 => self.publish(if dice.below(2) == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }),
            20..50 => self.deliver(),
            50..75 => self.take(dice),
            75..90 => self.commit(),
            90..92 => {
                if let Some(answer) = self.rig.store.fail_next() {
                    self.rig.input(answer);
                }
            }
            92..94 => self.rig.advance(Duration::from_millis(200)),
            94..98 => self.cut(),
            _ if self.rig.store.batches() > 0 => self.crash(),
            _ => {}
        }
        self.look();
        self
    }

    fn publish(&mut self, qos: QoS) {
        if self.open.len() == WINDOW || self.published == MESSAGES || self.rig.engine.state_name() != "Active"
        {
            return;
        }
        self.published += 1;
        let is_free = |id: &PacketId| self.open.iter().all(|open| open.id != *id);
        let id = (1..).map(packets::packet_id).find(is_free).expect("the window is small");
        let open = Open { number: self.published, id, qos, is_released: false };
        self.open.push(open);
        self.send(open, false);
    }

    fn send(&mut self, open: Open, dup: bool) {
        if open.is_released {
            return self.to_client.push_back(Packet::PubRel(Ack::success(open.id)));
        }
        let topic = if open.number.is_multiple_of(2) { "t/even" } else { "t/odd" };
        self.to_client.push_back(Packet::Publish(Publish {
            dup,
            qos: open.qos,
            retain: false,
            packet_id: Some(open.id),
            topic: Some(TopicName::from_static(topic).expect("a legal topic")),
            topic_alias: None,
            subscription_ids: SubscriptionIds::new(),
            payload: Bytes::from(open.number.to_string()),
            properties: None,
        }));
        self.unanswered[usize::from(open.qos == QoS::ExactlyOnce)].push_back(open.id);
    }

    fn deliver(&mut self) {
        if !self.rig.engine.is_reading_paused()
            && let Some(packet) = self.to_client.pop_front()
        {
            self.rig.broker(packet);
        }
    }

    fn take(&mut self, dice: &mut Jitter) {
        if self.untaken.is_empty() {
            return;
        }
        let index = usize::try_from(dice.below(self.untaken.len() as u64)).expect("it is small");
        let (delivery, stream, number) = self.untaken.swap_remove(index);
        let _ = self.rig.take(delivery, stream);
        let is_last = self.untaken.iter().all(|(_, _, other)| *other != number);
        if is_last && self.rig.store.batches() == 0 {
            self.settled.insert(number);
        }
    }

    fn commit(&mut self) {
        if let Some(answer) = self.rig.store.commit_next() {
            self.rig.input(answer);
        }
    }

    fn cut(&mut self) {
        self.look();
        self.to_client.clear();
        self.unanswered = Default::default();
        self.rig.lose();
        if self.rig.engine.state_name() == "Backoff" {
            self.rig.wait_for_dial();
        }
    }

    /// The process dies: what the application had in its hands is gone, and comes again.
    fn crash(&mut self) {
        self.look();
        self.to_client.clear();
        self.unanswered = Default::default();
        self.untaken.clear();
        self.numbers.clear();
        let blank = ClientRig::new(kept(self.version));
        self.rig = core::mem::replace(&mut self.rig, blank).crash();
        self.open_streams();
        self.rig.dial();
    }

    /// Answers what the client sent, and notes what it told.
    fn look(&mut self) {
        for event in self.rig.events() {
            self.on_event(event);
        }
        for packet in self.rig.sent() {
            match packet {
                Packet::Connect(_) => {
                    self.to_client.push_back(accepted(self.version, true));
                    for open in self.open.clone() {
                        self.send(open, true);
                    }
                }
                Packet::Subscribe(one) => {
                    self.to_client.push_back(bowline_testkit::subscriber::granted(&one))
                }
                Packet::PubAck(ack) => self.on_answer(ack.packet_id, QoS::AtLeastOnce),
                Packet::PubRec(ack) => self.on_answer(ack.packet_id, QoS::ExactlyOnce),
                Packet::PubComp(ack) => {
                    self.open.retain(|open| open.id != ack.packet_id || !open.is_released)
                }
                _ => {}
            }
        }
    }

    fn on_answer(&mut self, id: PacketId, qos: QoS) {
        let turns = &mut self.unanswered[usize::from(qos == QoS::ExactlyOnce)];
        assert_eq!(turns.pop_front(), Some(id), "{qos} out of order, {turns:?} wait as well");
        let at = self.open.iter().position(|open| open.id == id && open.qos == qos).expect("it is open");
        let number = self.open[at].number;
        let is_taken = self.untaken.iter().all(|(_, _, other)| *other != number);
        assert!(is_taken && self.copies.contains_key(&(0, number)), "{number} is acknowledged and not taken");
        if qos == QoS::AtLeastOnce {
            self.open.remove(at);
        } else {
            assert!(self.settled.contains(&number), "PUBREC of {number} before it is stored");
            self.open[at].is_released = true;
            let released = self.open.remove(at);
            self.open.push(released);
            self.send(released, false);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => {
                let number = String::from_utf8_lossy(&message.message.payload).parse().expect("a number");
                let is_qos2 = message.message.qos == QoS::ExactlyOnce;
                assert!(!is_qos2 || !self.settled.contains(&number), "{number} comes twice");
                let delivery = message.delivery.expect("QoS 1 and 2 have a name");
                self.numbers.insert(delivery, number);
                for stream in message.streams.iter() {
                    let place = self.streams.iter().position(|one| *one == stream).expect("an open stream");
                    *self.copies.entry((place, number)).or_default() += 1;
                    self.untaken.push((delivery, stream, number));
                }
            }
            Event::AcknowledgementStored(delivery) => {
                self.settled.extend(self.numbers.get(&delivery));
            }
            Event::Disconnected(cause) => assert!(
                matches!(
                    *cause,
                    bowline_proto::client::DisconnectCause::TransportFailed
                        | bowline_proto::client::DisconnectCause::ClosedBeforeConnack
                ),
                "{cause}"
            ),
            _ => {}
        }
    }

    /// Everything works from now on, until nothing is left to do.
    fn finish(mut self, dice: &mut Jitter) -> Self {
        self.rig.store.commit = Commit::AtOnce;
        for _ in 0..60 {
            self.rig.commit();
            self.publish(QoS::ExactlyOnce);
            for _ in 0..8 {
                self.deliver();
                self.look();
                self.take(dice);
                self.look();
            }
            self.rig.advance(Duration::from_millis(500));
            self.look();
        }
        self
    }

    fn check(&self, seed: u64) {
        let version = self.version;
        assert_eq!(
            (self.open.len(), self.published),
            (0, MESSAGES),
            "{version} seed {seed}: the client owes"
        );
        for number in 1..=MESSAGES {
            let copies = |place| self.copies.get(&(place, number)).copied().unwrap_or(0);
            assert!(copies(0) >= 1, "{version} seed {seed}: {number} is lost");
            assert_eq!(
                copies(1) > 0,
                number.is_multiple_of(2),
                "{version} seed {seed}: {number} for the other stream"
            );
        }
    }
}

fn explore(config: impl Fn(Version) -> ClientConfig, is_durable: bool, seeds: std::ops::Range<u64>) {
    for version in Version::ALL {
        for seed in seeds.clone() {
            let mut config = config(version);
            config.keep_alive_secs = 0;
            config.inbound.messages_max = 8;
            let mut dice = Jitter::new(seed);
            let mut world = World::new(version, config);
            if is_durable {
                world.rig.store.commit = Commit::OnDemand;
            }
            for _ in 0..250 {
                world = world.step(&mut dice);
            }
            world.finish(&mut dice).check(seed);
        }
    }
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.6.0-3 of 3.1.1]
#[test]
fn a_kept_session_keeps_the_order_and_doubles_no_qos_2_message_over_any_cuts() {
    explore(kept, false, 0..150);
}

// [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-4.1.0-1] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_durable_session_doubles_no_stored_qos_2_message_over_any_cuts_and_kills() {
    explore(durable, true, 0..150);
}
