//! The records of a store as bytes: see `docs/store-format.md`. Knows neither tables nor files.
//!
//! A record is checked as a whole by its checksum before it is taken apart. That is not enough to trust it: whoever can
//! write the file can write a checksum. So every length and every value is checked as well, and no input panics.

use bowline_proto::types::message::PayloadFormat;
use bowline_proto::types::{RetainHandling, SubscriptionId, SubscriptionOptions, UserProperties};
use bowline_proto::{Message, PacketId, QoS, ReasonCode, Text, Timestamp, TopicFilter, TopicName, Version};
use bytes::Bytes;

use crate::MessageProperties;
use crate::store::disk::fields::{BadRecord, Reader, put_long, put_short};
use crate::store::{
    Accepted, Identity, PublicationId, SessionLoss, StoredOutcome, StoredPhase, StoredPublication, Suspect,
    Wanted,
};

const RETAIN: u8 = 1 << 2;
const HAS_DEADLINE: u8 = 1 << 3;
const HAS_KEY: u8 = 1 << 4;
const HAS_PROPERTIES: u8 = 1 << 5;
const PUBLISH_AGAIN: u8 = 1 << 6;

const HAS_FORMAT: u8 = 1;
const IS_UTF8: u8 = 1 << 1;
const HAS_EXPIRY: u8 = 1 << 2;
const HAS_CONTENT_TYPE: u8 = 1 << 3;
const HAS_RESPONSE_TOPIC: u8 = 1 << 4;
const HAS_CORRELATION: u8 = 1 << 5;

const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;

/// A publication's content: everything but its phase, which changes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) message: Message,
    pub(super) deadline: Option<Timestamp>,
    pub(super) key: Option<Text>,
    pub(super) on_session_loss: SessionLoss,
}

impl Content {
    pub(super) fn with(self, publication: PublicationId, phase: StoredPhase) -> StoredPublication {
        let Self { message, deadline, key, on_session_loss } = self;
        StoredPublication { publication, message, deadline, phase, key, on_session_loss }
    }
}

pub(super) fn put_content(record: &mut Vec<u8>, accepted: &Accepted) -> Result<(), BadRecord> {
    let Accepted { message, deadline, key, on_session_loss, publication: _, packet_id: _ } = accepted;
    let mut flags = message.qos.as_u8();
    flags |= if message.retain { RETAIN } else { 0 };
    flags |= if deadline.is_some() { HAS_DEADLINE } else { 0 };
    flags |= if key.is_some() { HAS_KEY } else { 0 };
    flags |= if message.properties.is_some() { HAS_PROPERTIES } else { 0 };
    flags |= match on_session_loss {
        SessionLoss::Indeterminate => 0,
        SessionLoss::PublishAgain => PUBLISH_AGAIN,
    };
    record.push(flags);
    put_short(record, message.topic.as_bytes());
    put_long(record, &message.payload)?;
    if let Some(deadline) = deadline {
        record.extend_from_slice(&deadline.as_micros().to_le_bytes());
    }
    if let Some(key) = key {
        put_short(record, key.as_bytes());
    }
    if let Some(properties) = &message.properties {
        put_properties(record, properties)?;
    }
    Ok(())
}

pub(super) fn content(bytes: Bytes) -> Result<Content, BadRecord> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    let known = 0b11 | RETAIN | HAS_DEADLINE | HAS_KEY | HAS_PROPERTIES | PUBLISH_AGAIN;
    if flags & !known != 0 {
        return Err(BadRecord("it has flags that are not known"));
    }
    let qos = QoS::from_u8(flags & 0b11).ok_or(BadRecord("its QoS does not exist"))?;
    let topic = topic(reader.short()?)?;
    let payload = reader.long()?;
    let deadline = if flags & HAS_DEADLINE != 0 { Some(Timestamp::from_micros(reader.u64()?)) } else { None };
    let key = if flags & HAS_KEY != 0 { Some(text(reader.short()?)?) } else { None };
    let mut message = Message::new(topic, payload).with_qos(qos).with_retain(flags & RETAIN != 0);
    if flags & HAS_PROPERTIES != 0 {
        message.properties = Some(Box::new(properties(&mut reader)?));
    }
    let on_session_loss = match flags & PUBLISH_AGAIN {
        0 => SessionLoss::Indeterminate,
        _ => SessionLoss::PublishAgain,
    };
    reader.end()?;
    Ok(Content { message, deadline, key, on_session_loss })
}

fn put_properties(record: &mut Vec<u8>, properties: &MessageProperties) -> Result<(), BadRecord> {
    let start = record.len();
    record.push(0);
    let mut flags = match properties.payload_format {
        None => 0,
        Some(PayloadFormat::Unspecified) => HAS_FORMAT,
        Some(PayloadFormat::Utf8) => HAS_FORMAT | IS_UTF8,
    };
    if let Some(secs) = properties.expiry_secs {
        flags |= HAS_EXPIRY;
        record.extend_from_slice(&secs.to_le_bytes());
    }
    if let Some(content_type) = &properties.content_type {
        flags |= HAS_CONTENT_TYPE;
        put_short(record, content_type.as_bytes());
    }
    if let Some(topic) = &properties.response_topic {
        flags |= HAS_RESPONSE_TOPIC;
        put_short(record, topic.as_bytes());
    }
    if let Some(data) = &properties.correlation_data {
        flags |= HAS_CORRELATION;
        put_long(record, data)?;
    }
    record[start] = flags;
    let count = u32::try_from(properties.user_properties.len()).map_err(|_| BadRecord("it is too long"))?;
    record.extend_from_slice(&count.to_le_bytes());
    for (name, value) in &properties.user_properties {
        put_short(record, name.as_bytes());
        put_short(record, value.as_bytes());
    }
    Ok(())
}

fn properties(reader: &mut Reader) -> Result<MessageProperties, BadRecord> {
    let flags = reader.u8()?;
    let known = HAS_FORMAT | IS_UTF8 | HAS_EXPIRY | HAS_CONTENT_TYPE | HAS_RESPONSE_TOPIC | HAS_CORRELATION;
    if flags & !known != 0 || flags & (HAS_FORMAT | IS_UTF8) == IS_UTF8 {
        return Err(BadRecord("it has properties that are not known"));
    }
    let mut properties = MessageProperties::default();
    properties.payload_format = match (flags & HAS_FORMAT != 0, flags & IS_UTF8 != 0) {
        (false, _) => None,
        (true, false) => Some(PayloadFormat::Unspecified),
        (true, true) => Some(PayloadFormat::Utf8),
    };
    if flags & HAS_EXPIRY != 0 {
        properties.expiry_secs = Some(reader.u32()?);
    }
    if flags & HAS_CONTENT_TYPE != 0 {
        properties.content_type = Some(text(reader.short()?)?);
    }
    if flags & HAS_RESPONSE_TOPIC != 0 {
        properties.response_topic = Some(topic(reader.short()?)?);
    }
    if flags & HAS_CORRELATION != 0 {
        properties.correlation_data = Some(reader.long()?);
    }
    // Nothing is reserved for a number that only the file has claimed.
    let mut user_properties = UserProperties::new();
    for _ in 0..reader.u32()? {
        user_properties.push((text(reader.short()?)?, text(reader.short()?)?));
    }
    properties.user_properties = user_properties;
    Ok(properties)
}

/// `None` is that of a publication that has ended.
pub(super) fn put_phase(record: &mut Vec<u8>, phase: Option<StoredPhase>) {
    match phase {
        None => record.push(0),
        Some(StoredPhase::Sent { packet_id }) => {
            record.push(1);
            record.extend_from_slice(&packet_id.as_u16().to_le_bytes());
        }
        Some(StoredPhase::Released { packet_id, order }) => {
            record.push(2);
            record.extend_from_slice(&packet_id.as_u16().to_le_bytes());
            record.extend_from_slice(&order.to_le_bytes());
        }
        Some(StoredPhase::Requeued) => record.push(3),
        Some(StoredPhase::Waiting) => record.push(4),
    }
}

pub(super) fn phase(reader: &mut Reader) -> Result<Option<StoredPhase>, BadRecord> {
    Ok(match reader.u8()? {
        0 => None,
        1 => Some(StoredPhase::Sent { packet_id: packet_id(reader.u16()?)? }),
        2 => Some(StoredPhase::Released { packet_id: packet_id(reader.u16()?)?, order: reader.u64()? }),
        3 => Some(StoredPhase::Requeued),
        4 => Some(StoredPhase::Waiting),
        _ => return Err(BadRecord("its phase does not exist")),
    })
}

pub(super) fn put_identity(record: &mut Vec<u8>, identity: &Identity) {
    record.push(identity.version.level());
    record.push(u8::from(identity.holder.is_some()));
    record.extend_from_slice(&identity.session_expiry_secs.to_le_bytes());
    put_short(record, identity.client_id.as_bytes());
    if let Some(holder) = &identity.holder {
        put_short(record, holder.as_bytes());
    }
}

pub(super) fn identity(bytes: Bytes) -> Result<Identity, BadRecord> {
    let mut reader = Reader::new(bytes);
    let level = reader.u8()?;
    let version = Version::ALL.into_iter().find(|version| version.level() == level);
    let version = version.ok_or(BadRecord("its version of MQTT does not exist"))?;
    let has_holder = flag(reader.u8()?)?;
    let session_expiry_secs = reader.u32()?;
    let client_id = text(reader.short()?)?;
    let holder = if has_holder { Some(text(reader.short()?)?) } else { None };
    reader.end()?;
    Ok(Identity { client_id, version, session_expiry_secs, holder })
}

pub(super) fn put_wanted(record: &mut Vec<u8>, wanted: &Wanted) {
    let options = wanted.options;
    let mut flags = options.qos.as_u8() | (options.retain_handling as u8) << 4;
    flags |= if options.no_local { NO_LOCAL } else { 0 };
    flags |= if options.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 };
    record.push(flags);
    // 0 is no Subscription Identifier.
    record.extend_from_slice(&wanted.subscription_id.map_or(0, SubscriptionId::as_u32).to_le_bytes());
    put_short(record, wanted.filter.as_bytes());
}

pub(super) fn wanted(bytes: Bytes) -> Result<Wanted, BadRecord> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    let qos = QoS::from_u8(flags & 0b11).ok_or(BadRecord("its QoS does not exist"))?;
    let mut options = SubscriptionOptions::new(qos);
    options.no_local = flags & NO_LOCAL != 0;
    options.retain_as_published = flags & RETAIN_AS_PUBLISHED != 0;
    options.retain_handling =
        RetainHandling::from_u8(flags >> 4).ok_or(BadRecord("its retain handling does not exist"))?;
    let subscription_id = match reader.u32()? {
        0 => None,
        id => Some(SubscriptionId::new(id).ok_or(BadRecord("its Subscription Identifier does not exist"))?),
    };
    let filter =
        TopicFilter::try_from(reader.short()?).map_err(|_| BadRecord("its topic filter is not one"))?;
    reader.end()?;
    Ok(Wanted { filter, options, subscription_id })
}

pub(super) fn put_suspects(record: &mut Vec<u8>, suspects: &[Suspect]) {
    for Suspect { publication, closes } in suspects {
        record.extend_from_slice(&publication.as_u64().to_le_bytes());
        record.extend_from_slice(&closes.to_le_bytes());
    }
}

pub(super) fn suspects(bytes: Bytes) -> Result<Vec<Suspect>, BadRecord> {
    let mut reader = Reader::new(bytes);
    let mut suspects: Vec<Suspect> = Vec::new();
    while !reader.is_at_end() {
        let publication = PublicationId::new(reader.u64()?);
        if suspects.last().is_some_and(|last| last.publication >= publication) {
            return Err(BadRecord("its publications are not in order"));
        }
        suspects.push(Suspect { publication, closes: reader.u32()? });
    }
    Ok(suspects)
}

pub(super) fn put_outcome(record: &mut Vec<u8>, outcome: StoredOutcome) {
    match outcome {
        StoredOutcome::Acknowledged { reason, is_downgraded } => {
            record.extend_from_slice(&[1, reason.as_u8(), u8::from(is_downgraded)]);
        }
        StoredOutcome::Rejected { reason } => record.extend_from_slice(&[2, reason.as_u8()]),
        StoredOutcome::Forbidden => record.push(3),
        StoredOutcome::Expired => record.push(4),
        StoredOutcome::Dropped => record.push(5),
        StoredOutcome::Cancelled => record.push(6),
        StoredOutcome::Indeterminate => record.push(7),
        StoredOutcome::Poison { closes } => {
            record.push(8);
            record.extend_from_slice(&closes.to_le_bytes());
        }
    }
}

pub(super) fn outcome(bytes: Bytes) -> Result<StoredOutcome, BadRecord> {
    let mut reader = Reader::new(bytes);
    let outcome = match reader.u8()? {
        1 => {
            StoredOutcome::Acknowledged { reason: reason(reader.u8()?)?, is_downgraded: flag(reader.u8()?)? }
        }
        2 => StoredOutcome::Rejected { reason: reason(reader.u8()?)? },
        3 => StoredOutcome::Forbidden,
        4 => StoredOutcome::Expired,
        5 => StoredOutcome::Dropped,
        6 => StoredOutcome::Cancelled,
        7 => StoredOutcome::Indeterminate,
        8 => StoredOutcome::Poison { closes: reader.u32()? },
        _ => return Err(BadRecord("its outcome does not exist")),
    };
    reader.end()?;
    Ok(outcome)
}

pub(super) fn packet_id(value: u16) -> Result<PacketId, BadRecord> {
    PacketId::new(value).ok_or(BadRecord("it has packet identifier 0"))
}

pub(super) fn text(bytes: Bytes) -> Result<Text, BadRecord> {
    Text::try_from(bytes).map_err(|_| BadRecord("a text in it is not one of MQTT"))
}

fn topic(bytes: Bytes) -> Result<TopicName, BadRecord> {
    TopicName::try_from(bytes).map_err(|_| BadRecord("a topic name in it is not one"))
}

fn reason(code: u8) -> Result<ReasonCode, BadRecord> {
    ReasonCode::from_u8(code).ok_or(BadRecord("its reason code does not exist"))
}

fn flag(value: u8) -> Result<bool, BadRecord> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BadRecord("it is neither so nor so")),
    }
}
