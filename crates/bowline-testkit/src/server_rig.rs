//! A server engine on a bench: the test plays the client packet by packet and the broker command by command, over real
//! bytes and virtual time.

use std::time::Duration;

use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{ConnAckProperties, Connect, ConnectProperties, Packet};
use bowline_proto::server::{
    Disconnected, PublishOutcome, Received, ServerConfig, ServerEngine, ServerEvent, ServerInput,
    ServerOutput, ServerSession,
};
use bowline_proto::session::{DeliveryId, PublicationId, QueueLimits};
use bowline_proto::types::{Message, SubscriptionIds, Text};
use bowline_proto::{ReasonCode, Role, Timestamp, Version};

/// A server engine with a scripted client at the one end and a scripted broker at the other.
///
/// Every call that gives the engine something also does everything that the engine asks for: packets that it sends are
/// decoded and kept for [`ServerRig::sent`], events for [`ServerRig::events`].
#[derive(Debug)]
pub struct ServerRig {
    /// The engine under test.
    pub engine: ServerEngine,
    /// The current time.
    pub now: Timestamp,
    /// Whether buffers are written (and given back) at once. Default true; while false, they pile up in the driver.
    pub writes: bool,
    config: ServerConfig,
    from_client: Decoder,
    /// What the client reads with; unlimited, so that the test sees what a limit should have stopped.
    to_client: Decoder,
    encoder: Encoder,
    unwritten: Option<Outgoing>,
    sent: Vec<Packet>,
    sent_bytes: Vec<u8>,
    events: Vec<ServerEvent>,
    closes: usize,
    until: Option<Timestamp>,
}

impl ServerRig {
    /// A rig around a new connection whose client speaks this version.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn new(config: ServerConfig, version: Version) -> Self {
        Self::at(config, version, Timestamp::ZERO)
    }

    fn at(config: ServerConfig, version: Version, now: Timestamp) -> Self {
        let engine = ServerEngine::new(config.clone(), now).expect("a legal configuration");
        let mut rig = Self {
            engine,
            now,
            writes: true,
            from_client: Decoder::for_server(config.packet_bytes_max),
            to_client: Decoder::for_client(version, u32::MAX),
            encoder: Encoder::new(version, Role::Client, u32::MAX),
            config,
            unwritten: None,
            sent: Vec::new(),
            sent_bytes: Vec::new(),
            events: Vec::new(),
            closes: 0,
            until: None,
        };
        rig.settle();
        rig
    }

    /// A connected rig with a new session that is kept, and that has forgotten how it got there.
    pub fn connected(version: Version) -> Self {
        Self::connected_with(ServerConfig::new(), connect(version), ConnAckProperties::default())
    }

    /// The same for this client and this broker.
    ///
    /// # Panics
    /// If the client is not accepted.
    pub fn connected_with(config: ServerConfig, connect: Connect, grants: ConnAckProperties) -> Self {
        let mut rig = Self::new(config, connect.version);
        rig.client(Packet::Connect(Box::new(connect)));
        rig.accept(new_session(), false, grants);
        rig.sent();
        rig.events();
        rig
    }

    /// The broker accepts the client.
    ///
    /// # Panics
    /// If the engine does not let it.
    pub fn accept(&mut self, session: ServerSession, session_present: bool, grants: ConnAckProperties) {
        self.engine
            .accept(session, session_present, grants, self.now)
            .expect("the test's broker accepts legally");
        self.settle();
    }

    /// Loses the connection if it is there, and makes another one that resumes the session. Keeps the packets and
    /// events since the last look.
    ///
    /// # Panics
    /// If there is no session to resume.
    #[must_use]
    pub fn reconnected(self) -> Self {
        let version = self.encoder.version();
        self.reconnected_with(Connect { clean_start: false, ..connect(version) })
    }

    /// The same with this CONNECT.
    ///
    /// # Panics
    /// If there is no session to resume.
    #[must_use]
    pub fn reconnected_with(mut self, connect: Connect) -> Self {
        self.lose();
        let session = self.engine.take_session().expect("a session to resume");
        let mut next = Self::at(self.config, connect.version, self.now);
        next.client(Packet::Connect(Box::new(connect)));
        next.accept(session, true, ConnAckProperties::default());
        next.sent.remove(0);
        next.events.remove(0);
        next
    }

    /// The client sends a packet. It goes over bytes, so that the codec is between.
    ///
    /// # Panics
    /// If the packet cannot be encoded.
    pub fn client(&mut self, packet: Packet) {
        let mut out = Outgoing::new();
        self.encoder.packet(&mut out, &packet).expect("the test's packet is legal");
        self.client_bytes(&out.to_vec());
    }

    /// The client sends bytes.
    pub fn client_bytes(&mut self, bytes: &[u8]) {
        self.from_client.feed(bytes);
        self.settle();
    }

    /// Something else happens.
    pub fn input(&mut self, input: ServerInput) {
        self.engine.handle_input(input, self.now);
        self.settle();
    }

    /// The client closes the stream without a word.
    pub fn lose(&mut self) {
        self.input(ServerInput::Closed);
    }

    /// The broker sends a message.
    ///
    /// # Panics
    /// If it is not accepted.
    pub fn publish(&mut self, message: Message) -> PublicationId {
        let publication = self.engine.publish(message, SubscriptionIds::new(), self.now);
        let publication = publication.expect("the test's message is accepted");
        self.settle();
        publication
    }

    /// The broker has finished with a message.
    ///
    /// # Panics
    /// If no acknowledgement is due.
    pub fn acknowledge(&mut self, delivery: DeliveryId, reason: ReasonCode) {
        self.engine.acknowledge(delivery, reason).expect("an acknowledgement is due");
        self.settle();
    }

    /// Lets time pass, stopping at every point the engine asked to be called at.
    ///
    /// # Panics
    /// If the engine asks to be called and then does nothing.
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

    /// The buffers that the driver held back are written.
    pub fn write_out(&mut self) {
        self.writes = true;
        if let Some(buffer) = self.unwritten.take() {
            self.input(ServerInput::Transmitted(buffer));
        }
        self.settle();
    }

    /// What the server sent since the last call.
    pub fn sent(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.sent)
    }

    /// Every byte that the server sent since the last call.
    pub fn sent_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent_bytes)
    }

    /// What the engine told the broker since the last call.
    pub fn events(&mut self) -> Vec<ServerEvent> {
        std::mem::take(&mut self.events)
    }

    /// The messages among the events since the last call; other events are dropped.
    pub fn received(&mut self) -> Vec<Received> {
        let message = |event| if let ServerEvent::Message(received) = event { Some(received) } else { None };
        self.events().into_iter().filter_map(message).collect()
    }

    /// The outcomes among the events since the last call; other events are dropped.
    pub fn outcomes(&mut self) -> Vec<(PublicationId, PublishOutcome)> {
        let ended = |event| match event {
            ServerEvent::PublishEnded { publication, outcome } => Some((publication, *outcome)),
            _ => None,
        };
        self.events().into_iter().filter_map(ended).collect()
    }

    /// How the connection ended, among the events since the last call; other events are dropped.
    ///
    /// # Panics
    /// If it did not end, or ended twice.
    pub fn ended(&mut self) -> Disconnected {
        let events = self.events();
        let ended = |event| match event {
            ServerEvent::Disconnected(disconnected) => Some(*disconnected),
            _ => None,
        };
        let mut ends: Vec<Disconnected> = events.into_iter().filter_map(ended).collect();
        assert_eq!(ends.len(), 1, "the connection ended {ends:?}");
        ends.remove(0)
    }

    /// How often the server closed the transport.
    pub fn closes(&self) -> usize {
        self.closes
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.encoder.version()
    }

    /// When the engine wants to be called at the latest.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Does all that the engine asks for and passes on what the client sent, as far as reading is not paused.
    ///
    /// # Panics
    /// If the engine asks without end.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            match self.engine.poll_output(self.now) {
                ServerOutput::Transmit(buffer) => self.on_transmit(buffer),
                ServerOutput::Event(event) => self.events.push(event),
                ServerOutput::Close => {
                    self.closes += 1;
                    self.unwritten = None;
                }
                ServerOutput::Sleep { until } => {
                    self.until = until;
                    if !self.read() {
                        return;
                    }
                }
            }
        }
        panic!("the engine does not come to rest in state {}", self.engine.state_name());
    }

    /// Passes on one packet, if reading is not paused and there is one.
    fn read(&mut self) -> bool {
        if self.engine.is_reading_paused() || self.closes > 0 {
            return false;
        }
        let input = match self.from_client.next_packet() {
            Ok(Some(packet)) => ServerInput::Packet(packet),
            Ok(None) => return false,
            Err(_) if self.engine.is_ended() || self.engine.state_name() == "Closing" => return false,
            Err(error) => ServerInput::Malformed(error),
        };
        self.engine.handle_input(input, self.now);
        true
    }

    fn on_transmit(&mut self, buffer: Outgoing) {
        let bytes = buffer.to_vec();
        self.to_client.feed(&bytes);
        self.sent_bytes.extend(bytes);
        while let Some(packet) = self.to_client.next_packet().expect("the server sends legal packets") {
            self.sent.push(packet);
        }
        if self.writes {
            self.engine.handle_input(ServerInput::Transmitted(buffer), self.now);
        } else {
            self.unwritten = Some(buffer);
        }
    }
}

/// A CONNECT of a client "c" that starts clean where the version can say that it keeps its session all the same, with a
/// keep alive of 60 s.
///
/// # Panics
/// Never: "c" is a legal text.
pub fn connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: Text::from_static("c").expect("a legal text"),
        clean_start: version.rules().can_clean_start_then_keep,
        keep_alive_secs: 60,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties {
            session_expiry_secs: Some(EXPIRY_NEVER),
            ..ConnectProperties::default()
        },
    }
}

/// A session with nothing in it and the default limits.
pub fn new_session() -> ServerSession {
    ServerSession::new(QueueLimits::default())
}
