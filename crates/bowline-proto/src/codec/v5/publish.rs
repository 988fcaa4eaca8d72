//! PUBLISH of 5.0 (section 3.3): reading, and its properties.

use alloc::boxed::Box;
use core::num::NonZeroU16;

use bytes::Bytes;

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::publish::{PublishParts, plain, read_qos};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_each, read_message_property};
use crate::codec::writer::Writer;
use crate::packet::{Packet, Publish};
use crate::reason::Role;
use crate::types::{MessageProperties, QoS, SubscriptionIds};

#[inline]
pub(crate) fn read(reader: &mut Reader<'_>, first: u8, sender: Role) -> Decoded<Packet> {
    let qos = read_qos(first, true)?;
    let topic = reader.topic_name_or_empty("topic name")?;
    let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
    if reader.skip_zero() {
        // [MQTT-3.3.2-1]
        if topic.is_none() {
            return Err(DecodeErrorKind::TopicMissing);
        }
        return Ok(Packet::Publish(plain(first, qos, packet_id, topic, reader.rest())));
    }
    with_properties(reader, sender, plain(first, qos, packet_id, topic, Bytes::new()))
}
/// Apart, so that what most messages need stays small.
#[inline(never)]
fn with_properties(reader: &mut Reader<'_>, sender: Role, plain: Publish) -> Decoded<Packet> {
    let properties = Properties::read(reader, sender)?;
    // [MQTT-3.3.2-1]
    if plain.topic.is_none() && properties.topic_alias.is_none() {
        return Err(DecodeErrorKind::TopicMissing);
    }
    Ok(Packet::Publish(Publish {
        topic_alias: properties.topic_alias,
        subscription_ids: properties.subscription_ids,
        payload: reader.rest(),
        properties: properties.content,
        ..plain
    }))
}

#[derive(Default)]
struct Properties {
    topic_alias: Option<NonZeroU16>,
    subscription_ids: SubscriptionIds,
    content: Option<Box<MessageProperties>>,
}

impl Properties {
    fn read(reader: &mut Reader<'_>, sender: Role) -> Decoded<Self> {
        let mut slots = Self::default();
        read_each(reader, |property, reader| match property {
            Property::TopicAlias => {
                // [MQTT-3.3.2-8]
                let alias = reader.u16(property.name())?;
                let alias = NonZeroU16::new(alias).ok_or(DecodeErrorKind::TopicAliasZero)?;
                property.once(&mut slots.topic_alias, alias)
            }
            Property::SubscriptionId => {
                // [MQTT-3.3.4-6]
                if sender == Role::Client {
                    let property = property.name();
                    return Err(DecodeErrorKind::PropertyFromWrongSide { property, sender });
                }
                // [MQTT-3.3.4-4]
                slots.subscription_ids.push(property.read_subscription_id(reader)?);
                Ok(true)
            }
            _ => read_message_property(property, reader, &mut slots.content),
        })?;
        Ok(slots)
    }
}

/// The size of the properties, without their length.
pub(crate) fn property_bytes(parts: &PublishParts<'_>) -> Result<u64, EncodeError> {
    Writer::count(|w| write_each(w, parts))
}

/// Writes the properties behind their length.
pub(crate) fn write_properties(w: &mut Writer<'_>, property_bytes: u32, parts: &PublishParts<'_>) {
    w.varint(property_bytes);
    write_each(w, parts);
}

fn write_each(w: &mut Writer<'_>, parts: &PublishParts<'_>) {
    w.property_u16(Property::TopicAlias, parts.alias.map(NonZeroU16::get));
    if let Some(ids) = parts.subscription_ids {
        for id in ids.iter() {
            w.property_varint(Property::SubscriptionId, Some(id.as_u32()));
        }
    }
    match parts.properties {
        Some(properties) => w.message_properties(properties, parts.expiry_secs),
        None => w.property_u32(Property::MessageExpiry, parts.expiry_secs),
    }
}
