//! What the caller asks for and the version, the role or the packet cannot say.

use std::num::NonZeroU16;

use bowline_proto::codec::{EncodeError, Encoder, Outgoing};
use bowline_proto::packet::{
    Ack, AckProperties, Alias, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, PacketType, PublishHeader, Secret, SubAck, Subscribe, Subscription,
    UnsubAck, Unsubscribe, Will,
};
use bowline_proto::types::{
    MessageProperties, PayloadFormat, RetainHandling, SubscriptionId, SubscriptionIds, SubscriptionOptions,
};
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Role, Version};

use super::encode;
use crate::codec::{NO_LIMIT, filter, hex, text, topic};

const OLDER: [Version; 2] = [Version::V3_1, Version::V3_1_1];

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not 0")
}

fn publish(
    version: Version,
    role: Role,
    message: &Message,
    header: &PublishHeader<'_>,
) -> Option<EncodeError> {
    let mut out = Outgoing::new();
    let done = Encoder::new(version, role, NO_LIMIT).publish(&mut out, message, header);
    assert_eq!(done.is_err(), out.is_empty());
    done.err()
}

fn needs_5(option: &'static str) -> Option<EncodeError> {
    Some(EncodeError::NeedsVersion5 { option })
}

#[test]
fn publish_on_the_older_versions_drops_nothing_silently() {
    let plain = Message::new(topic("a"), "x");
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Unspecified);
    let with_property = plain.clone().with_properties(properties);
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(1);
    let with_expiry = plain.clone().with_properties(properties);
    let none = PublishHeader::default();
    let aliased = PublishHeader { alias: NonZeroU16::new(1).map(Alias::Set), ..PublishHeader::default() };
    let expiring = PublishHeader { expiry_secs: Some(0), ..PublishHeader::default() };
    let ids: SubscriptionIds = SubscriptionId::new(1).into_iter().collect();
    let identified = PublishHeader { subscription_ids: Some(&ids), ..PublishHeader::default() };
    for version in OLDER {
        let refused = |message, header| publish(version, Role::Server, message, header);
        assert_eq!(refused(&with_property, &none), needs_5("a message property"));
        assert_eq!(refused(&plain, &aliased), needs_5("a topic alias"));
        // Before 5.0 only the sender applies it.
        assert_eq!(refused(&with_expiry, &none), None);
        assert_eq!(refused(&plain, &expiring), None);
        assert_eq!(refused(&plain, &identified), needs_5("a subscription identifier"));
        assert_eq!(refused(&plain, &none), None);
    }
}

// [MQTT-2.2.1-2] [MQTT-2.2.1-3] [MQTT-2.3.1-1 of 3.1.1] [MQTT-2.3.1-5 of 3.1.1]
#[test]
fn a_packet_identifier_goes_with_qos_1_and_2_only() {
    let message = Message::new(topic("a"), "x");
    let with_id = PublishHeader { packet_id: Some(id(1)), ..PublishHeader::default() };
    for version in Version::ALL {
        assert_eq!(publish(version, Role::Client, &message, &with_id), Some(EncodeError::PacketIdOnQoS0));
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let message = message.clone().with_qos(qos);
            let error = publish(version, Role::Client, &message, &PublishHeader::default());
            assert_eq!(error, Some(EncodeError::PacketIdMissing { qos }));
        }
    }
}

// [MQTT-3.3.1-2] [MQTT-4.3.1-1] [MQTT-3.3.1-2 of 3.1.1] [MQTT-4.3.1-1 of 3.1.1]
#[test]
fn dup_is_never_set_on_qos_0() {
    let message = Message::new(topic("a"), "x");
    let dup = PublishHeader { dup: true, ..PublishHeader::default() };
    for version in [Version::V3_1_1, Version::V5] {
        assert_eq!(publish(version, Role::Client, &message, &dup), Some(EncodeError::DupOnQoS0));
    }
}

// [MQTT-3.3.4-6]
#[test]
fn a_client_sends_no_subscription_identifier_in_publish() {
    let ids: SubscriptionIds = SubscriptionId::new(1).into_iter().collect();
    let header = PublishHeader { subscription_ids: Some(&ids), ..PublishHeader::default() };
    let message = Message::new(topic("a"), "x");
    let property = "subscription identifier";
    let refused = EncodeError::PropertyFromWrongSide { property, sender: Role::Client };
    assert_eq!(publish(Version::V5, Role::Client, &message, &header), Some(refused));
    assert_eq!(publish(Version::V5, Role::Server, &message, &header), None);
}

fn connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: text("c"),
        clean_start: true,
        keep_alive_secs: 0,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

fn connect_error(connect: Connect) -> Option<EncodeError> {
    let version = connect.version;
    encode(version, Role::Client, &Packet::Connect(Box::new(connect)), NO_LIMIT).err()
}

// [MQTT-3.1.2-22 of 3.1.1]
#[test]
fn a_password_needs_a_user_name_before_5_0() {
    let password = Some(Secret(Bytes::from_static(b"p")));
    for version in OLDER {
        let refused = connect_error(Connect { password: password.clone(), ..connect(version) });
        assert_eq!(refused, Some(EncodeError::PasswordWithoutUserName));
    }
    assert_eq!(connect_error(Connect { password, ..connect(Version::V5) }), None);
}

type Change = fn(&mut Connect);

#[test]
fn connect_on_the_older_versions_drops_nothing_silently() {
    for version in OLDER {
        let with = |change: Change| {
            let mut connect = connect(version);
            change(&mut connect);
            connect_error(connect)
        };
        let properties: [(Change, &str); 8] = [
            (|connect| connect.properties.receive_maximum = NonZeroU16::new(1), "a receive maximum"),
            (
                |connect| connect.properties.maximum_packet_size = Some(16.try_into().expect("not 0")),
                "a maximum packet size",
            ),
            (|connect| connect.properties.topic_alias_maximum = Some(1), "a topic alias maximum"),
            (
                |connect| connect.properties.request_response_information = Some(true),
                "request response information",
            ),
            (
                |connect| connect.properties.request_problem_information = Some(false),
                "request problem information",
            ),
            (|connect| connect.properties.user_properties.push((text("n"), text("v"))), "a user property"),
            (
                |connect| connect.properties.authentication_method = Some(text("m")),
                "an authentication method",
            ),
            (|connect| connect.will = Some(delayed_will()), "a will delay interval"),
        ];
        for (change, option) in properties {
            assert_eq!(with(change), needs_5(option));
        }
        let expiring_will = |connect: &mut Connect| {
            let mut will = delayed_will();
            will.delay_secs = None;
            let mut properties = MessageProperties::default();
            properties.expiry_secs = Some(1);
            will.message = will.message.with_properties(properties);
            connect.will = Some(will);
        };
        assert_eq!(with(expiring_will), needs_5("a will property"));
        // Clean session says what a session expiry says.
        assert_eq!(with(|connect| connect.properties.session_expiry_secs = Some(7)), None);
    }
}

fn delayed_will() -> Will {
    Will { message: Message::new(topic("w"), "x"), delay_secs: Some(1) }
}

#[test]
fn connect_is_written_in_its_own_version_only() {
    let packet = Packet::Connect(Box::new(connect(Version::V5)));
    let refused = EncodeError::OtherVersion { asked: Version::V5, encoder: Version::V3_1 };
    assert_eq!(encode(Version::V3_1, Role::Client, &packet, NO_LIMIT), Err(refused));
}

#[test]
fn binary_data_longer_than_its_length_can_say_is_refused() {
    let long = || Bytes::from(vec![0; 65_536]);
    let too_long = |field| Some(EncodeError::FieldTooLong { field, bytes: 65_536 });
    let password =
        Connect { user_name: Some(text("u")), password: Some(Secret(long())), ..connect(Version::V3_1_1) };
    assert_eq!(connect_error(password), too_long("password"));
    let mut will = delayed_will();
    will.message.payload = long();
    assert_eq!(connect_error(Connect { will: Some(will), ..connect(Version::V5) }), too_long("will payload"));
    let mut properties = MessageProperties::default();
    properties.correlation_data = Some(long());
    let message = Message::new(topic("a"), "x").with_properties(properties);
    let error = publish(Version::V5, Role::Client, &message, &PublishHeader::default());
    assert_eq!(error, too_long("correlation data"));
}

fn subscribe(version: Version, filter_text: &str, change: fn(&mut Subscribe)) -> Option<EncodeError> {
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let mut subscribe = Subscribe {
        packet_id: id(1),
        subscriptions: vec![Subscription { filter: filter(filter_text), options }],
        subscription_id: None,
        user_properties: Vec::new(),
    };
    change(&mut subscribe);
    encode(version, Role::Client, &Packet::Subscribe(Box::new(subscribe)), NO_LIMIT).err()
}

// [MQTT-3.8.3-4 of 3.1.1]
#[test]
fn subscribe_on_the_older_versions_drops_nothing_silently() {
    for version in OLDER {
        let refused = |change| subscribe(version, "a", change);
        assert_eq!(refused(|packet| packet.subscriptions[0].options.no_local = true), needs_5("no local"));
        assert_eq!(
            refused(|packet| packet.subscriptions[0].options.retain_as_published = true),
            needs_5("retain as published")
        );
        assert_eq!(
            refused(|packet| packet.subscriptions[0].options.retain_handling = RetainHandling::Never),
            needs_5("retain handling")
        );
        assert_eq!(
            refused(|packet| packet.subscription_id = SubscriptionId::new(1)),
            needs_5("a subscription identifier")
        );
        assert_eq!(
            refused(|packet| packet.user_properties.push((text("n"), text("v")))),
            needs_5("a user property")
        );
        assert_eq!(refused(|_| {}), None);
    }
}

// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_is_refused() {
    let no_local: fn(&mut Subscribe) = |packet| packet.subscriptions[0].options.no_local = true;
    assert_eq!(subscribe(Version::V5, "$share/g/a", no_local), Some(EncodeError::NoLocalOnShared));
    assert_eq!(subscribe(Version::V5, "a", no_local), None);
}

// [MQTT-3.8.3-2] [MQTT-3.10.3-2] [MQTT-3.8.3-3 of 3.1.1] [MQTT-3.10.3-2 of 3.1.1]
#[test]
fn lists_are_never_empty() {
    for version in Version::ALL {
        let empty = |packet| Some(EncodeError::EmptyList { packet });
        let error = subscribe(version, "a", |packet| packet.subscriptions.clear());
        assert_eq!(error, empty(PacketType::Subscribe));
        let unsubscribe = Unsubscribe { packet_id: id(1), filters: Vec::new(), user_properties: Vec::new() };
        let unsubscribe = Packet::Unsubscribe(Box::new(unsubscribe));
        assert_eq!(
            encode(version, Role::Client, &unsubscribe, NO_LIMIT).err(),
            empty(PacketType::Unsubscribe)
        );
        let suback = SubAck { packet_id: id(1), reasons: Vec::new(), properties: AckProperties::default() };
        let suback = Packet::SubAck(Box::new(suback));
        assert_eq!(encode(version, Role::Server, &suback, NO_LIMIT).err(), empty(PacketType::SubAck));
    }
}

#[test]
fn each_side_sends_only_its_own_packets() {
    for version in Version::ALL {
        let (packet, sender) = (PacketType::PingReq, Role::Server);
        let error = encode(version, sender, &Packet::PingReq, NO_LIMIT).err();
        assert_eq!(error, Some(EncodeError::WrongSender { packet, sender }));
        let (packet, sender) = (PacketType::PingResp, Role::Client);
        let error = encode(version, sender, &Packet::PingResp, NO_LIMIT).err();
        assert_eq!(error, Some(EncodeError::WrongSender { packet, sender }));
    }
    let mut out = Outgoing::new();
    let encoder = Encoder::new(Version::V5, Role::Client, NO_LIMIT);
    let error =
        encoder.ack(&mut out, PacketType::SubAck, &Ack::success(id(1)), false).expect_err("no such ack");
    assert_eq!(error, EncodeError::WrongSender { packet: PacketType::SubAck, sender: Role::Client });
}

// [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.14.2-1]
#[test]
fn only_listed_reason_codes_are_sent() {
    let wrong = ReasonCode::ServerMoved;
    let ack = Ack::new(id(1), wrong);
    let packets = [
        Packet::PubAck(ack.clone()),
        Packet::PubRec(ack.clone()),
        Packet::PubRel(ack.clone()),
        Packet::PubComp(ack),
        Packet::Disconnect(Box::new(Disconnect::new(wrong))),
    ];
    for packet in packets {
        let refused = EncodeError::ReasonNotAllowed { packet: packet.packet_type(), reason: wrong };
        assert_eq!(encode(Version::V5, Role::Client, &packet, NO_LIMIT), Err(refused));
    }
}

// [MQTT-3.14.2-2]
#[test]
fn a_server_may_not_change_the_session_expiry_at_the_end() {
    let properties = DisconnectProperties { session_expiry_secs: Some(1), ..DisconnectProperties::default() };
    let packet = Packet::Disconnect(Box::new(Disconnect {
        reason: ReasonCode::ServerBusy,
        properties: Some(Box::new(properties)),
    }));
    let property = "session expiry interval";
    let refused = EncodeError::PropertyFromWrongSide { property, sender: Role::Server };
    assert_eq!(encode(Version::V5, Role::Server, &packet, NO_LIMIT), Err(refused));
}

#[test]
fn disconnect_on_the_older_versions_says_nothing() {
    let packet = |reason| Packet::Disconnect(Box::new(Disconnect::new(reason)));
    for version in OLDER {
        let refused = |role, packet: &Packet| encode(version, role, packet, NO_LIMIT).err();
        let with_will = packet(ReasonCode::DisconnectWithWill);
        assert_eq!(refused(Role::Client, &with_will), needs_5("the reason code of DISCONNECT"));
        let from_server = packet(ReasonCode::Success);
        assert_eq!(refused(Role::Server, &from_server), needs_5("DISCONNECT from the server"));
        assert_eq!(refused(Role::Client, &packet(ReasonCode::Success)), None);
    }
}

// [MQTT-4.12.0-5] [MQTT-3.15.2-1]
#[test]
fn auth_needs_5_0_a_method_and_a_reason_of_our_side() {
    let auth = |reason, method| {
        let user_properties = Vec::new();
        Packet::Auth(Box::new(Auth { reason, method, data: None, reason_string: None, user_properties }))
    };
    let going_on = auth(ReasonCode::ContinueAuthentication, Some(text("m")));
    for version in OLDER {
        let error = encode(version, Role::Client, &going_on, NO_LIMIT).err();
        assert_eq!(error, needs_5("enhanced authentication"));
    }
    let without = auth(ReasonCode::ContinueAuthentication, None);
    assert_eq!(encode(Version::V5, Role::Client, &without, NO_LIMIT), Err(EncodeError::AuthMethodMissing));
    let again = auth(ReasonCode::ReAuthenticate, Some(text("m")));
    let refused =
        EncodeError::ReasonNotAllowed { packet: PacketType::Auth, reason: ReasonCode::ReAuthenticate };
    assert_eq!(encode(Version::V5, Role::Server, &again, NO_LIMIT), Err(refused));
}

#[test]
fn authentication_data_needs_a_method() {
    let data = || Some(Secret(Bytes::from_static(b"d")));
    let mut connect = connect(Version::V5);
    connect.properties.authentication_data = data();
    assert_eq!(connect_error(connect), Some(EncodeError::AuthMethodMissing));
    let properties = ConnAckProperties { authentication_data: data(), ..ConnAckProperties::default() };
    let connack = ConnAck { session_present: None, reason: ReasonCode::Success, properties };
    let error = encode(Version::V5, Role::Server, &Packet::ConnAck(Box::new(connack)), NO_LIMIT);
    assert_eq!(error, Err(EncodeError::AuthMethodMissing));
}

#[test]
fn what_the_older_versions_cannot_tell_people_is_left_out() {
    let told =
        AckProperties { reason_string: Some(text("r")), user_properties: vec![(text("n"), text("v"))] };
    let mut ack = Ack::new(id(1), ReasonCode::NotAuthorized);
    ack.properties = Some(Box::new(told.clone()));
    let reasons = vec![ReasonCode::NotAuthorized, ReasonCode::GrantedQoS1];
    let suback = SubAck { packet_id: id(1), reasons, properties: told.clone() };
    let unsuback = UnsubAck { packet_id: id(1), reasons: vec![ReasonCode::NotAuthorized], properties: told };
    for version in OLDER {
        let written = |packet: &Packet| encode(version, Role::Server, packet, NO_LIMIT);
        assert_eq!(written(&Packet::PubRec(ack.clone())), Ok(hex("50 02 0001")));
        assert_eq!(written(&Packet::SubAck(Box::new(suback.clone()))), Ok(hex("90 04 0001 80 01")));
        assert_eq!(written(&Packet::UnsubAck(Box::new(unsuback.clone()))), Ok(hex("B0 02 0001")));
    }
}
