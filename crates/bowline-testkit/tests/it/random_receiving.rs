//! A broker that keeps the rules and a link that does not last, at random: nothing is lost, nothing at QoS 2 comes twice,
//! and acknowledgements leave in their order.

use std::collections::{BTreeMap, VecDeque};

use bowline_proto::client::{ClientConfig, SessionPolicy};
use bowline_proto::packet::{Ack, Packet, Publish};
use bowline_proto::routing::StreamId;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{packet_id, publish};
use bowline_testkit::subscriber::{clean, durable, kept};

/// Most messages of the broker on their way at once.
const WINDOW: usize = 8;

/// What the broker keeps of a message.
#[derive(Clone, Debug)]
struct Flow {
    id: u16,
    publish: Publish,
    is_released: bool,
}

struct World {
    rig: ClientRig,
    stream: StreamId,
    seed: u64,
    /// Whether the session outlives a connection.
    is_lasting: bool,
    /// In the order of sending.
    flows: VecDeque<Flow>,
    /// Identifiers whose acknowledgement is to come, per QoS, in the order of sending on this connection.
    owed: [VecDeque<u16>; 2],
    next_id: u16,
    sent: u32,
    untaken: Vec<DeliveryId>,
    deliveries: BTreeMap<u32, (QoS, usize)>,
}

impl World {
    fn new(config: ClientConfig, seed: u64) -> Self {
        let is_lasting = config.session != SessionPolicy::Clean;
        let mut rig = ClientRig::new(config);
        rig.dial();
        while rig.engine.state_name() != "Active" {
            rig.broker(connack(rig.version(), false, ReasonCode::Success, Default::default()));
        }
        rig.sent();
        let stream = rig.subscribed("in/#", QoS::ExactlyOnce);
        Self {
            rig,
            stream,
            seed,
            is_lasting,
            flows: VecDeque::new(),
            owed: [VecDeque::new(), VecDeque::new()],
            next_id: 1,
            sent: 0,
            untaken: Vec::new(),
            deliveries: BTreeMap::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn step(&mut self) {
        match self.random(20) {
            0..8 => self.broker_publishes(),
            8..15 => self.application_takes(),
            15..19 => self.broker_reads(),
            _ => self.link_breaks(),
        }
        self.application_receives();
        assert_eq!(self.rig.engine.state_name(), "Active", "{:?}", self.rig.events());
    }

    fn broker_publishes(&mut self) {
        if self.flows.len() == WINDOW {
            return;
        }
        // Identifiers are used again as soon as they are free.
        while self.flows.iter().any(|flow| flow.id == self.next_id) {
            self.next_id = self.next_id % (WINDOW as u16 + 2) + 1;
        }
        let qos = if self.random(2) == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        self.sent += 1;
        let mut publish = publish("in/a", "", qos, self.next_id);
        publish.payload = self.sent.to_be_bytes().to_vec().into();
        let flow = Flow { id: self.next_id, publish, is_released: false };
        self.transmit(&flow);
        self.flows.push_back(flow);
    }

    fn transmit(&mut self, flow: &Flow) {
        self.owed[flow.publish.qos as usize - 1].push_back(flow.id);
        self.rig.broker(Packet::Publish(flow.publish.clone()));
    }

    fn application_receives(&mut self) {
        for delivery in self.rig.deliveries() {
            let payload: [u8; 4] = delivery.message.payload[..].try_into().expect("four bytes");
            let count =
                self.deliveries.entry(u32::from_be_bytes(payload)).or_insert((delivery.message.qos, 0));
            count.1 += 1;
            self.untaken.extend(delivery.delivery);
        }
    }

    fn application_takes(&mut self) {
        if self.untaken.is_empty() {
            return;
        }
        let index = self.random(self.untaken.len() as u64) as usize;
        let message = self.untaken.swap_remove(index);
        // Stale if the session was lost.
        let _ = self.rig.take(message, self.stream);
    }

    fn broker_reads(&mut self) {
        for packet in self.rig.sent() {
            match packet {
                Packet::PubAck(ack) => self.on_answer(QoS::AtLeastOnce, &ack),
                Packet::PubRec(ack) => self.on_answer(QoS::ExactlyOnce, &ack),
                Packet::PubComp(ack) => self.flows.retain(|flow| flow.id != ack.packet_id.as_u16()),
                Packet::Subscribe(_) | Packet::Connect(_) => {}
                other => panic!("the client sent {other:?}"),
            }
        }
    }

    /// The answer is to the oldest message that was sent on this connection.
    fn on_answer(&mut self, qos: QoS, ack: &Ack) {
        let id = ack.packet_id.as_u16();
        assert_eq!(self.owed[qos as usize - 1].pop_front(), Some(id), "in the order of arrival");
        let position = self.flows.iter().position(|flow| flow.id == id).expect("it is on its way");
        assert_eq!(self.flows[position].publish.qos, qos);
        if qos == QoS::AtLeastOnce {
            self.flows.remove(position);
        } else {
            self.flows[position].is_released = true;
            self.rig.broker(Packet::PubRel(Ack::success(packet_id(id))));
        }
    }

    /// What the client sent and the broker did not read is lost.
    fn link_breaks(&mut self) {
        self.application_receives();
        self.rig.lose();
        if self.random(2) == 0 {
            self.application_takes();
        }
        self.rig.wait_for_dial();
        self.rig.sent();
        self.owed = [VecDeque::new(), VecDeque::new()];
        let is_kept = self.keeps_session();
        let version = self.rig.version();
        self.rig.broker(connack(version, is_kept, ReasonCode::Success, Default::default()));
        self.rig.grant_all();
        if is_kept {
            self.broker_resumes();
        } else {
            self.flows.clear();
        }
    }

    fn keeps_session(&mut self) -> bool {
        // 3.1 cannot say that a session is lost, so its broker does not lose one.
        let can_lose = self.rig.version().rules().has_session_present;
        self.is_lasting && !(can_lose && self.random(4) == 0)
    }

    fn broker_resumes(&mut self) {
        for mut flow in self.flows.clone() {
            if flow.is_released {
                self.rig.broker(Packet::PubRel(Ack::success(packet_id(flow.id))));
            } else {
                flow.publish.dup = true;
                self.transmit(&flow);
            }
        }
    }
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1] [MQTT-4.3.2-2 of 3.1.1]
#[test]
fn whatever_the_link_does_qos_2_arrives_once_and_qos_1_at_least_once() {
    for version in Version::ALL {
        for (config, seed) in (0..60)
            .flat_map(|seed| [clean(version), kept(version), durable(version)].map(|config| (config, seed)))
        {
            let mut world = World::new(config, seed);
            for _ in 0..300 {
                world.step();
            }
            while !(world.untaken.is_empty() && world.flows.is_empty()) {
                world.application_takes();
                world.broker_reads();
                world.application_receives();
            }
            assert_eq!(world.deliveries.len(), world.sent as usize, "seed {seed}: none is lost");
            for (number, (qos, count)) in &world.deliveries {
                assert!(*count == 1 || *qos == QoS::AtLeastOnce, "seed {seed}: {number} came {count} times");
            }
        }
    }
}
