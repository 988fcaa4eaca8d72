//! Everything that can be done to a client engine: every input, every packet, every command, and the passing of time.

use bowline_proto::client::{Input, Qos0Limits};
use bowline_proto::codec::{DecodeError, Decoder, Outgoing};
use bowline_proto::packet::{
    Ack, AckProperties, Auth, Connect, ConnectProperties, Disconnect, Packet, PacketType, SubAck, Subscribe,
    Subscription, UnsubAck, Unsubscribe,
};
use bowline_proto::session::Seq;
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{QoS, ReasonCode, Text, Version};

use crate::client_rig::connack;
use crate::packets::{filter, packet_id, publish};
use crate::transitions::scene::Scene;

/// One thing to do to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the table has a row for each")]
#[expect(missing_docs, reason = "named as the inputs, packets and commands that they stand for")]
pub enum Stimulus {
    Packet(PacketType),
    Publish(QoS),
    RefusesVersion,
    Connected,
    DialFailed,
    BytesReceived,
    Malformed,
    Transmitted,
    Closed,
    TransportFailed,
    Persisted,
    PersistFailed,
    Loaded,
    LoadFailed,
    Deadline,
    CallConnect,
    CallDisconnect,
    CallAbort,
    CallPublish(QoS),
    CallCancel,
    CallSubscribe,
    CallUnsubscribe,
    CallTake,
    CallRefuse,
    CallHandOver,
    CallOpenUnrouted,
    CallCloseStream,
}

/// All of them, in the order of the table: commands, transport and time, packets, store.
pub fn stimuli() -> Vec<Stimulus> {
    use Stimulus::*;
    let qoss = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let mut all = vec![CallConnect, CallDisconnect, CallAbort];
    all.extend(qoss.map(CallPublish));
    all.extend([CallCancel, CallSubscribe, CallUnsubscribe, CallTake, CallRefuse, CallHandOver]);
    all.extend([CallOpenUnrouted, CallCloseStream]);
    all.extend([Connected, DialFailed, Transmitted, Closed, TransportFailed, Deadline]);
    all.extend([BytesReceived, Malformed]);
    for value in 1..=15 {
        match PacketType::from_u8(value).expect("there are 15 packet types") {
            PacketType::Publish => all.extend(qoss.map(Publish)),
            PacketType::ConnAck => all.extend([Packet(PacketType::ConnAck), RefusesVersion]),
            packet => all.push(Packet(packet)),
        }
    }
    all.extend([Persisted, PersistFailed, Loaded, LoadFailed]);
    all
}

impl Stimulus {
    /// Its row's name.
    pub fn name(self) -> String {
        match self {
            Self::Packet(packet) => packet.to_string(),
            Self::Publish(qos) => format!("PUBLISH QoS {qos}"),
            Self::RefusesVersion => "CONNACK 0x84".to_owned(),
            Self::CallPublish(qos) => format!("publish() {qos}"),
            Self::CallConnect => "connect()".to_owned(),
            Self::CallDisconnect => "disconnect()".to_owned(),
            Self::CallAbort => "abort()".to_owned(),
            Self::CallCancel => "cancel()".to_owned(),
            Self::CallSubscribe => "subscribe()".to_owned(),
            Self::CallUnsubscribe => "unsubscribe()".to_owned(),
            Self::CallTake => "take()".to_owned(),
            Self::CallRefuse => "take() 0x87".to_owned(),
            Self::CallHandOver => "hand_over()".to_owned(),
            Self::CallOpenUnrouted => "open_unrouted".to_owned(),
            Self::CallCloseStream => "close_stream()".to_owned(),
            Self::TransportFailed => "TransportFail".to_owned(),
            Self::Deadline => "time passes".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Does it.
    pub fn apply(self, scene: &mut Scene) {
        match self {
            Self::Packet(packet) => scene.input(Input::Packet(packet_for(scene, packet))),
            Self::Publish(qos) => scene.input(Input::Packet(Packet::Publish(publish("in", "m", qos, 77)))),
            Self::RefusesVersion => {
                let refused = ReasonCode::UnsupportedProtocolVersion;
                let connack = connack(scene.version, false, refused, Default::default());
                scene.input(Input::Packet(connack));
            }
            Self::Connected => scene.input(Input::Connected),
            Self::DialFailed => scene.input(Input::DialFailed),
            Self::BytesReceived => scene.input(Input::BytesReceived),
            Self::Malformed => scene.input(Input::Malformed(a_decode_error())),
            Self::Transmitted => scene.input(Input::Transmitted(Outgoing::new())),
            Self::Closed => scene.input(Input::Closed),
            Self::TransportFailed => scene.input(Input::TransportFailed),
            Self::Persisted => scene.input(Input::Persisted { last: Seq::default(), known: Vec::new() }),
            Self::PersistFailed => scene.input(Input::PersistFailed),
            Self::Loaded => scene.input(Input::Loaded(Vec::new())),
            Self::LoadFailed => scene.input(Input::LoadFailed),
            Self::Deadline => scene.now = scene.until.unwrap_or(scene.now),
            command => command.call(scene),
        }
    }

    fn call(self, scene: &mut Scene) {
        let now = scene.now;
        match self {
            Self::CallConnect => scene.engine.connect(now),
            Self::CallDisconnect => {
                let disconnect = Disconnect::new(ReasonCode::Success);
                scene.engine.disconnect(disconnect, now).expect("a legal DISCONNECT");
            }
            Self::CallAbort => scene.engine.abort(now),
            Self::CallPublish(qos) => {
                scene.publish(qos);
            }
            Self::CallCancel => {
                if let Some(queued) = scene.queued {
                    scene.engine.cancel(queued);
                }
            }
            Self::CallSubscribe => {
                scene.subscribe("another");
            }
            Self::CallUnsubscribe => {
                scene.engine.unsubscribe(vec![filter("in")], Vec::new()).expect("a legal request");
            }
            Self::CallTake => take(scene, ReasonCode::Success),
            Self::CallRefuse => take(scene, ReasonCode::NotAuthorized),
            Self::CallHandOver => {
                if let (Some(delivery), Some(stream)) = (scene.untaken, scene.stream) {
                    scene.engine.hand_over(delivery, stream);
                }
            }
            Self::CallOpenUnrouted => scene.engine.open_unrouted(Qos0Limits::default()),
            Self::CallCloseStream => {
                if let Some(stream) = scene.stream {
                    let untaken: Vec<_> = scene.untaken.into_iter().collect();
                    scene.engine.close_stream(stream, &untaken);
                }
            }
            _ => unreachable!("the rest are inputs"),
        }
    }
}

fn take(scene: &mut Scene, reason: ReasonCode) {
    if let (Some(delivery), Some(stream)) = (scene.untaken, scene.stream) {
        // Stale is a legal answer.
        let _ = scene.engine.take(delivery, stream, reason);
    }
}

/// A packet that answers what goes on in the scene.
fn packet_for(scene: &Scene, packet: PacketType) -> Packet {
    let awaited = scene.awaited;
    let id = match packet {
        PacketType::PubAck => awaited.puback,
        PacketType::PubRec => awaited.pubrec,
        PacketType::PubComp => awaited.pubcomp,
        PacketType::SubAck => awaited.suback,
        PacketType::UnsubAck => awaited.unsuback,
        _ => packet_id(2),
    };
    with_id(packet, id.as_u16(), scene.version)
}

/// A plain packet of a type, with identifier 1 if it has one.
///
/// # Panics
/// Never: its content is legal.
pub fn packet_of(packet: PacketType, version: Version) -> Packet {
    with_id(packet, 1, version)
}

fn with_id(packet: PacketType, id: u16, version: Version) -> Packet {
    let packet_id = packet_id(id);
    let ack = Ack::success(packet_id);
    let (properties, user_properties) = (AckProperties::default(), Vec::new());
    match packet {
        PacketType::Connect => Packet::Connect(Box::new(a_connect(version))),
        PacketType::ConnAck => connack(version, false, ReasonCode::Success, Default::default()),
        PacketType::Publish => Packet::Publish(publish("in", "m", QoS::AtLeastOnce, id)),
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        PacketType::Subscribe => {
            let options = SubscriptionOptions::new(QoS::AtMostOnce);
            let subscriptions = vec![Subscription { filter: filter("in"), options }];
            let subscribe = Subscribe { packet_id, subscriptions, subscription_id: None, user_properties };
            Packet::Subscribe(Box::new(subscribe))
        }
        PacketType::SubAck => {
            let reasons = vec![ReasonCode::GrantedQoS1];
            Packet::SubAck(Box::new(SubAck { packet_id, reasons, properties }))
        }
        PacketType::Unsubscribe => {
            let filters = vec![filter("in")];
            Packet::Unsubscribe(Box::new(Unsubscribe { packet_id, filters, user_properties }))
        }
        PacketType::UnsubAck => {
            let reasons = vec![ReasonCode::Success];
            Packet::UnsubAck(Box::new(UnsubAck { packet_id, reasons, properties }))
        }
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => {
            Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerShuttingDown)))
        }
        PacketType::Auth => Packet::Auth(Box::new(Auth {
            reason: ReasonCode::ContinueAuthentication,
            method: Some(Text::from_static("SCRAM").expect("a legal string")),
            data: None,
            reason_string: None,
            user_properties,
        })),
    }
}

fn a_connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: Text::from_static("c").expect("a legal client identifier"),
        clean_start: true,
        keep_alive_secs: 60,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

/// Packet type 0.
fn a_decode_error() -> DecodeError {
    let mut decoder = Decoder::for_client(Version::V5, u32::MAX);
    decoder.feed(&[0, 0]);
    decoder.next_packet().expect_err("there is no packet type 0")
}
