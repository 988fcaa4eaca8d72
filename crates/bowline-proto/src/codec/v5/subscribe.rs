//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK of 5.0 (sections 3.8 to 3.11).

use alloc::vec::Vec;

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_ack_properties, read_each, read_user_property};
use crate::codec::v5::read_reason;
use crate::codec::writer::Writer;
use crate::packet::{PacketType, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe};
use crate::reason::{ReasonCode, Role};
use crate::types::{QoS, RetainHandling, SubscriptionId, SubscriptionOptions, UserProperties};

pub(crate) fn read(reader: &mut Reader<'_>) -> Decoded<Subscribe> {
    let packet_id = reader.packet_id()?;
    let mut subscription_id = None;
    let mut user_properties = UserProperties::new();
    read_each(reader, |property, reader| match property {
        Property::SubscriptionId => {
            let id = property.read_subscription_id(reader)?;
            property.once(&mut subscription_id, id)
        }
        Property::UserProperty => read_user_property(reader, &mut user_properties),
        _ => Ok(false),
    })?;
    let mut subscriptions = Vec::new();
    while reader.left() > 0 {
        let filter = reader.topic_filter()?;
        let options = read_options(reader)?;
        // [MQTT-3.8.3-4]
        if options.no_local && filter.share_name().is_some() {
            return Err(DecodeErrorKind::NoLocalOnShared);
        }
        subscriptions.push(Subscription { filter, options });
    }
    // [MQTT-3.8.3-2]
    if subscriptions.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "subscriptions" });
    }
    Ok(Subscribe { packet_id, subscriptions, subscription_id, user_properties })
}

const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
const RETAIN_HANDLING_SHIFT: u32 = 4;
const RESERVED: u8 = 0b1100_0000;

fn read_options(reader: &mut Reader<'_>) -> Decoded<SubscriptionOptions> {
    let value = reader.u8("subscription options")?;
    // [MQTT-3.8.3-5]
    if value & RESERVED != 0 {
        return Err(DecodeErrorKind::BadBits { field: "subscription options", value });
    }
    let forbidden = |field, value: u8| DecodeErrorKind::ForbiddenValue { field, value: value.into() };
    let qos = QoS::from_u8(value & 0b11).ok_or_else(|| forbidden("maximum QoS", 3))?;
    let handling = value >> RETAIN_HANDLING_SHIFT;
    Ok(SubscriptionOptions {
        qos,
        no_local: value & NO_LOCAL != 0,
        retain_as_published: value & RETAIN_AS_PUBLISHED != 0,
        retain_handling: RetainHandling::from_u8(handling)
            .ok_or_else(|| forbidden("retain handling", handling))?,
    })
}

pub(crate) fn check(subscribe: &Subscribe) -> Result<(), EncodeError> {
    // [MQTT-3.8.3-4]
    let no_local_on_shared = |subscription: &Subscription| {
        subscription.options.no_local && subscription.filter.share_name().is_some()
    };
    if subscribe.subscriptions.iter().any(no_local_on_shared) {
        return Err(EncodeError::NoLocalOnShared);
    }
    Ok(())
}

pub(crate) fn write(w: &mut Writer<'_>, subscribe: &Subscribe) {
    w.packet_id(subscribe.packet_id);
    w.section(|w| {
        w.property_varint(Property::SubscriptionId, subscribe.subscription_id.map(SubscriptionId::as_u32));
        w.user_properties(&subscribe.user_properties);
    });
    for Subscription { filter, options } in &subscribe.subscriptions {
        w.string(filter.as_bytes());
        w.u8(options.qos.as_u8()
            | if options.no_local { NO_LOCAL } else { 0 }
            | if options.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 }
            | (options.retain_handling as u8) << RETAIN_HANDLING_SHIFT);
    }
}

pub(crate) fn read_suback(reader: &mut Reader<'_>) -> Decoded<SubAck> {
    let packet_id = reader.packet_id()?;
    let properties = read_ack_properties(reader)?;
    let reasons = read_reasons(reader, PacketType::SubAck)?;
    Ok(SubAck { packet_id, reasons, properties })
}

pub(crate) fn write_suback(w: &mut Writer<'_>, suback: &SubAck, keep: Keep) {
    w.packet_id(suback.packet_id);
    w.section(|w| w.ack_properties(&suback.properties, keep));
    write_reasons(w, &suback.reasons);
}

pub(crate) fn read_unsubscribe(reader: &mut Reader<'_>) -> Decoded<Unsubscribe> {
    let packet_id = reader.packet_id()?;
    let mut user_properties = UserProperties::new();
    read_each(reader, |property, reader| match property {
        Property::UserProperty => read_user_property(reader, &mut user_properties),
        _ => Ok(false),
    })?;
    let mut filters = Vec::new();
    while reader.left() > 0 {
        filters.push(reader.topic_filter()?);
    }
    // [MQTT-3.10.3-2]
    if filters.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "topic filters" });
    }
    Ok(Unsubscribe { packet_id, filters, user_properties })
}

pub(crate) fn write_unsubscribe(w: &mut Writer<'_>, unsubscribe: &Unsubscribe) {
    w.packet_id(unsubscribe.packet_id);
    w.section(|w| w.user_properties(&unsubscribe.user_properties));
    for filter in &unsubscribe.filters {
        w.string(filter.as_bytes());
    }
}

pub(crate) fn read_unsuback(reader: &mut Reader<'_>) -> Decoded<UnsubAck> {
    let packet_id = reader.packet_id()?;
    let properties = read_ack_properties(reader)?;
    let reasons = read_reasons(reader, PacketType::UnsubAck)?;
    Ok(UnsubAck { packet_id, reasons, properties })
}

pub(crate) fn write_unsuback(w: &mut Writer<'_>, unsuback: &UnsubAck, keep: Keep) {
    w.packet_id(unsuback.packet_id);
    w.section(|w| w.ack_properties(&unsuback.properties, keep));
    write_reasons(w, &unsuback.reasons);
}

/// Reads one reason code per filter, to the end of the packet.
fn read_reasons(reader: &mut Reader<'_>, packet: PacketType) -> Decoded<Vec<ReasonCode>> {
    let mut reasons = Vec::with_capacity(reader.left());
    while reader.left() > 0 {
        reasons.push(read_reason(reader, packet, Role::Server)?);
    }
    if reasons.is_empty() {
        return Err(DecodeErrorKind::EmptyList { field: "reason codes" });
    }
    Ok(reasons)
}

fn write_reasons(w: &mut Writer<'_>, reasons: &[ReasonCode]) {
    for reason in reasons {
        w.u8(reason.as_u8());
    }
}
