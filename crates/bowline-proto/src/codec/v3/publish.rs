//! PUBLISH of 3.1 and 3.1.1: reading, and what cannot be written.

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::publish::{PublishParts, plain, read_qos};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v3::refuse;
use crate::packet::Packet;
use crate::types::{MessageProperties, QoS};
use crate::version::Version;

#[inline]
pub(crate) fn read(reader: &mut Reader<'_>, first: u8, version: Version) -> Decoded<Packet> {
    let qos = read_qos(first, version.rules().qos0_dup_is_error)?;
    let topic = reader.topic_name_or_empty("topic name")?;
    // [MQTT-4.7.3-1 of 3.1.1] [MQTT-3.3.2-1 of 3.1.1]
    if topic.is_none() {
        return Err(DecodeErrorKind::TopicMissing);
    }
    let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
    Ok(Packet::Publish(plain(first, qos, packet_id, topic, reader.rest())))
}

/// Properties have no place here. An expiry interval is left out: before 5.0 only the sender applies it.
pub(crate) fn check(parts: &PublishParts<'_>) -> Result<(), EncodeError> {
    refuse(&[
        (parts.alias.is_some(), "a topic alias"),
        (parts.subscription_ids.is_some_and(|ids| !ids.is_empty()), "a subscription identifier"),
        (parts.properties.is_some_and(MessageProperties::needs_version_5), "a message property"),
    ])
}
