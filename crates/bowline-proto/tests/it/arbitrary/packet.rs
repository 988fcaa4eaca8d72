//! Whole packets, as a version can say them and a side may send them: what a decoder yields, and only that.

use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{
    Ack, AckProperties, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Packet,
    PacketType, Publish, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe, Will,
};
use bowline_proto::types::{RetainHandling, SubscriptionIds, SubscriptionOptions};
use bowline_proto::{Message, QoS, ReasonCode, Role, Version};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{bytes, filter, nonzero_u16, packet_id, properties, qos, secret, subscription_id, text, topic};
use super::{user_properties, version};

/// A version, a sender, and a packet that fits both.
pub(crate) fn any_packet() -> impl Strategy<Value = (Version, Role, Packet)> {
    (version(), super::role()).prop_flat_map(|(version, sender)| {
        packet(version, sender).prop_map(move |packet| (version, sender, packet))
    })
}

/// A packet of this version from this side.
pub(crate) fn packet(version: Version, sender: Role) -> BoxedStrategy<Packet> {
    match sender {
        Role::Client => from_client(version).boxed(),
        Role::Server => from_server(version).boxed(),
    }
}

fn from_client(version: Version) -> impl Strategy<Value = Packet> {
    prop_oneof![
        2 => connect(version).prop_map(|packet| Packet::Connect(Box::new(packet))),
        6 => both_sides(version, Role::Client),
        2 => subscribe(version).prop_map(|packet| Packet::Subscribe(Box::new(packet))),
        2 => unsubscribe(version).prop_map(|packet| Packet::Unsubscribe(Box::new(packet))),
        1 => Just(Packet::PingReq),
        1 => disconnect(version, Role::Client),
    ]
}

fn from_server(version: Version) -> impl Strategy<Value = Packet> {
    prop_oneof![
        2 => connack(version).prop_map(|packet| Packet::ConnAck(Box::new(packet))),
        6 => both_sides(version, Role::Server),
        2 => suback(version).prop_map(|packet| Packet::SubAck(Box::new(packet))),
        2 => unsuback(version).prop_map(|packet| Packet::UnsubAck(Box::new(packet))),
        1 => Just(Packet::PingResp),
    ]
}

fn both_sides(version: Version, sender: Role) -> BoxedStrategy<Packet> {
    let exchange = prop_oneof![
        4 => publish(version, sender).prop_map(Packet::Publish),
        1 => ack(version, PacketType::PubAck, sender).prop_map(Packet::PubAck),
        1 => ack(version, PacketType::PubRec, sender).prop_map(Packet::PubRec),
        1 => ack(version, PacketType::PubRel, sender).prop_map(Packet::PubRel),
        1 => ack(version, PacketType::PubComp, sender).prop_map(Packet::PubComp),
    ];
    if version == Version::V5 {
        prop_oneof![
            8 => exchange,
            1 => auth(sender).prop_map(|packet| Packet::Auth(Box::new(packet))),
            1 => disconnect(version, sender),
        ]
        .boxed()
    } else {
        exchange.boxed()
    }
}

/// What a version before 5.0 has none of.
fn from_5<T: Clone + std::fmt::Debug + 'static>(
    version: Version,
    strategy: impl Strategy<Value = T> + 'static,
    before: T,
) -> BoxedStrategy<T> {
    if version == Version::V5 { strategy.boxed() } else { Just(before).boxed() }
}

fn reason(packet: PacketType, sender: Role) -> impl Strategy<Value = ReasonCode> {
    let allowed = ReasonCode::ALL.iter().copied().filter(|reason| reason.is_allowed_in(packet, sender));
    select(allowed.collect::<Vec<_>>())
}

pub(crate) fn publish(version: Version, sender: Role) -> impl Strategy<Value = Publish> {
    let ids = if sender == Role::Server { 0..3_usize } else { 0..1 };
    let ids = vec(subscription_id(), ids).prop_map(SubscriptionIds::from_iter);
    let flags = (any::<bool>(), qos(), any::<bool>(), packet_id());
    let alias = from_5(version, of(nonzero_u16()), None);
    let routing = (topic(), any::<bool>(), alias, from_5(version, ids, SubscriptionIds::new()));
    let content = from_5(version, properties::content(), None);
    (flags, routing, bytes(), content).prop_map(
        move |(
            (dup, qos, retain, id),
            (topic, alias_alone, topic_alias, subscription_ids),
            payload,
            content,
        )| {
            let has_id = qos != QoS::AtMostOnce;
            Publish {
                dup: dup && (has_id || version == Version::V3_1),
                qos,
                retain,
                packet_id: has_id.then_some(id),
                topic: (topic_alias.is_none() || !alias_alone).then_some(topic),
                topic_alias,
                subscription_ids,
                payload,
                properties: content,
            }
        },
    )
}

pub(crate) fn ack(version: Version, packet: PacketType, sender: Role) -> impl Strategy<Value = Ack> {
    let reason = from_5(version, reason(packet, sender), ReasonCode::Success);
    let properties = from_5(version, properties::ack(), AckProperties::default());
    (packet_id(), reason, properties).prop_map(|(packet_id, reason, properties)| {
        let mut ack = Ack::new(packet_id, reason);
        ack.properties = (!properties.is_empty()).then(|| Box::new(properties));
        ack
    })
}

pub(crate) fn connect(version: Version) -> impl Strategy<Value = Connect> {
    let message = (topic(), bytes(), qos(), any::<bool>(), from_5(version, properties::content(), None));
    let will = (message, from_5(version, of(any::<u32>()), None)).prop_map(
        |((topic, payload, qos, retain, properties), delay_secs)| {
            let mut message = Message::new(topic, payload).with_qos(qos).with_retain(retain);
            message.properties = properties;
            Will { message, delay_secs }
        },
    );
    let credentials = (of(text()), of(secret()));
    let properties = from_5(version, properties::connect(), ConnectProperties::default());
    (text(), any::<bool>(), any::<u16>(), of(will), credentials, properties).prop_map(
        move |(client_id, clean_start, keep_alive_secs, will, (user_name, password), mut properties)| {
            if version != Version::V5 {
                properties.session_expiry_secs = Some(if clean_start { 0 } else { EXPIRY_NEVER });
            }
            let password = password.filter(|_| version == Version::V5 || user_name.is_some());
            Connect {
                version,
                client_id,
                clean_start,
                keep_alive_secs,
                will,
                user_name,
                password,
                properties,
            }
        },
    )
}

pub(crate) fn connack(version: Version) -> impl Strategy<Value = ConnAck> {
    let older = (0..=5_u8).prop_map(|code| ReasonCode::from_connect_return_code(code).expect("a known code"));
    let reason = if version == Version::V5 {
        reason(PacketType::ConnAck, Role::Server).boxed()
    } else {
        older.boxed()
    };
    let properties = from_5(version, properties::connack(), ConnAckProperties::default());
    (any::<bool>(), reason, properties).prop_map(move |(session_present, reason, properties)| ConnAck {
        session_present: (version != Version::V3_1).then_some(session_present),
        reason,
        properties,
    })
}

pub(crate) fn subscribe(version: Version) -> impl Strategy<Value = Subscribe> {
    let handling =
        select(vec![RetainHandling::OnSubscribe, RetainHandling::OnNewSubscription, RetainHandling::Never]);
    let more = from_5(
        version,
        (any::<bool>(), any::<bool>(), handling),
        (false, false, RetainHandling::OnSubscribe),
    );
    let subscription = (filter(), qos(), more).prop_map(|(filter, qos, (no_local, published, handling))| {
        let mut options = SubscriptionOptions::new(qos);
        options.no_local = no_local && filter.share_name().is_none();
        options.retain_as_published = published;
        options.retain_handling = handling;
        Subscription { filter, options }
    });
    let id = from_5(version, of(subscription_id()), None);
    let user = from_5(version, user_properties(), Vec::new());
    (packet_id(), vec(subscription, 1..5), id, user).prop_map(
        |(packet_id, subscriptions, subscription_id, user_properties)| Subscribe {
            packet_id,
            subscriptions,
            subscription_id,
            user_properties,
        },
    )
}

pub(crate) fn suback(version: Version) -> impl Strategy<Value = SubAck> {
    let older =
        [ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError];
    let reason = if version == Version::V5 {
        reason(PacketType::SubAck, Role::Server).boxed()
    } else {
        select(older.to_vec()).boxed()
    };
    let properties = from_5(version, properties::ack(), AckProperties::default());
    (packet_id(), vec(reason, 1..5), properties).prop_map(|(packet_id, reasons, properties)| SubAck {
        packet_id,
        reasons,
        properties,
    })
}

pub(crate) fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe> {
    let user = from_5(version, user_properties(), Vec::new());
    (packet_id(), vec(filter(), 1..5), user).prop_map(|(packet_id, filters, user_properties)| Unsubscribe {
        packet_id,
        filters,
        user_properties,
    })
}

pub(crate) fn unsuback(version: Version) -> impl Strategy<Value = UnsubAck> {
    let reasons = vec(reason(PacketType::UnsubAck, Role::Server), 1..5);
    let reasons = from_5(version, reasons, Vec::new());
    let properties = from_5(version, properties::ack(), AckProperties::default());
    (packet_id(), reasons, properties).prop_map(|(packet_id, reasons, properties)| UnsubAck {
        packet_id,
        reasons,
        properties,
    })
}

/// DISCONNECT as a client says it in every version, and a server in 5.0.
pub(crate) fn disconnect(version: Version, sender: Role) -> BoxedStrategy<Packet> {
    let said = (reason(PacketType::Disconnect, sender), properties::disconnect(sender))
        .prop_map(|(reason, properties)| Disconnect { reason, properties });
    from_5(version, said, Disconnect::new(ReasonCode::Success))
        .prop_map(|packet| Packet::Disconnect(Box::new(packet)))
        .boxed()
}

pub(crate) fn auth(sender: Role) -> impl Strategy<Value = Auth> {
    (reason(PacketType::Auth, sender), text(), of(secret()), properties::ack()).prop_map(
        |(reason, method, data, told)| Auth {
            reason,
            method: Some(method),
            data,
            reason_string: told.reason_string,
            user_properties: told.user_properties,
        },
    )
}
