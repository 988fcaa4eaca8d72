//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK of 3.1 and 3.1.1.

use alloc::vec::Vec;

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v3::{check_no_user_properties, refuse};
use crate::codec::writer::Writer;
use crate::packet::{AckProperties, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe};
use crate::reason::ReasonCode;
use crate::types::{QoS, RetainHandling, SubscriptionOptions, UserProperties};

pub(crate) fn read(reader: &mut Reader<'_>) -> Decoded<Subscribe> {
    let packet_id = reader.packet_id()?;
    let mut subscriptions = Vec::new();
    while reader.left() > 0 {
        let filter = reader.topic_filter()?;
        let value = reader.u8("requested QoS")?;
        // [MQTT-3.8.3-4 of 3.1.1]
        let qos = QoS::from_u8(value).ok_or(DecodeErrorKind::BadBits { field: "requested QoS", value })?;
        subscriptions.push(Subscription { filter, options: SubscriptionOptions::new(qos) });
    }
    // [MQTT-3.8.3-3 of 3.1.1]
    if subscriptions.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "subscriptions" });
    }
    let user_properties = UserProperties::new();
    Ok(Subscribe { packet_id, subscriptions, subscription_id: None, user_properties })
}

pub(crate) fn check(subscribe: &Subscribe) -> Result<(), EncodeError> {
    refuse(&[(subscribe.subscription_id.is_some(), "a subscription identifier")])?;
    check_no_user_properties(&subscribe.user_properties)?;
    // [MQTT-3.8.3-4 of 3.1.1]
    subscribe.subscriptions.iter().try_for_each(|Subscription { options, .. }| {
        refuse(&[
            (options.no_local, "no local"),
            (options.retain_as_published, "retain as published"),
            (options.retain_handling != RetainHandling::OnSubscribe, "retain handling"),
        ])
    })
}

pub(crate) fn write(w: &mut Writer<'_>, subscribe: &Subscribe) {
    w.packet_id(subscribe.packet_id);
    for subscription in &subscribe.subscriptions {
        w.string(subscription.filter.as_bytes());
        w.u8(subscription.options.qos.as_u8());
    }
}

/// How these versions say that a subscription failed, for whatever reason.
const FAILURE: u8 = 0x80;

pub(crate) fn read_suback(reader: &mut Reader<'_>) -> Decoded<SubAck> {
    let packet_id = reader.packet_id()?;
    let mut reasons = Vec::with_capacity(reader.left());
    while reader.left() > 0 {
        // [MQTT-3.9.3-2 of 3.1.1]; 3.1 has no failure code, but some of its brokers send it.
        reasons.push(match reader.u8("return code")? {
            0 => ReasonCode::Success,
            1 => ReasonCode::GrantedQoS1,
            2 => ReasonCode::GrantedQoS2,
            FAILURE => ReasonCode::UnspecifiedError,
            code => return Err(DecodeErrorKind::ReasonNotAllowed { code }),
        });
    }
    if reasons.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "return codes" });
    }
    Ok(SubAck { packet_id, reasons, properties: AckProperties::default() })
}

pub(crate) fn write_suback(w: &mut Writer<'_>, suback: &SubAck) {
    w.packet_id(suback.packet_id);
    for &reason in &suback.reasons {
        w.u8(if reason.is_failure() { FAILURE } else { reason.as_u8() });
    }
}

pub(crate) fn read_unsubscribe(reader: &mut Reader<'_>) -> Decoded<Unsubscribe> {
    let packet_id = reader.packet_id()?;
    let mut filters = Vec::new();
    while reader.left() > 0 {
        filters.push(reader.topic_filter()?);
    }
    // [MQTT-3.10.3-2 of 3.1.1]
    if filters.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "topic filters" });
    }
    Ok(Unsubscribe { packet_id, filters, user_properties: UserProperties::new() })
}

pub(crate) fn write_unsubscribe(w: &mut Writer<'_>, unsubscribe: &Unsubscribe) {
    w.packet_id(unsubscribe.packet_id);
    for filter in &unsubscribe.filters {
        w.string(filter.as_bytes());
    }
}

pub(crate) fn read_unsuback(reader: &mut Reader<'_>) -> Decoded<UnsubAck> {
    let packet_id = reader.packet_id()?;
    Ok(UnsubAck { packet_id, reasons: Vec::new(), properties: AckProperties::default() })
}
