//! The client engine under arbitrary packets, bytes, store answers, commands and times, over several lives of one store.

use std::collections::BTreeSet;
use std::convert::Infallible;

use bowline_proto::client::{
    ClientConfig, ClientEngine, Event, Input, Output, Qos0Full, Qos0Limits, SessionPolicy, UNROUTED,
};
use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{ConnAck, Packet};
use bowline_proto::routing::StreamId;
use bowline_proto::session::{Batch, DeliveryId, PublicationId, StoredSession};
use bowline_proto::{QoS, ReasonCode, Text, Timestamp, Version};

use crate::script::Script;
use crate::watch::Watch;

/// Drives a client engine: no panic, no endless asking, and what comes out is legal.
pub fn client_engine(input: &[u8]) {
    let mut script = Script::new(input);
    let mut bench = Bench::new(&mut script);
    while !script.is_over() {
        bench.act(&mut script);
        bench.settle();
    }
    for event in bench.engine.end() {
        if let Event::PublishEnded { publication, .. } = event {
            assert!(bench.alive.remove(&publication), "{publication:?} ended twice");
        }
    }
}

/// An engine may ask for no more than this after one input.
const OUTPUTS_MAX: usize = 10_000;
/// What may wait to be written: the engine's own bound and one packet more.
const TRANSMIT_BYTES_MAX: usize = 5 * 1024 * 1024;
/// The wall clock when the engine's clock shows zero.
const WALL: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Bench {
    config: ClientConfig,
    engine: ClientEngine,
    version: Version,
    now: Timestamp,
    store: StoredSession,
    /// A batch that is with the store.
    batch: Option<Batch>,
    /// A read that is with the store.
    load: Option<(PublicationId, usize)>,
    to_client: Decoder,
    from_client: Decoder,
    transport: Transport,
    unwritten: Option<Outgoing>,
    writes: bool,
    deliveries: Vec<DeliveryId>,
    streams: Vec<StreamId>,
    /// Publications that have not ended.
    alive: BTreeSet<PublicationId>,
    watch: Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    None,
    Dialled,
    Open,
}

impl Bench {
    fn new(script: &mut Script<'_>) -> Self {
        let version = script.version();
        let mut config = ClientConfig::new(version, Text::from_static("c").expect("a legal text"));
        let (expiry_secs, adopt) = (EXPIRY_NEVER, script.coin());
        config.session = script.pick(&[
            SessionPolicy::Durable { expiry_secs, adopt },
            SessionPolicy::InMemory { expiry_secs, adopt },
            SessionPolicy::Clean,
        ]);
        config.in_flight_max = script.pick(&[100, 1, 2]);
        config.inbound.messages_max = script.pick(&[100, 1, 2, 3]);
        config.inbound.bytes_max = script.pick(&[1_000_000, 1, 10]);
        config.queue.memory_bytes_max = script.pick(&[1_000_000, 1, 10]);
        config.queue.messages_max = script.pick(&[100, 1, 2]);
        config.packet_bytes_max = script.pick(&[1_000_000, 256]);
        let (now, store) = (Timestamp::from_secs(1), StoredSession::default());
        let engine = start(&config, &store, now);
        Self {
            engine,
            version,
            now,
            store,
            batch: None,
            load: None,
            to_client: Decoder::for_client(version, config.packet_bytes_max),
            from_client: Decoder::for_server(u32::MAX),
            config,
            transport: Transport::None,
            unwritten: None,
            writes: true,
            deliveries: Vec::new(),
            streams: vec![UNROUTED],
            alive: BTreeSet::new(),
            watch: Watch::new(usize::MAX),
        }
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.byte() % 28 {
            0 => self.bytes(script.raw()),
            1 => self.engine.connect(self.now),
            2 => self.opened(script.byte() != 0xFF),
            3 | 4 => self.connack(script),
            5..=7 => self.packet(script.publish(self.version)),
            8..=10 => self.packet(script.acknowledgement(self.version)),
            11 => self.packet(script.suback()),
            12 => self.packet(script.unsuback()),
            13 => self.packet(if script.coin() { Packet::PingResp } else { Packet::PingReq }),
            14 => {
                let disconnect = script.disconnect(self.version);
                self.packet(Packet::Disconnect(Box::new(disconnect)));
            }
            15 => self.now = self.now + script.duration(),
            16 => self.write(script.coin()),
            17 => self.lose(if script.coin() { Input::Closed } else { Input::TransportFailed }),
            18 => self.publish(script),
            19 => self.publish_keyed(script),
            20 => {
                let name = PublicationId::new(u64::from(script.byte()));
                self.engine.cancel(name);
            }
            21 => {
                let limits = Qos0Limits::new(
                    script.pick(&[1, 0, 100]),
                    script.pick(&[Qos0Full::Pause, Qos0Full::DropNewest]),
                );
                let asked = self.engine.subscribe(script.subscriptions(), limits, Vec::new());
                self.streams.extend(asked.map(|(_, stream)| stream));
            }
            22 => {
                let filters = (0..script.byte() % 3).map(|_| script.filter()).collect();
                let _ = self.engine.unsubscribe(filters, Vec::new());
            }
            23 | 24 => self.take(script),
            25 => self.stream(script),
            26 => self.answer_of_store(script),
            _ => match script.byte() % 3 {
                0 => self.crash(),
                1 => self.engine.abort(self.now),
                _ => _ = self.engine.disconnect(script.disconnect(self.version), self.now),
            },
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.transport != Transport::Open {
            return;
        }
        self.to_client.feed(bytes);
        while self.transport == Transport::Open && !self.engine.is_reading_paused() {
            match self.to_client.next_packet() {
                Ok(Some(packet)) => self.packet(packet),
                Ok(None) => return,
                Err(error) => return self.engine.handle_input(Input::Malformed(error), self.now),
            }
            self.settle();
        }
    }

    fn opened(&mut self, succeeds: bool) {
        if self.transport != Transport::Dialled {
            return;
        }
        self.transport = if succeeds { Transport::Open } else { Transport::None };
        let input = if succeeds { Input::Connected } else { Input::DialFailed };
        self.engine.handle_input(input, self.now);
    }

    fn connack(&mut self, script: &mut Script<'_>) {
        let session_present = self.version.rules().has_session_present.then(|| script.coin());
        let reason = script.pick(&[ReasonCode::Success, ReasonCode::Success, ReasonCode::ServerBusy]);
        let properties = script.grants(self.version);
        self.packet(Packet::ConnAck(Box::new(ConnAck { session_present, reason, properties })));
    }

    /// A packet arrives, also while reading is paused: the engine must survive a driver that does not mind.
    fn packet(&mut self, packet: Packet) {
        if self.transport != Transport::Open {
            return;
        }
        self.watch.on_answer(&packet);
        // A second CONNACK announces nothing: the engine closes, after what it had encoded.
        if let Packet::ConnAck(connack) = &packet
            && self.engine.state_name() == "AwaitConnack"
        {
            let maximum = connack.properties.receive_maximum;
            self.watch = Watch::new(maximum.map_or(usize::MAX, |maximum| maximum.get().into()));
        }
        self.engine.handle_input(Input::Packet(packet), self.now);
    }

    fn publish(&mut self, script: &mut Script<'_>) {
        let Ok(publication) = self.engine.publish(script.message(), self.now) else { return };
        assert!(self.alive.insert(publication), "a publication's name came twice");
    }

    fn publish_keyed(&mut self, script: &mut Script<'_>) {
        let message = script.message();
        let key = Text::from_static(script.pick(&["k", "l", "m"])).expect("a legal string");
        let Ok(publication) = self.engine.publish_keyed(message, key, self.now) else { return };
        assert!(self.alive.insert(publication), "a publication's name came twice");
    }

    fn take(&mut self, script: &mut Script<'_>) {
        let (delivery, stream) = (usize::from(script.byte()), usize::from(script.byte()));
        let stream = self.streams[stream % self.streams.len()];
        match self.deliveries.get(delivery % (self.deliveries.len() + 1)) {
            Some(&delivery) if script.byte() < 0x20 => self.engine.hand_over(delivery, stream),
            Some(&delivery) => _ = self.engine.take(delivery, stream, script.reason()),
            None => self.engine.take_qos0(stream),
        }
    }

    fn stream(&mut self, script: &mut Script<'_>) {
        if script.coin() {
            return self.engine.open_unrouted(Qos0Limits::new(script.pick(&[1, 0, 100]), Qos0Full::Pause));
        }
        let stream = self.streams[usize::from(script.byte()) % self.streams.len()];
        let untaken = if script.coin() { &self.deliveries[..] } else { &[] };
        self.engine.close_stream(stream, untaken);
    }

    fn answer_of_store(&mut self, script: &mut Script<'_>) {
        let answers = script.byte() != 0xFF;
        if let Some(batch) = self.batch.take() {
            if answers {
                let known = batch.known_keys(|key| Ok::<_, Infallible>(self.store.outcome(key.as_str())));
                let known = known.expect("it can always be asked");
                batch.without(&known).iter().for_each(|entry| self.store.apply(entry));
                self.engine.handle_input(Input::Persisted { last: batch.last, known }, self.now);
            } else {
                self.engine.handle_input(Input::PersistFailed, self.now);
            }
        } else if let Some((after, bytes_max)) = self.load.take() {
            let answer =
                if answers { Input::Loaded(self.store.load(after, bytes_max)) } else { Input::LoadFailed };
            self.engine.handle_input(answer, self.now);
        }
    }

    /// The process ends and starts again from what the store has committed.
    fn crash(&mut self) {
        if !matches!(self.config.session, SessionPolicy::Durable { .. }) {
            return;
        }
        self.engine = start(&self.config, &self.store, self.now);
        (self.batch, self.load, self.unwritten) = (None, None, None);
        self.transport = Transport::None;
        self.deliveries.clear();
        self.streams.truncate(1);
        let recovered = self.store.recover(usize::MAX);
        let all = recovered.flows.iter().chain(&recovered.queue);
        self.alive = all.map(|stored| stored.publication).collect();
    }

    fn lose(&mut self, input: Input) {
        if self.transport == Transport::Open {
            self.engine.handle_input(input, self.now);
        }
    }

    fn write(&mut self, writes: bool) {
        self.writes = writes;
        if let Some(buffer) = self.unwritten.take_if(|_| writes) {
            self.engine.handle_input(Input::Transmitted(buffer), self.now);
        }
    }

    fn settle(&mut self) {
        for _ in 0..OUTPUTS_MAX {
            match self.engine.poll_output(self.now) {
                Output::Dial { version, packet_bytes_max } => self.on_dial(version, packet_bytes_max),
                Output::Transmit(buffer) => self.on_transmit(buffer),
                Output::Persist(batch) => {
                    assert!(self.batch.replace(batch).is_none(), "two batches are with the store");
                }
                Output::Load { after, bytes_max } => {
                    assert!(self.load.replace((after, bytes_max)).is_none(), "two reads are with the store");
                }
                Output::Event(event) => self.on_event(event),
                Output::Close => {
                    self.transport = Transport::None;
                    self.unwritten = None;
                }
                Output::Sleep { until } => {
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

    fn on_dial(&mut self, version: Version, packet_bytes_max: u32) {
        assert!(self.transport == Transport::None, "dials with a transport");
        self.transport = Transport::Dialled;
        self.to_client = Decoder::for_client(version, packet_bytes_max);
        self.from_client = Decoder::for_server(u32::MAX);
    }

    fn on_transmit(&mut self, buffer: Outgoing) {
        assert!(self.transport == Transport::Open, "writes without a transport");
        assert!(self.unwritten.is_none(), "two buffers are written at once");
        assert!(!buffer.is_empty() && buffer.len() <= TRANSMIT_BYTES_MAX, "{} bytes", buffer.len());
        self.from_client.feed(&buffer.to_vec());
        while let Some(packet) = self.from_client.next_packet().expect("the client sends legal packets") {
            self.watch.on_sent(&packet);
        }
        if self.writes {
            self.engine.handle_input(Input::Transmitted(buffer), self.now);
        } else {
            self.unwritten = Some(buffer);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(delivery) => {
                assert!(delivery.delivery.is_some() || delivery.message.qos == QoS::AtMostOnce);
                self.deliveries.extend(delivery.delivery);
            }
            Event::PublishEnded { publication, .. } => {
                assert!(self.alive.remove(&publication), "{publication:?} ended twice");
            }
            _ => {}
        }
    }
}

fn start(config: &ClientConfig, store: &StoredSession, now: Timestamp) -> ClientEngine {
    let recovered = store.recover(config.queue.memory_bytes_max);
    let wall = WALL + now.saturating_since(Timestamp::ZERO);
    ClientEngine::resume(config.clone(), recovered, 7, now, wall).expect("legal settings")
}
