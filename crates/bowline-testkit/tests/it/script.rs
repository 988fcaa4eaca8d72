//! What the tests of the outbound side start from, and short ways to read what the client sent. Asserts nothing about
//! behaviour.

use bowline_proto::client::{ClientConfig, DisconnectCause, Event, Outcome, SessionPolicy};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{Ack, ConnAckProperties, Connect, Packet, Publish, Subscription};
use bowline_proto::session::PublicationId;
use bowline_proto::types::{Message, MessageProperties, QoS, SubscriptionOptions, Text, TopicName};
use bowline_proto::{PacketId, ReasonCode, TopicFilter, Version};
use bowline_testkit::client_rig::connack;
use bowline_testkit::{ClientRig, Commit, TestStore};

/// A client whose session ends with the connection.
pub(crate) fn clean(version: Version) -> ClientConfig {
    ClientConfig::new(version, text("meter-7"))
}

/// A client whose session outlives the connection, in memory, and that takes over what the broker has.
pub(crate) fn kept(version: Version) -> ClientConfig {
    let mut config = clean(version);
    config.session = SessionPolicy::InMemory { expiry_secs: EXPIRY_NEVER, adopt: true };
    config
}

/// A client whose session outlives the process.
pub(crate) fn durable(version: Version) -> ClientConfig {
    let mut config = clean(version);
    config.session = SessionPolicy::Durable { expiry_secs: EXPIRY_NEVER, adopt: false };
    config
}

/// A connected client with a durable session; from now on its store commits when the test says so.
pub(crate) fn connected_on_demand(config: ClientConfig) -> ClientRig {
    let mut rig = ClientRig::new(config);
    connect_durably(&mut rig);
    rig.store.commit = Commit::OnDemand;
    rig
}

/// Connects a durable client for the first time: before 5.0 that takes a connection that discards an old session.
pub(crate) fn connect_durably(rig: &mut ClientRig) {
    rig.dial();
    while rig.engine.state_name() == "AwaitConnack" {
        rig.broker(accepted(rig.version(), false));
    }
    assert_eq!(rig.engine.state_name(), "Active");
    rig.sent();
    rig.events();
}

/// A client with a durable session on a store, at the time of the rig's start.
pub(crate) fn on_store(config: ClientConfig, commit: Commit) -> ClientRig {
    ClientRig::resume(config, TestStore::new(commit), bowline_proto::Timestamp::ZERO)
}

pub(crate) fn text(text: &'static str) -> Text {
    Text::from_static(text).expect("a legal string")
}

pub(crate) fn filter(filter: &'static str) -> TopicFilter {
    TopicFilter::try_from(filter).expect("a legal filter")
}

/// A message for `a/b` with this payload.
pub(crate) fn message(payload: &'static str, qos: QoS) -> Message {
    Message::new(TopicName::from_static("a/b").expect("a legal topic"), payload).with_qos(qos)
}

/// The same message with an expiry interval.
pub(crate) fn expiring(message: Message, secs: u32) -> Message {
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(secs);
    message.with_properties(properties)
}

/// Publishes at QoS 1 and lets the engine work.
pub(crate) fn publish1(rig: &mut ClientRig, payload: &'static str) -> PublicationId {
    publish(rig, message(payload, QoS::AtLeastOnce))
}

/// Publishes at QoS 2 and lets the engine work.
pub(crate) fn publish2(rig: &mut ClientRig, payload: &'static str) -> PublicationId {
    publish(rig, message(payload, QoS::ExactlyOnce))
}

/// Publishes and lets the engine work.
pub(crate) fn publish(rig: &mut ClientRig, message: Message) -> PublicationId {
    let publication = rig.engine.publish(message, rig.now).expect("the message is accepted");
    rig.settle();
    publication
}

/// The PUBLISHes among what was sent since the last look; other packets are dropped.
pub(crate) fn published(rig: &mut ClientRig) -> Vec<Publish> {
    let publish = |packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None };
    rig.sent().into_iter().filter_map(publish).collect()
}

/// Payloads of what was published since the last look.
pub(crate) fn payloads(rig: &mut ClientRig) -> Vec<String> {
    published(rig).iter().map(payload).collect()
}

pub(crate) fn payload(publish: &Publish) -> String {
    String::from_utf8(publish.payload.to_vec()).expect("a test's payload is text")
}

/// The identifier of the one PUBLISH that was sent since the last look.
pub(crate) fn published_id(rig: &mut ClientRig) -> PacketId {
    let [publish] = &published(rig)[..] else { panic!("exactly one PUBLISH was expected") };
    publish.packet_id.expect("QoS 1 and 2 have an identifier")
}

/// A subscription with this QoS and no other option.
pub(crate) fn subscription(name: &'static str, qos: QoS) -> Subscription {
    Subscription { filter: filter(name), options: SubscriptionOptions::new(qos) }
}

pub(crate) fn puback(id: PacketId) -> Packet {
    Packet::PubAck(Ack::success(id))
}

pub(crate) fn pubrec(id: PacketId) -> Packet {
    Packet::PubRec(Ack::success(id))
}

pub(crate) fn pubrel(id: PacketId) -> Packet {
    Packet::PubRel(Ack::success(id))
}

pub(crate) fn pubcomp(id: PacketId) -> Packet {
    Packet::PubComp(Ack::success(id))
}

/// Plain success.
pub(crate) fn acknowledged() -> Outcome {
    Outcome::Acknowledged { reason: ReasonCode::Success, properties: None, downgraded: false }
}

/// Why connections and attempts ended since the last look; other events are dropped.
pub(crate) fn causes(rig: &mut ClientRig) -> Vec<DisconnectCause> {
    let cause = |event| if let Event::Disconnected(cause) = event { Some(*cause) } else { None };
    rig.events().into_iter().filter_map(cause).collect()
}

/// The one CONNECT that was sent since the last look, and nothing else.
pub(crate) fn connect_sent(rig: &mut ClientRig) -> Connect {
    let sent = rig.sent();
    let [Packet::Connect(connect)] = &sent[..] else { panic!("one CONNECT was expected, not {sent:?}") };
    (**connect).clone()
}

/// A CONNACK that says success and nothing more.
pub(crate) fn accepted(version: Version, session_present: bool) -> Packet {
    connack(version, session_present, ReasonCode::Success, ConnAckProperties::default())
}

/// The packet identifier of a SUBSCRIBE or UNSUBSCRIBE.
pub(crate) fn request_id(packet: &Packet) -> PacketId {
    match packet {
        Packet::Subscribe(subscribe) => subscribe.packet_id,
        Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id,
        other => panic!("{} is no request", other.packet_type()),
    }
}
