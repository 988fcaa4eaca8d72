//! A client engine on a bench: the test plays the broker packet by packet, over real bytes and virtual time.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, ClientEngine, Delivery, Event, Input, Outcome, Output};
use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::{ConnAck, ConnAckProperties, Packet};
use bowline_proto::session::{PublicationId, Recovered};
use bowline_proto::{ReasonCode, Role, Timestamp, Version};

use crate::store::{Commit, TestStore};

/// The wall clock at the start of every rig: an arbitrary point well after the epoch.
pub const WALL_START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A client engine with a scripted broker at the other end.
///
/// Every call that gives the engine something also does everything that the engine asks for: packets that it sends are
/// decoded and kept for [`ClientRig::sent`], events for [`ClientRig::events`].
#[derive(Debug)]
pub struct ClientRig {
    /// The engine under test.
    pub engine: ClientEngine,
    /// The store of a durable session.
    pub store: TestStore,
    /// The current time.
    pub now: Timestamp,
    /// Whether a dial is answered with success at once. Default true.
    pub answers_dials: bool,
    /// Whether buffers are written (and given back) at once. Default true; while false, they pile up in the driver.
    pub writes: bool,
    config: ClientConfig,
    version: Version,
    from_client: Decoder,
    to_client: Decoder,
    encoder: Encoder,
    unwritten: Option<Outgoing>,
    sent: Vec<Packet>,
    events: Vec<Event>,
    dials: usize,
    closes: usize,
    until: Option<Timestamp>,
}

impl ClientRig {
    /// A rig around a new client.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn new(config: ClientConfig) -> Self {
        Self::resume(config, TestStore::default(), Timestamp::ZERO)
    }

    /// A rig around a client that starts from what a store holds, at a time.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn resume(config: ClientConfig, store: TestStore, now: Timestamp) -> Self {
        Self::resume_at(config, store, now, WALL_START + now.saturating_since(Timestamp::ZERO))
    }

    /// The same, with a wall clock of its own.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn resume_at(config: ClientConfig, store: TestStore, now: Timestamp, wall: Timestamp) -> Self {
        let recovered: Recovered = store.recover(config.queue.memory_bytes_max);
        let engine =
            ClientEngine::resume(config.clone(), recovered, 7, now, wall).expect("a legal configuration");
        let version = config.version;
        Self {
            engine,
            store,
            now,
            answers_dials: true,
            writes: true,
            version,
            from_client: Decoder::for_server(u32::MAX),
            to_client: Decoder::for_client(version, config.packet_bytes_max),
            encoder: Encoder::new(version, Role::Server, u32::MAX),
            config,
            unwritten: None,
            sent: Vec::new(),
            events: Vec::new(),
            dials: 0,
            closes: 0,
            until: None,
        }
    }

    /// Kills the client and starts it again from what the store has committed.
    #[must_use]
    pub fn crash(self) -> Self {
        Self::resume(self.config, self.store.after_crash(), self.now)
    }

    /// Starts to connect; the broker answers nothing yet.
    pub fn dial(&mut self) {
        self.engine.connect(self.now);
        self.settle();
    }

    /// Connects, with a plain CONNACK that says whether the session is present.
    ///
    /// # Panics
    /// If the client is not connected afterwards.
    pub fn connect(&mut self, session_present: bool) {
        self.connect_with(session_present, ConnAckProperties::default());
    }

    /// Connects, with these CONNACK properties.
    ///
    /// # Panics
    /// If the client is not connected afterwards.
    pub fn connect_with(&mut self, session_present: bool, properties: ConnAckProperties) {
        self.dial();
        self.broker(connack(self.version, session_present, ReasonCode::Success, properties));
        assert_eq!(self.engine.state_name(), "Active", "events: {:?}", self.events);
    }

    /// A connected rig that has forgotten how it got there.
    pub fn connected(config: ClientConfig) -> Self {
        let mut rig = Self::new(config);
        rig.connect(false);
        rig.sent();
        rig.events();
        rig
    }

    /// The broker sends a packet. It goes over bytes, so that the codec is between.
    ///
    /// # Panics
    /// If the packet cannot be encoded.
    pub fn broker(&mut self, packet: Packet) {
        let mut out = Outgoing::new();
        self.encoder.packet(&mut out, &packet).expect("the test's packet is legal");
        self.broker_bytes(&out.to_vec());
    }

    /// The broker sends bytes.
    pub fn broker_bytes(&mut self, bytes: &[u8]) {
        self.to_client.feed(bytes);
        self.engine.handle_input(Input::BytesReceived, self.now);
        loop {
            match self.to_client.next_packet() {
                Ok(Some(packet)) => self.engine.handle_input(Input::Packet(packet), self.now),
                Ok(None) => break,
                Err(error) => {
                    self.engine.handle_input(Input::Malformed(error), self.now);
                    break;
                }
            }
            self.settle();
        }
        self.settle();
    }

    /// Something else happens.
    pub fn input(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        self.settle();
    }

    /// The link fails.
    pub fn lose(&mut self) {
        self.input(Input::TransportFailed);
    }

    /// The broker closes the stream without a word.
    pub fn close(&mut self) {
        self.input(Input::Closed);
    }

    /// Loses the connection, waits for the next attempt and connects again.
    pub fn reconnect(&mut self, session_present: bool) {
        self.reconnect_with(session_present, ConnAckProperties::default());
    }

    /// Loses the connection, waits for the next attempt and connects again, with these CONNACK properties.
    ///
    /// # Panics
    /// If the client is not connected afterwards.
    pub fn reconnect_with(&mut self, session_present: bool, properties: ConnAckProperties) {
        self.lose();
        self.wait_for_dial();
        self.broker(connack(self.version, session_present, ReasonCode::Success, properties));
        assert_eq!(self.engine.state_name(), "Active", "events: {:?}", self.events);
    }

    /// The broker answers CONNECT with a refusal.
    pub fn refuse_connect(&mut self, reason: ReasonCode) {
        self.broker(connack(self.version, false, reason, ConnAckProperties::default()));
    }

    /// Lets time pass until the client dials again.
    ///
    /// # Panics
    /// If it does not within an hour.
    pub fn wait_for_dial(&mut self) {
        let (dials, end) = (self.dials, self.now + Duration::from_secs(3_600));
        while self.dials == dials {
            let until = self.until.filter(|until| *until <= end).expect("the client dials again");
            self.now = self.now.max(until);
            self.settle();
        }
    }

    /// Lets time pass, stopping at every point the engine asked to be called at.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(until) = self.until.filter(|until| *until <= end) {
            let before = (self.now, self.until);
            self.now = self.now.max(until);
            self.settle();
            assert_ne!(before, (self.now, self.until), "a deadline in the past must do something");
        }
        self.now = end;
        self.settle();
    }

    /// Commits everything that waits at the store, batch by batch.
    pub fn commit(&mut self) {
        while let Some(input) = self.store.commit_next() {
            self.input(input);
        }
    }

    /// The buffers that the driver held back are written.
    pub fn write_out(&mut self) {
        self.writes = true;
        if let Some(buffer) = self.unwritten.take() {
            self.input(Input::Transmitted(buffer));
        }
        self.settle();
    }

    /// The buffer that the driver held back is written, and it holds back the next one.
    pub fn write_one(&mut self) {
        if let Some(buffer) = self.unwritten.take() {
            self.input(Input::Transmitted(buffer));
        }
    }

    /// What the client sent since the last call.
    pub fn sent(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.sent)
    }

    /// What the engine told the application since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The messages among the events since the last call; other events are dropped.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| if let Event::Message(delivery) = event { Some(delivery) } else { None })
            .collect()
    }

    /// The outcomes among the events since the last call; other events are dropped.
    pub fn outcomes(&mut self) -> Vec<(PublicationId, Outcome)> {
        let events = self.events().into_iter();
        let ended = |event| match event {
            Event::PublishEnded { publication, outcome } => Some((publication, outcome)),
            _ => None,
        };
        events.filter_map(ended).collect()
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How often the client dialled.
    pub fn dials(&self) -> usize {
        self.dials
    }

    /// How often the client closed the transport.
    pub fn closes(&self) -> usize {
        self.closes
    }

    /// When the engine wants to be called at the latest.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Does all that the engine asks for, after a command that the test gave it directly.
    ///
    /// # Panics
    /// If the engine asks without end.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            match self.engine.poll_output(self.now) {
                Output::Dial { version, packet_bytes_max } => self.on_dial(version, packet_bytes_max),
                Output::Transmit(buffer) => self.on_transmit(buffer),
                Output::Persist(batch) => {
                    if let Some(answer) = self.store.persist(batch) {
                        self.engine.handle_input(answer, self.now);
                    }
                }
                Output::Load { after, bytes_max } => {
                    let answer = self.store.read(after, bytes_max);
                    self.engine.handle_input(answer, self.now);
                }
                Output::Event(event) => self.events.push(event),
                Output::Close => {
                    self.closes += 1;
                    self.unwritten = None;
                }
                Output::Sleep { until } => {
                    self.until = until;
                    return;
                }
            }
        }
        panic!("the engine does not come to rest in state {}", self.engine.state_name());
    }

    fn on_dial(&mut self, version: Version, packet_bytes_max: u32) {
        self.dials += 1;
        self.version = version;
        self.from_client = Decoder::for_server(u32::MAX);
        self.to_client = Decoder::for_client(version, packet_bytes_max);
        self.encoder = Encoder::new(version, Role::Server, u32::MAX);
        if self.answers_dials {
            self.engine.handle_input(Input::Connected, self.now);
        }
    }

    fn on_transmit(&mut self, buffer: Outgoing) {
        self.from_client.feed(&buffer.to_vec());
        while let Some(packet) = self.from_client.next_packet().expect("the client sends legal packets") {
            self.sent.push(packet);
        }
        if self.writes {
            self.engine.handle_input(Input::Transmitted(buffer), self.now);
        } else {
            self.unwritten = Some(buffer);
        }
    }
}

/// A CONNACK of this version.
pub fn connack(
    version: Version,
    session_present: bool,
    reason: ReasonCode,
    properties: ConnAckProperties,
) -> Packet {
    let session_present = version.rules().has_session_present.then_some(session_present);
    Packet::ConnAck(Box::new(ConnAck { session_present, reason, properties }))
}

/// Stores that commit when the test says so.
pub fn on_demand() -> TestStore {
    TestStore::new(Commit::OnDemand)
}
