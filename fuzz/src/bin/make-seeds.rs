//! Writes the seed corpora below `seeds/`: one legal packet per type, version and sender, and
//! scripts for the engines. Run it in this folder.

use std::fs;
use std::io;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::Path;

use bowline_fuzz::{Plan, client_scripts, server_scripts};
use bowline_proto::codec::{Encoder, Outgoing};
use bowline_proto::packet::{
    Ack, AckProperties, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, Publish, Secret, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe,
    Will,
};
use bowline_proto::types::{
    MessageProperties, PayloadFormat, RetainHandling, SubscriptionId, SubscriptionIds, SubscriptionOptions,
};
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Role, Text, TopicFilter, TopicName, Version};

fn main() -> io::Result<()> {
    for version in Version::ALL {
        let is_5 = version == Version::V5;
        let packets = [exchange(is_5), opening(version), closing(is_5)].concat();
        for sender in [Role::Client, Role::Server] {
            write_packets(version, sender, &packets)?;
        }
    }
    let pairs: [(&str, &str); 6] = [
        ("a/+/c", "a/b/c"),
        ("a/#", "a"),
        ("#", "$SYS/x"),
        ("$share/group/+/b", "a/b"),
        ("+/+", "/finance"),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
    ];
    for (at, (filter, topic)) in pairs.iter().enumerate() {
        write(
            "topic_matching",
            &format!("pair-{at}"),
            &[filter.as_bytes(), &[0], topic.as_bytes()].concat(),
        )?;
    }
    for (target, scripts) in [("server_engine", server_scripts()), ("client_engine", client_scripts())] {
        for (name, script) in scripts {
            write(target, &name, &script)?;
        }
    }
    Ok(())
}

fn write_packets(version: Version, sender: Role, packets: &[Packet]) -> io::Result<()> {
    let encoder = Encoder::new(version, sender, u32::MAX);
    for (at, packet) in packets.iter().enumerate() {
        let mut out = Outgoing::new();
        // What this side does not send, or the version cannot say, makes no seed.
        if encoder.packet(&mut out, packet).is_err() {
            continue;
        }
        let is_connect = matches!(packet, Packet::Connect(_));
        let plan = if is_connect { Plan::OWN_CONNECT } else { Plan::byte(version, sender) };
        let packet_bytes = out.to_vec();
        // Every other seed is framed by the target.
        let bytes = if at % 2 == 0 {
            [vec![plan], packet_bytes].concat()
        } else {
            let length_bytes = if packet_bytes.len() < 130 { 1 } else { 2 };
            [&[plan | 0x80, packet_bytes[0]], &packet_bytes[1 + length_bytes..]].concat()
        };
        let name = format!("{}-{}-{at:02}", packet.packet_type().to_string().to_lowercase(), version);
        let target = match sender {
            Role::Client => "decode_from_client",
            Role::Server => "decode_from_server",
        };
        write(target, &name, &bytes)?;
        write(
            "round_trip",
            &format!("{name}-{}", if sender == Role::Client { "client" } else { "server" }),
            &bytes,
        )?;
    }
    Ok(())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new("seeds").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn text(text: &str) -> Text {
    Text::try_from(text).expect("a legal string")
}

fn topic(topic: &str) -> TopicName {
    TopicName::try_from(topic).expect("a legal topic")
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not 0")
}

fn pairs() -> Vec<(Text, Text)> {
    vec![(text("name"), text("value")), (text("name"), text("ä"))]
}

fn content() -> MessageProperties {
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Utf8);
    properties.expiry_secs = Some(60);
    properties.content_type = Some(text("text/plain"));
    properties.response_topic = Some(topic("answers"));
    properties.correlation_data = Some(Bytes::from_static(&[1, 2]));
    properties.user_properties = pairs();
    properties
}

fn opening(version: Version) -> Vec<Packet> {
    let is_5 = version == Version::V5;
    let mut connect = Connect {
        version,
        client_id: text("client"),
        clean_start: true,
        keep_alive_secs: 60,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    };
    let mut packets = vec![Packet::Connect(Box::new(connect.clone()))];
    let mut will = Message::new(topic("wills"), &b"gone"[..]).with_qos(QoS::ExactlyOnce).with_retain(true);
    if is_5 {
        will = will.with_properties(content());
        connect.properties = ConnectProperties {
            session_expiry_secs: Some(100),
            receive_maximum: NonZeroU16::new(10),
            maximum_packet_size: NonZeroU32::new(1000),
            topic_alias_maximum: Some(5),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            user_properties: pairs(),
            authentication_method: Some(text("method")),
            authentication_data: Some(Secret(Bytes::from_static(b"data"))),
        };
    }
    connect.will = Some(Will { message: will, delay_secs: is_5.then_some(1) });
    connect.user_name = Some(text("user"));
    connect.password = Some(Secret(Bytes::from_static(b"password")));
    packets.push(Packet::Connect(Box::new(connect)));
    for (session_present, reason, properties) in [
        (false, ReasonCode::Success, ConnAckProperties::default()),
        (true, ReasonCode::Success, connack_properties()),
        (false, ReasonCode::NotAuthorized, ConnAckProperties::default()),
    ] {
        let session_present = Some(session_present);
        packets.push(Packet::ConnAck(Box::new(ConnAck { session_present, reason, properties })));
    }
    packets
}

fn connack_properties() -> ConnAckProperties {
    ConnAckProperties {
        session_expiry_secs: Some(100),
        receive_maximum: NonZeroU16::new(10),
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(true),
        maximum_packet_size: NonZeroU32::new(1000),
        assigned_client_id: Some(text("assigned")),
        topic_alias_maximum: Some(5),
        reason_string: Some(text("reason")),
        user_properties: pairs(),
        wildcard_subscription_available: Some(true),
        subscription_ids_available: Some(true),
        shared_subscription_available: Some(false),
        server_keep_alive_secs: Some(30),
        response_information: Some(text("answers")),
        server_reference: Some(text("elsewhere:1883")),
        authentication_method: Some(text("method")),
        authentication_data: Some(Secret(Bytes::from_static(b"data"))),
    }
}

fn exchange(is_5: bool) -> Vec<Packet> {
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        packet_id: None,
        topic: Some(topic("sensors/ä/temperature")),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::from_static(b"21.5"),
        properties: None,
    };
    let qos_1 = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(1)), retain: true, ..publish.clone() };
    let mut qos_2 = Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(2)), dup: true, ..publish.clone() };
    let mut routed = publish.clone();
    if is_5 {
        qos_2.properties = Some(Box::new(content()));
        qos_2.topic_alias = NonZeroU16::new(3);
        routed.topic = None;
        routed.topic_alias = NonZeroU16::new(3);
        routed.subscription_ids = [1, 200, 70_000].into_iter().filter_map(SubscriptionId::new).collect();
    }
    let mut refused = Ack::new(id(3), ReasonCode::PacketIdentifierNotFound);
    let told = AckProperties { reason_string: Some(text("reason")), user_properties: pairs() };
    refused.properties = Some(Box::new(told.clone()));
    let ack = Ack::success(id(1));
    let properties = if is_5 { told } else { AckProperties::default() };
    let mut packets: Vec<Packet> = [publish, qos_1, qos_2, routed].map(Packet::Publish).into();
    packets.extend(small_publishes(is_5).map(Packet::Publish));
    packets.extend([
        Packet::PubAck(ack.clone()),
        Packet::PubRec(Ack::new(id(1), ReasonCode::QuotaExceeded)),
        Packet::PubRel(ack.clone()),
        Packet::PubRel(refused.clone()),
        Packet::PubComp(refused),
        Packet::PubComp(ack),
        Packet::Subscribe(Box::new(subscribe(is_5))),
        Packet::SubAck(Box::new(SubAck {
            packet_id: id(4),
            reasons: vec![ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized],
            properties: properties.clone(),
        })),
        Packet::Unsubscribe(Box::new(Unsubscribe {
            packet_id: id(5),
            filters: vec![TopicFilter::from_static("a/+/#").expect("legal")],
            user_properties: if is_5 { pairs() } else { Vec::new() },
        })),
        Packet::UnsubAck(Box::new(UnsubAck {
            packet_id: id(5),
            reasons: if is_5 { vec![ReasonCode::NoSubscriptionExisted] } else { Vec::new() },
            properties,
        })),
    ]);
    packets
}

/// Few bytes each, because the fewer there are, the sooner a mutation hits the one that matters.
fn small_publishes(is_5: bool) -> impl Iterator<Item = Publish> {
    let small = Publish {
        dup: false,
        qos: QoS::ExactlyOnce,
        retain: false,
        packet_id: Some(id(1)),
        topic: Some(topic("t")),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::new(),
        properties: None,
    };
    let with = |change: fn(&mut Publish, &mut MessageProperties)| {
        let (mut publish, mut properties) = (small.clone(), MessageProperties::default());
        change(&mut publish, &mut properties);
        publish.properties = (!properties.is_empty()).then(|| Box::new(properties));
        publish
    };
    let plain = with(|_, _| {});
    let with_one_property = [
        with(|publish, _| publish.topic_alias = NonZeroU16::new(1)),
        with(|publish, _| publish.subscription_ids = SubscriptionId::new(1).into_iter().collect()),
        with(|_, properties| properties.payload_format = Some(PayloadFormat::Utf8)),
        with(|_, properties| properties.expiry_secs = Some(1)),
        with(|_, properties| properties.content_type = Some(text("c"))),
        with(|_, properties| properties.response_topic = Some(topic("r"))),
        with(|_, properties| properties.correlation_data = Some(Bytes::from_static(&[0]))),
        with(|_, properties| properties.user_properties = vec![(text("n"), text("v"))]),
    ];
    std::iter::once(plain).chain(with_one_property.into_iter().filter(move |_| is_5))
}

fn subscribe(is_5: bool) -> Subscribe {
    let mut options = SubscriptionOptions::new(QoS::AtLeastOnce);
    if is_5 {
        options.retain_as_published = true;
        options.retain_handling = RetainHandling::Never;
    }
    let subscription =
        |filter| Subscription { filter: TopicFilter::from_static(filter).expect("legal"), options };
    Subscribe {
        packet_id: id(4),
        subscriptions: vec![subscription("a/+/#"), subscription("$share/group/b")],
        subscription_id: if is_5 { SubscriptionId::new(300) } else { None },
        user_properties: if is_5 { pairs() } else { Vec::new() },
    }
}

fn closing(is_5: bool) -> Vec<Packet> {
    let mut packets = vec![
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success))),
    ];
    if is_5 {
        let told = |session_expiry_secs, server_reference| {
            Some(Box::new(DisconnectProperties {
                session_expiry_secs,
                reason_string: Some(text("reason")),
                user_properties: pairs(),
                server_reference,
            }))
        };
        let moved = told(None, Some(text("elsewhere")));
        packets.extend([
            Packet::Disconnect(Box::new(Disconnect {
                reason: ReasonCode::Success,
                properties: told(Some(5), None),
            })),
            Packet::Disconnect(Box::new(Disconnect { reason: ReasonCode::ServerMoved, properties: moved })),
        ]);
        packets.extend([ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate].map(|reason| {
            Packet::Auth(Box::new(Auth {
                reason,
                method: Some(text("method")),
                data: Some(Secret(Bytes::from_static(b"data"))),
                reason_string: Some(text("reason")),
                user_properties: pairs(),
            }))
        }));
    }
    packets
}
