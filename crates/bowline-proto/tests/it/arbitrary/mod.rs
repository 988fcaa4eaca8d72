//! Strategies for everything that a packet is made of, for any test that wants legal values. Knows no bytes.

pub(crate) mod packet;
pub(crate) mod properties;

use std::num::{NonZeroU16, NonZeroU32};

use bowline_proto::packet::Secret;
use bowline_proto::types::{SubscriptionId, UserProperties};
use bowline_proto::{Bytes, PacketId, QoS, Role, Text, TopicFilter, TopicName, Version};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V3_1), Just(Version::V3_1_1), Just(Version::V5)]
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

/// Mostly short, sometimes so long that lengths take more bytes.
pub(crate) fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 100..20_000)].prop_map(Bytes::from)
}

/// A string without NUL.
pub(crate) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![8 => "[a-z/]{0,20}", 2 => "[^\0]{0,20}", 1 => "[a-zä\u{FEFF}]{60,200}"]
        .prop_map(|text| Text::try_from(text).expect("no NUL, and short"))
}

pub(crate) fn topic() -> impl Strategy<Value = TopicName> {
    prop_oneof![8 => "[a-z/$]{1,30}", 2 => "[^\0+#]{1,30}"]
        .prop_map(|topic| TopicName::try_from(topic).expect("no NUL, no wildcard, and not empty"))
}

pub(crate) fn filter() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof![2 => Just("+".to_owned()), 3 => "[^\0+#/]{0,8}"];
    let levels = (vec(level, 1..5), any::<bool>(), any::<bool>());
    levels.prop_map(|(mut levels, ends_open, is_shared)| {
        if ends_open {
            levels.push("#".to_owned());
        }
        let filter = levels.join("/");
        match (is_shared, filter.is_empty()) {
            (_, true) => TopicFilter::from_static("/"),
            (true, false) => TopicFilter::shared("group", &filter),
            (false, false) => TopicFilter::try_from(filter),
        }
        .expect("levels are whole")
    })
}

pub(crate) fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

pub(crate) fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).expect("not 0"))
}

pub(crate) fn subscription_id() -> impl Strategy<Value = SubscriptionId> {
    prop_oneof![1..300_u32, 1..=268_435_455_u32].prop_map(|id| SubscriptionId::new(id).expect("in range"))
}

pub(crate) fn nonzero_u16() -> impl Strategy<Value = NonZeroU16> {
    any::<NonZeroU16>()
}

pub(crate) fn nonzero_u32() -> impl Strategy<Value = NonZeroU32> {
    any::<NonZeroU32>()
}

pub(crate) fn secret() -> impl Strategy<Value = Secret> {
    bytes().prop_map(Secret)
}

pub(crate) fn user_properties() -> impl Strategy<Value = UserProperties> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec((text(), text()), 1..4)]
}
