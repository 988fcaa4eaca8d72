//! The server engine under arbitrary packets, bytes, commands and times, over several connections of one session.

use std::collections::BTreeSet;

use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::{Connect, Packet};
use bowline_proto::server::{
    ServerConfig, ServerEngine, ServerEvent, ServerInput, ServerOutput, ServerSession,
};
use bowline_proto::session::{DeliveryId, PublicationId, QueueLimits};
use bowline_proto::{PacketId, Timestamp, Version};

use crate::script::Script;
use crate::watch::Watch;

/// Drives a server engine: no panic, no endless asking, and what comes out is legal.
pub fn server_engine(input: &[u8]) {
    let mut script = Script::new(input);
    let mut bench = Bench::new(&mut script);
    while !script.is_over() {
        bench.act(&mut script);
        bench.settle();
    }
    bench.finish();
}

/// An engine may ask for no more than this after one input.
const OUTPUTS_MAX: usize = 10_000;
/// What may wait to be written: the engine's own bound and one packet more.
const TRANSMIT_BYTES_MAX: usize = 5 * 1024 * 1024;

struct Bench {
    config: ServerConfig,
    engine: ServerEngine,
    version: Version,
    now: Timestamp,
    from_client: Decoder,
    to_client: Decoder,
    unwritten: Option<Outgoing>,
    writes: bool,
    parked: Option<ServerSession>,
    asked: Option<Box<Connect>>,
    deliveries: Vec<DeliveryId>,
    requests: Vec<(PacketId, usize)>,
    /// Publications that have not ended.
    alive: BTreeSet<PublicationId>,
    watch: Watch,
    ends: usize,
    closes: usize,
    /// What is sent is not looked at: it may be a refusal in the shape of an unknown version.
    is_blind: bool,
}

impl Bench {
    fn new(script: &mut Script<'_>) -> Self {
        let version = script.version();
        let mut config = ServerConfig::new();
        config.receive_maximum = script.pick(&[100, 1, 2, 3]);
        config.in_flight_max = script.pick(&[100, 1, 2]);
        config.inbound_bytes_max = script.pick(&[1_000_000, 1, 10]);
        config.packet_bytes_max = script.pick(&[1_000_000, 64, 100]);
        config.topic_alias_maximum = script.pick(&[16, 0, 3]);
        let now = Timestamp::from_secs(1);
        Self {
            engine: ServerEngine::new(config.clone(), now).expect("legal settings"),
            from_client: Decoder::for_server(config.packet_bytes_max),
            to_client: Decoder::for_client(version, u32::MAX),
            config,
            version,
            now,
            unwritten: None,
            writes: true,
            parked: None,
            asked: None,
            deliveries: Vec::new(),
            requests: Vec::new(),
            alive: BTreeSet::new(),
            watch: Watch::new(usize::MAX),
            ends: 0,
            closes: 0,
            is_blind: false,
        }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 24 {
            0 => {
                self.from_client.feed(script.raw());
                self.read();
            }
            1 => {
                let connect = script.connect(self.version);
                self.packet(Packet::Connect(Box::new(connect)));
            }
            2 | 3 => self.accept(script),
            4 => {
                let (reason, grants) = (script.reason(), script.grants(self.version));
                let _ = self.engine.refuse(reason, grants, self.now);
            }
            5..=7 => self.packet(script.publish(self.version)),
            8..=10 => self.packet(script.acknowledgement(self.version)),
            11 => self.packet(script.subscribe(self.version)),
            12 => self.packet(script.unsubscribe()),
            13 => self.packet(Packet::PingReq),
            14 => {
                let disconnect = script.disconnect(self.version);
                self.packet(Packet::Disconnect(Box::new(disconnect)));
            }
            15 => self.now = self.now + script.duration(),
            16 => self.write(script.coin()),
            17 => self.engine.handle_input(
                if script.coin() { ServerInput::Closed } else { ServerInput::TransportFailed },
                self.now,
            ),
            18 | 19 => self.publish(script),
            20 => {
                let known = usize::from(script.byte()) % (self.deliveries.len() + 1);
                if let Some(&delivery) = self.deliveries.get(known) {
                    let _ = self.engine.acknowledge(delivery, script.reason());
                }
            }
            21 => self.answer(script),
            22 => {
                let _ = self.engine.disconnect(&script.disconnect(self.version), self.now);
            }
            _ => self.connect_again(script),
        }
    }

    /// A packet arrives, also while reading is paused: the engine must survive a driver that does not mind.
    fn packet(&mut self, packet: Packet) {
        self.watch.on_answer(&packet);
        self.engine.handle_input(ServerInput::Packet(packet), self.now);
    }

    fn read(&mut self) {
        while !self.engine.is_reading_paused() {
            match self.from_client.next_packet() {
                Ok(Some(packet)) => {
                    if let Packet::Connect(connect) = &packet {
                        self.version = connect.version;
                        self.to_client = Decoder::for_client(self.version, u32::MAX);
                    }
                    self.packet(packet);
                    self.settle();
                }
                Ok(None) => return,
                Err(error) => {
                    self.is_blind = true;
                    return self.engine.handle_input(ServerInput::Malformed(error), self.now);
                }
            }
        }
    }

    fn accept(&mut self, script: &mut Script<'_>) {
        let grants = script.grants(self.version);
        let kept = self.parked.is_some() && script.coin();
        let (session, session_present) = match self.parked.take().filter(|_| kept) {
            Some(session) => (session, true),
            None => (ServerSession::new(QueueLimits::default()), script.byte() == 0xFF),
        };
        match self.engine.accept(session, session_present, grants, self.now) {
            Ok(()) => {
                if !kept {
                    self.alive.clear();
                }
                let maximum = self.asked.as_ref().and_then(|asked| asked.properties.receive_maximum);
                self.watch = Watch::new(maximum.map_or(usize::MAX, |maximum| maximum.get().into()));
            }
            Err(error) => self.parked = kept.then_some(error.session),
        }
    }

    fn publish(&mut self, script: &mut Script<'_>) {
        let message = script.message();
        let ids = script.subscription_id().into_iter().collect();
        let published = match &mut self.parked {
            Some(parked) if self.engine.session().is_none() => parked.publish(message, ids, self.now),
            _ => self.engine.publish(message, ids, self.now),
        };
        if let Ok(publication) = published {
            assert!(self.alive.insert(publication), "a publication's name came twice");
        }
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let known = usize::from(script.byte()) % (self.requests.len() + 1);
        let (packet_id, filters) = self.requests.get(known).copied().unwrap_or((script.packet_id(), 1));
        let mut reasons = script.reasons();
        if script.coin() {
            reasons.resize(filters, bowline_proto::ReasonCode::Success);
        }
        let _ = if script.coin() {
            self.engine.subscribe_result(packet_id, reasons, Default::default())
        } else {
            self.engine.unsubscribe_result(packet_id, reasons, Default::default())
        };
    }

    fn connect_again(&mut self, script: &mut Script<'_>) {
        if let Some(session) = self.engine.take_session() {
            self.parked = Some(session);
        }
        if self.engine.session().is_some() {
            return;
        }
        self.version = script.version();
        self.engine = ServerEngine::new(self.config.clone(), self.now).expect("legal settings");
        self.from_client = Decoder::for_server(self.config.packet_bytes_max);
        self.to_client = Decoder::for_client(self.version, u32::MAX);
        (self.unwritten, self.asked) = (None, None);
        (self.ends, self.closes, self.is_blind) = (0, 0, false);
        self.requests.clear();
    }

    fn write(&mut self, writes: bool) {
        self.writes = writes;
        if let Some(buffer) = self.unwritten.take_if(|_| writes) {
            self.engine.handle_input(ServerInput::Transmitted(buffer), self.now);
        }
    }

    fn settle(&mut self) {
        for _ in 0..OUTPUTS_MAX {
            match self.engine.poll_output(self.now) {
                ServerOutput::Transmit(buffer) => self.on_transmit(buffer),
                ServerOutput::Event(event) => self.on_event(event),
                ServerOutput::Close => {
                    self.closes += 1;
                    assert!(self.closes == 1, "closed twice");
                    self.unwritten = None;
                }
                ServerOutput::Sleep { until } => {
                    assert!(
                        until.is_none_or(|until| until > self.now),
                        "it asks to be called at once, for ever"
                    );
                    return;
                }
            }
        }
        panic!("the engine asks without end in state {}", self.engine.state_name());
    }

    fn on_transmit(&mut self, buffer: Outgoing) {
        assert!(self.closes == 0, "something is written after the close");
        assert!(self.unwritten.is_none(), "two buffers are written at once");
        assert!(!buffer.is_empty() && buffer.len() <= TRANSMIT_BYTES_MAX, "{} bytes", buffer.len());
        if !self.is_blind {
            self.to_client.feed(&buffer.to_vec());
            while let Some(packet) = self.to_client.next_packet().expect("the server sends legal packets") {
                self.watch.on_sent(&packet);
            }
        }
        if self.writes {
            self.engine.handle_input(ServerInput::Transmitted(buffer), self.now);
        } else {
            self.unwritten = Some(buffer);
        }
    }

    fn on_event(&mut self, event: ServerEvent) {
        assert!(self.ends == 0, "{event:?} after the end");
        match event {
            ServerEvent::ConnectReceived(connect) => self.asked = Some(connect),
            ServerEvent::Message(received) => self.deliveries.extend(received.delivery),
            ServerEvent::Subscribe(one) => self.requests.push((one.packet_id, one.subscriptions.len())),
            ServerEvent::Unsubscribe(one) => self.requests.push((one.packet_id, one.filters.len())),
            ServerEvent::PublishEnded { publication, .. } => {
                assert!(self.alive.remove(&publication), "{publication:?} ended twice");
            }
            ServerEvent::Disconnected(_) => self.ends += 1,
            other => panic!("{other:?} is new"),
        }
    }

    /// Whatever happened, a lost transport ends it.
    fn finish(mut self) {
        self.engine.handle_input(ServerInput::Closed, self.now);
        self.settle();
        assert!(self.engine.is_ended() && self.ends == 1, "{}", self.engine.state_name());
        assert!(self.closes == 1, "the transport is left open");
        assert!(matches!(self.engine.poll_output(self.now), ServerOutput::Sleep { until: None }));
    }
}
