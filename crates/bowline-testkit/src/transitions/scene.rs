//! A client engine brought into a state, with something going on that every input can meet.

use bowline_proto::client::{
    ClientConfig, ClientEngine, Event, Input, Output, Qos0Limits, Reconnect, VersionFallback,
};
use bowline_proto::codec::Decoder;
use bowline_proto::packet::{Ack, Disconnect, Packet, Subscription};
use bowline_proto::routing::StreamId;
use bowline_proto::session::{DeliveryId, PublicationId};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, PacketId, QoS, ReasonCode, Timestamp, Version};

use crate::client_rig::connack;
use crate::packets::{filter, qos1, qos2, topic};
use crate::subscriber::{granted, kept};

/// A state of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the engine has exactly these")]
#[expect(missing_docs, reason = "the engine's own names")]
pub enum State {
    Stopped,
    Dialing,
    AwaitConnack,
    Active,
    Closing,
    Backoff,
}

/// All states.
pub const STATES: [State; 6] =
    [State::Stopped, State::Dialing, State::AwaitConnack, State::Active, State::Closing, State::Backoff];

/// An engine in a state.
#[derive(Debug)]
pub struct Scene {
    pub(crate) engine: ClientEngine,
    pub(crate) version: Version,
    pub(crate) now: Timestamp,
    pub(crate) until: Option<Timestamp>,
    /// A publication that waits to be sent, where there is no connection.
    pub(crate) queued: Option<PublicationId>,
    /// A message that was not taken.
    pub(crate) untaken: Option<DeliveryId>,
    pub(crate) stream: Option<StreamId>,
    /// Identifiers of our packets that wait for an answer.
    pub(crate) awaited: Awaited,
    sent: Decoder,
    writes: bool,
}

/// Identifiers of our packets, by what they wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    pub(crate) puback: PacketId,
    pub(crate) pubrec: PacketId,
    pub(crate) pubcomp: PacketId,
    pub(crate) suback: PacketId,
    pub(crate) unsuback: PacketId,
}

/// Most outputs in a row before the engine counts as looping.
const OUTPUTS_MAX: usize = 1_000;

impl State {
    /// Its name, as the engine says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Dialing => "Dialing",
            Self::AwaitConnack => "AwaitConnack",
            Self::Active => "Active",
            Self::Closing => "Closing",
            Self::Backoff => "Backoff",
        }
    }
}

impl Scene {
    /// An engine in this state.
    ///
    /// # Panics
    /// If the engine does not get there.
    pub fn new(version: Version, state: State) -> Self {
        Self::of(kept(version), state)
    }

    /// An engine in this state that prefers 5.0 and may fall back to 3.1.1.
    ///
    /// # Panics
    /// If the engine does not get there.
    pub fn with_fallback(state: State) -> Self {
        let mut config = kept(Version::V5);
        config.version_fallback = Some(VersionFallback::to(Version::V3_1_1));
        Self::of(config, state)
    }

    fn of(config: ClientConfig, state: State) -> Self {
        let mut scene = Self::stopped(config);
        match state {
            State::Stopped => scene.queue(),
            State::Dialing => {
                scene.queue();
                scene.engine.connect(scene.now);
            }
            State::Backoff => {
                scene.queue();
                scene.engine.connect(scene.now);
                scene.drain();
                scene.input(Input::DialFailed);
            }
            State::AwaitConnack => {
                scene.queue();
                scene.dial();
            }
            State::Active => scene.activate(),
            State::Closing => {
                scene.activate();
                scene.writes = false;
                let disconnect = Disconnect::new(ReasonCode::Success);
                scene.engine.disconnect(disconnect, scene.now).expect("a legal DISCONNECT");
            }
        }
        scene.drain();
        assert_eq!(scene.state_name(), state.name());
        scene
    }

    /// The name of the state it is in now.
    pub fn state_name(&self) -> &'static str {
        self.engine.state_name()
    }

    /// Takes all outputs until the engine sleeps and names them; `None` if it does not come to rest.
    ///
    /// # Panics
    /// If the engine sends something that is no packet.
    pub fn drain(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for _ in 0..OUTPUTS_MAX {
            match self.engine.poll_output(self.now) {
                Output::Sleep { until } => {
                    self.until = until;
                    return Some(names);
                }
                Output::Dial { .. } => {
                    self.sent = Decoder::for_server(u32::MAX);
                    names.push("Dial".to_owned());
                }
                Output::Close => names.push("Close".to_owned()),
                Output::Transmit(buffer) => {
                    self.sent.feed(&buffer.to_vec());
                    while let Some(packet) = self.sent.next_packet().expect("a legal packet") {
                        names.push(packet_name(&packet));
                    }
                    if self.writes {
                        self.engine.handle_input(Input::Transmitted(buffer), self.now);
                    }
                }
                Output::Event(event) => {
                    if let Event::Message(delivery) = &event {
                        self.untaken = self.untaken.or(delivery.delivery);
                    }
                    names.push(event_name(&event));
                }
                Output::Persist(_) => names.push("Persist".to_owned()),
                Output::Load { .. } => names.push("Load".to_owned()),
            }
        }
        None
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
    }

    fn stopped(config: ClientConfig) -> Self {
        let version = config.version;
        assert!(matches!(config.reconnect, Reconnect::After(_)));
        let now = Timestamp::from_secs(1);
        let engine = ClientEngine::new(config, 7, now, now).expect("a legal configuration");
        let first = crate::packets::packet_id(1);
        let awaited =
            Awaited { puback: first, pubrec: first, pubcomp: first, suback: first, unsuback: first };
        Self {
            engine,
            version,
            now,
            until: None,
            queued: None,
            untaken: None,
            stream: None,
            awaited,
            sent: Decoder::for_server(u32::MAX),
            writes: true,
        }
    }

    fn queue(&mut self) {
        self.queued = Some(self.publish(QoS::AtLeastOnce));
    }

    pub(crate) fn publish(&mut self, qos: QoS) -> PublicationId {
        let message = Message::new(topic("out"), "m").with_qos(qos);
        self.engine.publish(message, self.now).expect("a legal publication")
    }

    pub(crate) fn subscribe(&mut self, name: &'static str) -> StreamId {
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let subscription = Subscription { filter: filter(name), options };
        let asked = self.engine.subscribe(vec![subscription], Qos0Limits::default(), Vec::new());
        asked.expect("a legal subscription").1
    }

    fn dial(&mut self) {
        self.engine.connect(self.now);
        self.drain();
        self.input(Input::Connected);
    }

    /// Connects and has a flow of every kind in every phase.
    fn activate(&mut self) {
        self.dial();
        let accepted = connack(self.version, false, ReasonCode::Success, Default::default());
        self.input(Input::Packet(accepted));
        let stream = self.subscribe("in");
        for packet in self.packets() {
            if let Packet::Subscribe(subscribe) = packet {
                self.input(Input::Packet(granted(&subscribe)));
            }
        }
        self.input(Input::Packet(qos2("in", "recorded", 2)));
        self.drain();
        let recorded = self.untaken.take().expect("a message");
        self.engine.take(recorded, stream, ReasonCode::Success).expect("it is not taken yet");
        self.input(Input::Packet(qos1("in", "untaken", 1)));
        self.drain();
        self.awaited.puback = self.publication(QoS::AtLeastOnce);
        self.awaited.pubrec = self.publication(QoS::ExactlyOnce);
        self.awaited.pubcomp = self.publication(QoS::ExactlyOnce);
        self.input(Input::Packet(Packet::PubRec(Ack::success(self.awaited.pubcomp))));
        self.subscribe("more");
        self.engine.unsubscribe(vec![filter("old")], Vec::new()).expect("a legal request");
        for packet in self.packets() {
            match packet {
                Packet::Subscribe(subscribe) => self.awaited.suback = subscribe.packet_id,
                Packet::Unsubscribe(unsubscribe) => self.awaited.unsuback = unsubscribe.packet_id,
                _ => {}
            }
        }
        self.stream = Some(stream);
    }

    /// Publishes; the packet identifier.
    fn publication(&mut self, qos: QoS) -> PacketId {
        self.publish(qos);
        let id = |packet| if let Packet::Publish(publish) = packet { publish.packet_id } else { None };
        self.packets().into_iter().find_map(id).expect("a PUBLISH with an identifier")
    }

    /// Lets the engine work and returns what it sent.
    fn packets(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            match self.engine.poll_output(self.now) {
                Output::Transmit(buffer) => {
                    self.sent.feed(&buffer.to_vec());
                    while let Some(packet) = self.sent.next_packet().expect("a legal packet") {
                        packets.push(packet);
                    }
                    self.engine.handle_input(Input::Transmitted(buffer), self.now);
                }
                Output::Sleep { .. } => return packets,
                _ => {}
            }
        }
    }
}

/// The packet's name in capitals, and its reason code if it is not 0.
fn packet_name(packet: &Packet) -> String {
    let reason = match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => ack.reason,
        Packet::Disconnect(disconnect) => disconnect.reason,
        _ => ReasonCode::Success,
    };
    let name = packet.packet_type().to_string();
    if reason == ReasonCode::Success { name } else { format!("{name} 0x{:02X}", reason.as_u8()) }
}

/// The event's name without its content.
fn event_name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
