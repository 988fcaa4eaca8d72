//! Properties (section 2.2.2): their identifiers, reading a section of them, and those that several packets share.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::codec::error::DecodeErrorKind;
use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::writer::Writer;
use crate::packet::{AckProperties, Secret};
use crate::types::{MessageProperties, PayloadFormat, SubscriptionId, Text, UserProperties};

macro_rules! properties {
    ($($name:ident = $id:literal, $text:literal;)*) => {
        /// The properties by their identifiers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(clippy::enum_variant_names, reason = "user property is what the standard calls it")]
        pub(crate) enum Property {
            $($name = $id,)*
        }

        impl Property {
            const fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)*
                    _ => None,
                }
            }

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

properties! {
    PayloadFormat = 0x01, "payload format indicator";
    MessageExpiry = 0x02, "message expiry interval";
    ContentType = 0x03, "content type";
    ResponseTopic = 0x08, "response topic";
    CorrelationData = 0x09, "correlation data";
    SubscriptionId = 0x0B, "subscription identifier";
    SessionExpiry = 0x11, "session expiry interval";
    AssignedClientId = 0x12, "assigned client identifier";
    ServerKeepAlive = 0x13, "server keep alive";
    AuthenticationMethod = 0x15, "authentication method";
    AuthenticationData = 0x16, "authentication data";
    RequestProblemInformation = 0x17, "request problem information";
    WillDelay = 0x18, "will delay interval";
    RequestResponseInformation = 0x19, "request response information";
    ResponseInformation = 0x1A, "response information";
    ServerReference = 0x1C, "server reference";
    ReasonString = 0x1F, "reason string";
    ReceiveMaximum = 0x21, "receive maximum";
    TopicAliasMaximum = 0x22, "topic alias maximum";
    TopicAlias = 0x23, "topic alias";
    MaximumQoS = 0x24, "maximum QoS";
    RetainAvailable = 0x25, "retain available";
    UserProperty = 0x26, "user property";
    MaximumPacketSize = 0x27, "maximum packet size";
    WildcardSubscriptionAvailable = 0x28, "wildcard subscription available";
    SubscriptionIdsAvailable = 0x29, "subscription identifiers available";
    SharedSubscriptionAvailable = 0x2A, "shared subscription available";
}

/// Reads a section of properties. `take` reads the value of one that belongs here and says whether it does.
pub(crate) fn read_each(
    reader: &mut Reader<'_>,
    mut take: impl FnMut(Property, &mut Reader<'_>) -> Decoded<bool>,
) -> Decoded<()> {
    let bytes = reader.varint("property length")? as usize;
    let mut section = reader.section(bytes, "properties")?;
    while section.left() > 0 {
        let id = section.varint("property identifier")?;
        let property = Property::from_id(id).ok_or(DecodeErrorKind::UnknownProperty { id })?;
        if !take(property, &mut section)? {
            return Err(DecodeErrorKind::MisplacedProperty { property: property.name() });
        }
    }
    Ok(())
}

/// Reading the value of one property. All but user properties may be there once.
impl Property {
    pub(crate) fn once<T>(self, slot: &mut Option<T>, value: T) -> Decoded<bool> {
        if slot.is_some() {
            return Err(DecodeErrorKind::DuplicateProperty { property: self.name() });
        }
        *slot = Some(value);
        Ok(true)
    }

    pub(crate) fn read_u16(self, reader: &mut Reader<'_>, slot: &mut Option<u16>) -> Decoded<bool> {
        self.once(slot, reader.u16(self.name())?)
    }

    pub(crate) fn read_u32(self, reader: &mut Reader<'_>, slot: &mut Option<u32>) -> Decoded<bool> {
        self.once(slot, reader.u32(self.name())?)
    }

    pub(crate) fn read_text(self, reader: &mut Reader<'_>, slot: &mut Option<Text>) -> Decoded<bool> {
        self.once(slot, reader.text(self.name())?)
    }

    pub(crate) fn read_secret(self, reader: &mut Reader<'_>, slot: &mut Option<Secret>) -> Decoded<bool> {
        self.once(slot, Secret(reader.binary(self.name())?))
    }

    /// A byte that may be 0 or 1.
    pub(crate) fn read_flag(self, reader: &mut Reader<'_>, slot: &mut Option<bool>) -> Decoded<bool> {
        match reader.u8(self.name())? {
            value @ (0 | 1) => self.once(slot, value == 1),
            value => Err(self.forbidden(value.into())),
        }
    }

    /// A number that may not be 0.
    pub(crate) fn read_nonzero_u16(
        self,
        reader: &mut Reader<'_>,
        slot: &mut Option<NonZeroU16>,
    ) -> Decoded<bool> {
        match NonZeroU16::new(reader.u16(self.name())?) {
            Some(value) => self.once(slot, value),
            None => Err(self.forbidden(0)),
        }
    }

    /// A number that may not be 0.
    pub(crate) fn read_nonzero_u32(
        self,
        reader: &mut Reader<'_>,
        slot: &mut Option<NonZeroU32>,
    ) -> Decoded<bool> {
        match NonZeroU32::new(reader.u32(self.name())?) {
            Some(value) => self.once(slot, value),
            None => Err(self.forbidden(0)),
        }
    }

    pub(crate) fn read_subscription_id(self, reader: &mut Reader<'_>) -> Decoded<SubscriptionId> {
        let value = reader.varint(self.name())?;
        SubscriptionId::new(value).ok_or_else(|| self.forbidden(value))
    }

    pub(crate) const fn forbidden(self, value: u32) -> DecodeErrorKind {
        DecodeErrorKind::ForbiddenValue { field: self.name(), value }
    }
}

pub(crate) fn read_user_property(reader: &mut Reader<'_>, properties: &mut UserProperties) -> Decoded<bool> {
    // [MQTT-1.5.7-1] [MQTT-3.3.2-18]
    let name = reader.text("user property name")?;
    properties.push((name, reader.text("user property value")?));
    Ok(true)
}

/// Takes a property of an application message, in PUBLISH or in a will. The box is made when the first one comes.
pub(crate) fn read_message_property(
    property: Property,
    reader: &mut Reader<'_>,
    properties: &mut Option<Box<MessageProperties>>,
) -> Decoded<bool> {
    let slots = &mut **properties.get_or_insert_default();
    match property {
        Property::PayloadFormat => {
            let format = match reader.u8(property.name())? {
                0 => PayloadFormat::Unspecified,
                1 => PayloadFormat::Utf8,
                value => return Err(property.forbidden(value.into())),
            };
            property.once(&mut slots.payload_format, format)
        }
        Property::MessageExpiry => property.read_u32(reader, &mut slots.expiry_secs),
        Property::ContentType => property.read_text(reader, &mut slots.content_type),
        Property::ResponseTopic => {
            // [MQTT-3.3.2-13] [MQTT-3.3.2-14]
            let topic = reader.topic_name(property.name()).map_err(|kind| match kind {
                DecodeErrorKind::TopicName { error, .. } => DecodeErrorKind::ResponseTopic { error },
                other => other,
            })?;
            property.once(&mut slots.response_topic, topic)
        }
        Property::CorrelationData => {
            let bytes = reader.binary(property.name())?;
            property.once(&mut slots.correlation_data, bytes)
        }
        Property::UserProperty => read_user_property(reader, &mut slots.user_properties),
        _ => Ok(false),
    }
}

/// Reads the section of a packet that has only a Reason String and User Properties.
pub(crate) fn read_ack_properties(reader: &mut Reader<'_>) -> Decoded<AckProperties> {
    let mut properties = AckProperties::default();
    read_each(reader, |property, reader| match property {
        Property::ReasonString => property.read_text(reader, &mut properties.reason_string),
        Property::UserProperty => read_user_property(reader, &mut properties.user_properties),
        _ => Ok(false),
    })?;
    Ok(properties)
}

/// Writing a property, if there is one.
impl Writer<'_> {
    pub(crate) fn property_u8(&mut self, property: Property, value: Option<u8>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.u8(value);
        }
    }

    pub(crate) fn property_u16(&mut self, property: Property, value: Option<u16>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.u16(value);
        }
    }

    pub(crate) fn property_u32(&mut self, property: Property, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.u32(value);
        }
    }

    pub(crate) fn property_varint(&mut self, property: Property, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.varint(value);
        }
    }

    pub(crate) fn property_text(&mut self, property: Property, value: Option<&Text>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.text(value);
        }
    }

    pub(crate) fn property_binary(&mut self, property: Property, value: Option<&Bytes>) {
        if let Some(value) = value {
            self.u8(property as u8);
            self.binary(property.name(), value);
        }
    }

    pub(crate) fn user_properties(&mut self, properties: &[(Text, Text)]) {
        for (name, value) in properties {
            self.u8(Property::UserProperty as u8);
            self.text(name);
            self.text(value);
        }
    }

    pub(crate) fn ack_properties(&mut self, properties: &AckProperties, keep: Keep) {
        self.property_text(Property::ReasonString, keep.reason_string(&properties.reason_string));
        self.user_properties(keep.user_properties(&properties.user_properties));
    }

    /// The properties of an application message; `expiry_secs` stands for the one in `properties`.
    pub(crate) fn message_properties(&mut self, properties: &MessageProperties, expiry_secs: Option<u32>) {
        self.property_u8(Property::PayloadFormat, properties.payload_format.map(|format| format as u8));
        self.property_u32(Property::MessageExpiry, expiry_secs);
        self.property_text(Property::ContentType, properties.content_type.as_ref());
        if let Some(topic) = &properties.response_topic {
            self.u8(Property::ResponseTopic as u8);
            self.string(topic.as_bytes());
        }
        self.property_binary(Property::CorrelationData, properties.correlation_data.as_ref());
        self.user_properties(&properties.user_properties);
    }
}
