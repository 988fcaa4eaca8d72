//! What the versions share of PUBLISH: its flags, and everything that one is written from. Knows no layout.

use core::num::NonZeroU16;

use bytes::Bytes;

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::reader::Decoded;
use crate::packet::{Alias, PacketType, Publish, PublishHeader};
use crate::types::{Message, MessageProperties, PacketId, QoS, SubscriptionIds, TopicName};

/// Everything that a PUBLISH is written from.
#[derive(Debug)]
pub(crate) struct PublishParts<'a> {
    pub(crate) dup: bool,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) packet_id: Option<PacketId>,
    /// Empty if the alias stands for it.
    pub(crate) topic: &'a [u8],
    pub(crate) alias: Option<NonZeroU16>,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) subscription_ids: Option<&'a SubscriptionIds>,
    pub(crate) properties: Option<&'a MessageProperties>,
    pub(crate) payload: &'a Bytes,
}

impl<'a> PublishParts<'a> {
    #[inline(always)]
    pub(crate) fn new(message: &'a Message, header: &PublishHeader<'a>) -> Self {
        let (topic, alias) = match header.alias {
            None => (message.topic.as_bytes(), None),
            Some(Alias::Set(alias)) => (message.topic.as_bytes(), Some(alias)),
            Some(Alias::Use(alias)) => (&[][..], Some(alias)),
        };
        Self {
            dup: header.dup,
            qos: message.qos,
            retain: message.retain,
            packet_id: header.packet_id,
            topic,
            alias,
            expiry_secs: header.expiry_secs.or_else(|| message.expiry_secs()),
            subscription_ids: header.subscription_ids,
            properties: message.properties.as_deref(),
            payload: &message.payload,
        }
    }

    pub(crate) fn received(publish: &'a Publish) -> Result<Self, EncodeError> {
        if publish.topic.is_none() && publish.topic_alias.is_none() {
            return Err(EncodeError::TopicMissing);
        }
        let properties = publish.properties.as_deref();
        Ok(Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            packet_id: publish.packet_id,
            topic: publish.topic.as_ref().map_or(&[], TopicName::as_bytes),
            alias: publish.topic_alias,
            expiry_secs: properties.and_then(|properties| properties.expiry_secs),
            subscription_ids: Some(&publish.subscription_ids),
            properties,
            payload: &publish.payload,
        })
    }

    #[inline(always)]
    pub(crate) fn has_properties(&self) -> bool {
        self.properties.is_some()
            || self.alias.is_some()
            || self.expiry_secs.is_some()
            || self.subscription_ids.is_some_and(|ids| !ids.is_empty())
    }

    #[inline(always)]
    pub(crate) const fn first_byte(&self) -> u8 {
        PacketType::Publish.as_u8() << 4 | (self.dup as u8) << 3 | self.qos.as_u8() << 1 | self.retain as u8
    }
}

/// The QoS in the first byte, if it fits the DUP flag.
#[inline]
pub(crate) fn read_qos(first: u8, qos0_dup_is_error: bool) -> Decoded<QoS> {
    let flags = first & 0x0F;
    match QoS::from_u8(flags >> 1 & 0b11) {
        // [MQTT-3.3.1-2] [MQTT-3.3.1-2 of 3.1.1]
        Some(QoS::AtMostOnce) if qos0_dup_is_error && flags & 0b1000 != 0 => {
            Err(DecodeErrorKind::BadBits { field: "DUP flag on QoS 0", value: flags })
        }
        Some(qos) => Ok(qos),
        // [MQTT-3.3.1-4] [MQTT-3.3.1-4 of 3.1.1]
        None => Err(DecodeErrorKind::BadBits { field: "QoS 3 in the flags", value: flags }),
    }
}

/// A received PUBLISH without properties.
#[inline(always)]
pub(crate) fn plain(
    first: u8,
    qos: QoS,
    packet_id: Option<PacketId>,
    topic: Option<TopicName>,
    payload: Bytes,
) -> Publish {
    Publish {
        dup: first & 0b1000 != 0,
        qos,
        retain: first & 1 != 0,
        packet_id,
        topic,
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload,
        properties: None,
    }
}
