//! A broker core on a bench: the test plays every client packet by packet, over real bytes and virtual time. Owns no
//! protocol decision.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_broker::{BrokerConfig, BrokerCore, BrokerEvent, BrokerOutput, ConnectionId, Violation};
use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{
    Ack, Connect, ConnectProperties, Disconnect, Packet, Publish, Subscribe, Subscription, Unsubscribe,
};
use bowline_proto::types::{SubscriptionId, SubscriptionOptions, Text};
use bowline_proto::{QoS, Role, Timestamp, TopicFilter, Version};
use bowline_testkit::packets::packet_id;

/// A broker core with scripted clients.
pub(crate) struct Bench {
    pub(crate) core: BrokerCore,
    pub(crate) now: Timestamp,
    /// Whether clients acknowledge at once. Default true.
    pub(crate) answers: bool,
    pub(crate) events: Vec<BrokerEvent>,
    pub(crate) asked: Vec<(ConnectionId, Box<Connect>)>,
    peers: BTreeMap<ConnectionId, Peer>,
    until: Option<Timestamp>,
}

struct Peer {
    to_client: Decoder,
    encoder: Encoder,
    got: Vec<Packet>,
    /// Whether the transport was closed, and if so whether it was reset.
    closed: Option<bool>,
    reads: bool,
    unread: Option<Outgoing>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A bench whose broker differs from the default.
    pub(crate) fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let mut config = BrokerConfig::new();
        change(&mut config);
        Self {
            core: BrokerCore::new(config).expect("the test's configuration is legal"),
            now: Timestamp::from_secs(1),
            answers: true,
            events: Vec::new(),
            asked: Vec::new(),
            peers: BTreeMap::new(),
            until: None,
        }
    }

    /// Opens a transport whose client speaks this version, and says nothing yet.
    pub(crate) fn open(&mut self, version: Version) -> ConnectionId {
        let id = self.core.open(self.now).expect("the broker takes another connection");
        let peer = Peer {
            to_client: Decoder::for_client(version, u32::MAX),
            encoder: Encoder::new(version, Role::Client, u32::MAX),
            got: Vec::new(),
            closed: None,
            reads: true,
            unread: None,
        };
        self.peers.insert(id, peer);
        self.settle();
        id
    }

    /// Connects a client and returns its connection and whether its session was there. What comes after CONNACK can be
    /// looked at.
    pub(crate) fn connect_with(&mut self, connect: Connect) -> (ConnectionId, bool) {
        let id = self.open(connect.version);
        self.send(id, Packet::Connect(Box::new(connect)));
        let mut got = self.got(id);
        let first = (!got.is_empty()).then(|| got.remove(0));
        self.peer(id).got = got;
        match first {
            Some(Packet::ConnAck(connack)) if !connack.reason.is_failure() => {
                (id, connack.session_present.unwrap_or(false))
            }
            other => panic!("the client was not accepted: {other:?}"),
        }
    }

    /// Connects a client with a new session that ends with the connection.
    pub(crate) fn connect(&mut self, version: Version, client_id: &str) -> ConnectionId {
        self.connect_with(clean(version, client_id)).0
    }

    /// A client sends a packet. It goes over bytes, so that the codec is between.
    pub(crate) fn send(&mut self, id: ConnectionId, packet: Packet) {
        let mut out = Outgoing::new();
        self.peers[&id].encoder.packet(&mut out, &packet).expect("the test's packet is legal");
        self.send_bytes(id, &out.to_vec());
    }

    pub(crate) fn send_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.core.handle_bytes(id, bytes);
        self.settle();
    }

    /// A client subscribes and gets its SUBACK before anything else.
    pub(crate) fn subscribe(&mut self, id: ConnectionId, filter: &str, qos: QoS) {
        self.subscribe_with(id, filter, SubscriptionOptions::new(qos), None);
    }

    pub(crate) fn subscribe_with(
        &mut self,
        id: ConnectionId,
        filter: &str,
        options: SubscriptionOptions,
        subscription_id: Option<u32>,
    ) {
        self.send(id, subscribe(&[(filter, options)], subscription_id));
        let got = self.got(id);
        let Some(Packet::SubAck(suback)) = got.first() else { panic!("no SUBACK came first: {got:?}") };
        assert!(!suback.reasons[0].is_failure(), "{filter} was refused: {suback:?}");
        self.peer(id).got = got[1..].to_vec();
    }

    pub(crate) fn unsubscribe(&mut self, id: ConnectionId, filter: &str) {
        let filters = vec![TopicFilter::try_from(filter).expect("the test's filter is legal")];
        let packet_id = packet_id(60_001);
        self.send(
            id,
            Packet::Unsubscribe(Box::new(Unsubscribe { packet_id, filters, user_properties: vec![] })),
        );
    }

    /// The network loses a connection.
    pub(crate) fn lose(&mut self, id: ConnectionId) {
        self.core.handle_closed(id, self.now);
        self.settle();
    }

    pub(crate) fn disconnect(&mut self, id: ConnectionId) {
        self.send(id, Packet::Disconnect(Box::new(Disconnect::new(bowline_proto::ReasonCode::Success))));
        self.lose(id);
    }

    /// What a client got since the last call, without what it only answers.
    pub(crate) fn got(&mut self, id: ConnectionId) -> Vec<Packet> {
        std::mem::take(&mut self.peer(id).got)
    }

    /// The messages among what a client got since the last call.
    pub(crate) fn messages(&mut self, id: ConnectionId) -> Vec<Publish> {
        let got = self.got(id).into_iter();
        got.filter_map(|packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None })
            .collect()
    }

    /// Their payloads.
    pub(crate) fn payloads(&mut self, id: ConnectionId) -> Vec<String> {
        let text = |publish: Publish| {
            String::from_utf8(publish.payload.to_vec()).expect("the test's payloads are text")
        };
        self.messages(id).into_iter().map(text).collect()
    }

    /// Whether the broker closed a transport.
    pub(crate) fn is_closed(&self, id: ConnectionId) -> bool {
        self.peers[&id].closed.is_some()
    }

    /// Whether the broker reset a transport.
    pub(crate) fn is_reset(&self, id: ConnectionId) -> bool {
        self.peers[&id].closed == Some(true)
    }

    /// A client stops reading, or reads on.
    pub(crate) fn set_reading(&mut self, id: ConnectionId, reads: bool) {
        let peer = self.peer(id);
        peer.reads = reads;
        if reads && let Some(buffer) = peer.unread.take() {
            self.transmit(id, buffer);
        }
        self.settle();
    }

    pub(crate) fn violations(&self) -> Vec<&Violation> {
        self.core.violations().collect()
    }

    pub(crate) fn assert_no_violations(&self) {
        assert_eq!(self.violations(), Vec::<&Violation>::new());
    }

    /// When the core wants to be called at the latest.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Lets time pass, stopping at every point the core asked to be called at.
    pub(crate) fn advance(&mut self, duration: Duration) {
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

    /// Does all that the core asks for.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1_000_000 {
            match self.core.poll_output(self.now) {
                BrokerOutput::Transmit { connection, buffer } => self.transmit(connection, buffer),
                BrokerOutput::Authenticate { connection, connect } => self.asked.push((connection, connect)),
                BrokerOutput::Close { connection, is_abrupt } => {
                    self.peer(connection).closed = Some(is_abrupt);
                }
                BrokerOutput::Event(event) => self.events.push(event),
                BrokerOutput::Sleep { until } => {
                    self.until = until;
                    return;
                }
            }
        }
        panic!("the core does not come to rest");
    }

    fn peer(&mut self, id: ConnectionId) -> &mut Peer {
        self.peers.get_mut(&id).expect("the test opened the connection")
    }

    fn transmit(&mut self, id: ConnectionId, buffer: Outgoing) {
        let answers_at_once = self.answers;
        let peer = self.peer(id);
        if !peer.reads {
            peer.unread = Some(buffer);
            return;
        }
        peer.to_client.feed(&buffer.to_vec());
        let mut answers = Vec::new();
        while let Some(packet) = peer.to_client.next_packet().expect("the broker sends legal packets") {
            answers.extend(answer(&packet).filter(|_| answers_at_once));
            if !(answers_at_once && matches!(packet, Packet::PubRel(_))) {
                peer.got.push(packet);
            }
        }
        let mut out = Outgoing::new();
        for answer in answers {
            peer.encoder.packet(&mut out, &answer).expect("acknowledgements are legal");
        }
        self.core.handle_transmitted(id, buffer, self.now);
        self.core.handle_bytes(id, &out.to_vec());
    }
}

/// What an honest client answers at once.
fn answer(packet: &Packet) -> Option<Packet> {
    match packet {
        Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => Some(Packet::PubAck(Ack::success(id))),
            (QoS::ExactlyOnce, Some(id)) => Some(Packet::PubRec(Ack::success(id))),
            _ => None,
        },
        Packet::PubRel(ack) => Some(Packet::PubComp(Ack::success(ack.packet_id))),
        _ => None,
    }
}

/// A CONNECT of a session that ends with the connection.
pub(crate) fn clean(version: Version, client_id: &str) -> Connect {
    Connect {
        version,
        client_id: Text::try_from(client_id).expect("the test's name is legal"),
        clean_start: true,
        keep_alive_secs: 0,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties { session_expiry_secs: Some(0), ..ConnectProperties::default() },
    }
}

/// A CONNECT that goes on with the session, which never expires.
pub(crate) fn kept(version: Version, client_id: &str) -> Connect {
    let properties =
        ConnectProperties { session_expiry_secs: Some(EXPIRY_NEVER), ..ConnectProperties::default() };
    Connect { clean_start: false, properties, ..clean(version, client_id) }
}

/// A SUBSCRIBE.
pub(crate) fn subscribe(filters: &[(&str, SubscriptionOptions)], subscription_id: Option<u32>) -> Packet {
    let subscription = |(filter, options): &(&str, SubscriptionOptions)| Subscription {
        filter: TopicFilter::try_from(*filter).expect("the test's filter is legal"),
        options: *options,
    };
    Packet::Subscribe(Box::new(Subscribe {
        packet_id: packet_id(60_000),
        subscriptions: filters.iter().map(subscription).collect(),
        subscription_id: subscription_id.and_then(SubscriptionId::new),
        user_properties: vec![],
    }))
}

/// The same PUBLISH with RETAIN.
pub(crate) fn retained(packet: Packet) -> Packet {
    let Packet::Publish(publish) = packet else { panic!("only a PUBLISH has RETAIN") };
    Packet::Publish(Publish { retain: true, ..publish })
}

/// A PUBLISH of this QoS with a payload made at run time.
pub(crate) fn publish(topic: &'static str, payload: impl Into<String>, qos: QoS, id: u16) -> Packet {
    let publish = bowline_testkit::packets::publish(topic, "", qos, id);
    Packet::Publish(Publish { payload: payload.into().into(), ..publish })
}

pub(crate) const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
