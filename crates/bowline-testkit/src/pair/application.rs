//! The client's side of a run: the driver of its engine, its store, and the application that publishes and takes.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use bowline_proto::client::{
    ClientConfig, ClientEngine, Delivery, DisconnectCause, Event, InboundLimits, Input, Outcome, Output,
    Qos0Limits, SessionPolicy,
};
use bowline_proto::packet::Subscription;
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::routing::StreamId;
use bowline_proto::session::{Batch, DeliveryId, PublicationId};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, QoS, ReasonCode, Text, Timestamp};

use crate::client_rig::WALL_START;
use crate::link::Arrival;
use crate::packets::{filter, topic};
use crate::pair::Pair;
use crate::pair::broker::number_of;
use crate::pair::checker::End;
use crate::pair::scenario::{CrashPoint, Direction, Scenario};
use crate::pair::tasks::Task;
use crate::store::{Commit, TestStore};

/// The client and what belongs to it.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) engine: ClientEngine,
    config: ClientConfig,
    pub(super) store: TestStore,
    /// The connection that the client has, or dials.
    pub(super) transport: Option<usize>,
    pub(super) until: Option<Timestamp>,
    /// Counts the starts of the client.
    pub(super) life: u64,
    /// Which message a publication is.
    numbers: BTreeMap<PublicationId, u64>,
    /// Which echo a message in the application's hands is.
    in_hand: BTreeMap<DeliveryId, u64>,
    pub(super) fails_next_dial: bool,
}

impl Application {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let config = config(scenario);
        let commit = if scenario.pause_max.is_zero() { Commit::AtOnce } else { Commit::OnDemand };
        let store = TestStore::new(commit);
        let engine = start(&config, &store, scenario.seed, Timestamp::ZERO);
        Self {
            engine,
            config,
            store,
            transport: None,
            until: None,
            life: 1,
            numbers: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            fails_next_dial: false,
        }
    }
}

fn config(scenario: &Scenario) -> ClientConfig {
    let client_id = Text::from_static("c").expect("a legal client identifier");
    let mut config = ClientConfig::new(scenario.version, client_id);
    let (expiry_secs, adopt) = (EXPIRY_NEVER, true);
    config.session = if scenario.is_durable {
        SessionPolicy::Durable { expiry_secs, adopt }
    } else {
        SessionPolicy::InMemory { expiry_secs, adopt }
    };
    config.inbound = InboundLimits::default();
    // Before 5.0 nothing tells the broker, and the bound would close connections.
    if config.version.rules().has_properties && NonZeroU16::new(scenario.client_receive_maximum).is_some() {
        config.inbound.messages_max = scenario.client_receive_maximum;
    }
    config
}

fn start(config: &ClientConfig, store: &TestStore, seed: u64, now: Timestamp) -> ClientEngine {
    let recovered = store.recover(config.queue.memory_bytes_max);
    let wall = WALL_START + now.saturating_since(Timestamp::ZERO);
    ClientEngine::resume(config.clone(), recovered, seed, now, wall).expect("a legal configuration")
}

impl Pair {
    /// Subscribes and connects.
    pub(super) fn begin(&mut self) {
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let subscriptions = vec![Subscription { filter: filter("t/#"), options }];
        let asked = self.client.engine.subscribe(subscriptions, Qos0Limits::default(), Vec::new());
        asked.expect("a legal subscription");
        self.client.engine.connect(self.now);
    }

    /// The client stops as if its power failed, and starts again from what its store has committed. A client without a
    /// store keeps its memory and only loses the connection.
    pub(super) fn crash(&mut self) {
        if let Some(connection) = self.client.transport {
            self.cut(connection);
        }
        if !self.scenario.is_durable {
            return;
        }
        self.note(|| "client: crashes".to_owned());
        self.scenario.crash = None;
        let in_hand = std::mem::take(&mut self.client.in_hand);
        self.checker.client_crashed(in_hand.into_values());
        let client = &mut self.client;
        client.life += 1;
        client.transport = None;
        let store = std::mem::take(&mut client.store);
        client.store = store.after_crash();
        let seed = self.random.next();
        client.engine = start(&client.config, &client.store, seed, self.now);
        self.begin();
    }

    /// Lets the client do one thing; whether there was one.
    pub(super) fn client_step(&mut self) -> bool {
        match self.client.engine.poll_output(self.now) {
            Output::Dial { .. } => self.on_dial(),
            Output::Transmit(buffer) => self.on_client_transmit(buffer),
            Output::Persist(batch) => self.on_persist(batch),
            Output::Load { after, bytes_max } => {
                let answer = self.client.store.read(after, bytes_max);
                self.client.engine.handle_input(answer, self.now);
            }
            Output::Event(event) => self.on_client_event(event),
            Output::Close => self.on_client_close(),
            Output::Sleep { until } => {
                self.client.until = until;
                return self.client_read();
            }
        }
        true
    }

    /// Takes a packet that has arrived; whether there was one.
    fn client_read(&mut self) -> bool {
        let Some(connection) = self.client.transport else { return false };
        let Some(one) = self.connections.get_mut(&connection) else { return false };
        if self.client.engine.is_reading_paused() {
            return false;
        }
        let input = match one.from_server.next_packet() {
            Ok(Some(packet)) => {
                self.by_client.on_answer(&packet);
                Input::Packet(packet)
            }
            Err(error) => Input::Malformed(error),
            Ok(None) => match one.to_client.poll(self.now) {
                Some(Arrival::Bytes(bytes)) => {
                    one.from_server.feed(&bytes);
                    return true;
                }
                Some(Arrival::End) => Input::Closed,
                Some(Arrival::Cut) => {
                    self.cut(connection);
                    return true;
                }
                None => return false,
            },
        };
        self.client.engine.handle_input(input, self.now);
        true
    }

    fn on_dial(&mut self) {
        let connection = self.open_connection();
        self.client.transport = Some(connection);
        let at = self.pause();
        let fails = std::mem::take(&mut self.client.fails_next_dial);
        self.note(|| format!("client: dials {connection}{}", if fails { ", in vain" } else { "" }));
        let task = if fails { Task::DialFailed { connection } } else { Task::Opened { connection } };
        self.schedule(at, task);
    }

    fn on_client_transmit(&mut self, buffer: bowline_proto::codec::Outgoing) {
        let connection = self.client.transport.expect("only a connected client writes");
        if let Some(one) = self.connections.get_mut(&connection) {
            for packet in one.send(Direction::ToServer, &buffer, self.now) {
                self.note(|| format!("client {connection}: sends {}", brief(&packet)));
                let complaint = self.by_client.on_sent(&packet);
                self.judge(complaint.map_or(Ok(()), |what| Err(format!("the client sent {what}"))));
            }
        }
        let at = self.pause();
        self.schedule(at, Task::ClientWritten { connection, buffer });
    }

    fn on_client_close(&mut self) {
        let Some(connection) = self.client.transport.take() else { return };
        self.note(|| format!("client {connection}: closes"));
        if let Some(one) = self.connections.get_mut(&connection) {
            one.to_server.end(self.now);
        }
    }

    fn on_persist(&mut self, batch: Batch) {
        let number = self.client.store.batches() + 1;
        self.note(|| format!("client: batch {number}, {} entries", batch.entries.len()));
        if self.scenario.crash == Some(CrashPoint::Before(number)) {
            return self.crash();
        }
        match self.client.store.persist(batch) {
            Some(_) if self.scenario.crash == Some(CrashPoint::After(number)) => self.crash(),
            Some(answer) => self.client.engine.handle_input(answer, self.now),
            None => {
                let (at, life) = (self.pause(), self.client.life);
                self.schedule(at, Task::Commit { life });
            }
        }
    }

    fn on_client_event(&mut self, event: Event) {
        match event {
            Event::Message(delivery) => self.on_delivery(delivery),
            Event::PublishAccepted(publication) => {
                if let Some(&number) = self.client.numbers.get(&publication) {
                    self.checker.accepted(number);
                }
            }
            Event::PublishEnded { publication, outcome } => self.on_publish_ended(publication, &outcome),
            Event::AcknowledgementStored(delivery) => {
                if let Some(number) = self.client.in_hand.remove(&delivery) {
                    self.note(|| format!("client: the acknowledgement of echo {number} is stored"));
                    self.checker.stored(number);
                }
            }
            Event::Disconnected(cause) => {
                self.note(|| format!("client: disconnected, {cause}"));
                if let DisconnectCause::Protocol(error) = *cause {
                    self.judge(Err(format!("the client closed for an error of the server: {error}")));
                }
            }
            Event::Connected(connected) => {
                self.note(|| format!("client: connected, session present {:?}", connected.session_present));
                self.broker.is_heard_of = true;
            }
            Event::StreamEnded { reason, .. } => self.judge(Err(format!("the stream ended: {reason:?}"))),
            // A CONNECT of an earlier connection can arrive late and take the session over, which stops the client.
            Event::Stopped => {
                self.note(|| "client: stopped, is told to connect again".to_owned());
                self.client.engine.connect(self.now);
            }
            other => self.note(|| format!("client: {other:?}")),
        }
    }

    fn on_delivery(&mut self, delivery: Delivery) {
        let number = number_of(&delivery.message);
        self.note(|| format!("client: gets echo {number} for {:?}", delivery.delivery));
        let verdict = self.checker.at_client(number);
        self.judge(verdict);
        let streams: Vec<StreamId> = delivery.streams.iter().collect();
        for stream in streams {
            match delivery.delivery {
                Some(delivery) => {
                    self.client.in_hand.insert(delivery, number);
                    let (at, life) = (self.pause(), self.client.life);
                    self.schedule(at, Task::Take { life, delivery, stream });
                }
                None => self.client.engine.take_qos0(stream),
            }
        }
    }

    /// The application has finished with a message.
    pub(super) fn take(&mut self, delivery: DeliveryId, stream: StreamId) {
        // A message of a lost session has no acknowledgement, which is no error.
        let taken = self.client.engine.take(delivery, stream, ReasonCode::Success);
        self.note(|| format!("client: takes {delivery:?}, {taken:?}"));
    }

    /// The application publishes the next message.
    pub(super) fn publish(&mut self, qos: QoS) {
        // In a durable session it is accepted when it is stored.
        let is_accepted = !self.scenario.is_durable || qos == QoS::AtMostOnce;
        let number = self.checker.publish(qos, is_accepted);
        let padding = self.random.below(self.scenario.payload_bytes_max + 1);
        let payload = format!("{number}:{}", "-".repeat(padding as usize));
        let message = Message::new(topic("t/x"), payload).with_qos(qos);
        let publication = self.client.engine.publish(message, self.now).expect("the queue has room");
        self.client.numbers.insert(publication, number);
        self.note(|| format!("client: publishes message {number} of QoS {qos} as {}", publication.as_u64()));
    }

    fn on_publish_ended(&mut self, publication: PublicationId, outcome: &Outcome) {
        let number = self.client.numbers[&publication];
        self.note(|| format!("client: message {number} ended, {outcome:?}"));
        let verdict = match outcome {
            Outcome::Acknowledged { downgraded: false, .. } => self.checker.ended(number, End::Acknowledged),
            Outcome::Indeterminate { .. } | Outcome::Poison { .. } => {
                self.checker.ended(number, End::Indeterminate)
            }
            other => Err(format!("message {number} ended as {other:?}")),
        };
        self.judge(verdict);
    }

    /// Whether the client has nothing to do.
    pub(super) fn client_is_settled(&self) -> bool {
        let engine = &self.client.engine;
        engine.state_name() == "Active" && engine.in_flight() == 0 && engine.queued().0 == 0
    }
}

/// A packet in few words.
pub(super) fn brief(packet: &bowline_proto::packet::Packet) -> String {
    use bowline_proto::packet::Packet;
    match packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id.map_or(0, |id| id.as_u16());
            let dup = if publish.dup { " again" } else { "" };
            format!("PUBLISH {id} of QoS {}{dup}", publish.qos)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{} {}", packet.packet_type(), ack.packet_id)
        }
        other => other.packet_type().to_string(),
    }
}
