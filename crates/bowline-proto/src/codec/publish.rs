//! What the versions share of PUBLISH: its flags, and writing it in one go. Their own parts are in v3 and v5.

use core::num::NonZeroU16;

use bytes::Bytes;

use crate::codec::encoder::Encoder;
use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::outgoing::{Outgoing, SHARED_PAYLOAD_BYTES_MIN};
use crate::codec::reader::Decoded;
use crate::codec::writer::{Writer, varint_bytes};
use crate::codec::{v3, v5};
use crate::packet::{Alias, PacketType, Publish, PublishHeader};
use crate::reason::Role;
use crate::types::varint::varint_len;
use crate::types::{Message, MessageProperties, PacketId, QoS, SubscriptionIds, TopicName};
use crate::version::Version;

/// Everything that a PUBLISH is written from.
#[derive(Debug)]
pub(crate) struct PublishParts<'a> {
    dup: bool,
    qos: QoS,
    retain: bool,
    packet_id: Option<PacketId>,
    /// Empty if the alias stands for it.
    topic: &'a [u8],
    pub(crate) alias: Option<NonZeroU16>,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) subscription_ids: Option<&'a SubscriptionIds>,
    pub(crate) properties: Option<&'a MessageProperties>,
    payload: &'a Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    property_bytes: u32,
    remaining_bytes: u32,
    packet_bytes: u32,
}

impl<'a> PublishParts<'a> {
    #[inline]
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

    pub(crate) fn packet_bytes(&self, encoder: &Encoder) -> Result<u32, EncodeError> {
        self.sizes(encoder).map(|sizes| sizes.packet_bytes)
    }

    #[inline]
    pub(crate) fn append(&self, encoder: &Encoder, out: &mut Outgoing) -> Result<(), EncodeError> {
        let sizes = self.sizes(encoder)?;
        let shared = self.payload.len() >= SHARED_PAYLOAD_BYTES_MIN;
        let copied_bytes = sizes.packet_bytes as usize - if shared { self.payload.len() } else { 0 };
        let flat = out.flat();
        flat.reserve(copied_bytes);
        flat.push(self.first_byte());
        let (length, used) = varint_bytes(sizes.remaining_bytes);
        flat.extend_from_slice(&length[..used]);
        flat.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        flat.extend_from_slice(self.topic);
        if let Some(id) = self.packet_id {
            flat.extend_from_slice(&id.as_u16().to_be_bytes());
        }
        if encoder.version() == Version::V5 {
            // [MQTT-2.2.2-1]
            if sizes.property_bytes == 0 {
                flat.push(0);
            } else {
                v5::publish::write_properties(&mut Writer::new(flat), sizes.property_bytes, self);
            }
        }
        if shared {
            out.push_shared(self.payload.clone());
        } else {
            flat.extend_from_slice(self.payload);
        }
        Ok(())
    }

    #[inline]
    fn sizes(&self, encoder: &Encoder) -> Result<Sizes, EncodeError> {
        self.check(encoder)?;
        let has_properties = self.has_properties();
        let mut remaining_bytes = 2 + self.topic.len() as u64 + self.payload.len() as u64;
        if self.packet_id.is_some() {
            remaining_bytes += 2;
        }
        let mut property_bytes = 0;
        if encoder.version() == Version::V5 {
            if has_properties {
                let bytes = v5::publish::property_bytes(self)?;
                // Refuses a section that is too long for its length field, because the packet is then too long too.
                encoder.packet_bytes(bytes)?;
                property_bytes = bytes as u32;
            }
            remaining_bytes += varint_len(property_bytes) as u64 + u64::from(property_bytes);
        } else if has_properties {
            v3::publish::check(self)?;
        }
        let packet_bytes = encoder.packet_bytes(remaining_bytes)?;
        Ok(Sizes { property_bytes, remaining_bytes: remaining_bytes as u32, packet_bytes })
    }

    #[inline]
    fn check(&self, encoder: &Encoder) -> Result<(), EncodeError> {
        match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, None) => {
                // [MQTT-3.3.1-2] [MQTT-4.3.1-1] [MQTT-3.3.1-2 of 3.1.1]
                if self.dup && encoder.version().rules().qos0_dup_is_error {
                    return Err(EncodeError::DupOnQoS0);
                }
            }
            // [MQTT-2.2.1-2] [MQTT-2.3.1-5 of 3.1.1]
            (QoS::AtMostOnce, Some(_)) => return Err(EncodeError::PacketIdOnQoS0),
            // [MQTT-2.2.1-3] [MQTT-2.3.1-1 of 3.1.1]
            (qos, None) => return Err(EncodeError::PacketIdMissing { qos }),
            (_, Some(_)) => {}
        }
        // [MQTT-3.3.4-6]
        if encoder.role() == Role::Client && self.subscription_ids.is_some_and(|ids| !ids.is_empty()) {
            let property = "subscription identifier";
            return Err(EncodeError::PropertyFromWrongSide { property, sender: Role::Client });
        }
        Ok(())
    }

    #[inline]
    fn has_properties(&self) -> bool {
        self.properties.is_some()
            || self.alias.is_some()
            || self.expiry_secs.is_some()
            || self.subscription_ids.is_some_and(|ids| !ids.is_empty())
    }

    #[inline]
    const fn first_byte(&self) -> u8 {
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
