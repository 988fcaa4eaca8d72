//! Entries as the checks need them. Knows no store.

use bowline_proto::session::stored::{Accepted, Identity, Suspect};
use bowline_proto::session::{Entry, KeyedOutcome, PublicationId, SessionLoss, StoredOutcome};
use bowline_proto::types::{Message, MessageProperties, PayloadFormat};
use bowline_proto::{PacketId, QoS, Text, Timestamp, TopicFilter, TopicName, Version};

pub(super) fn text(text: &str) -> Text {
    Text::try_from(text).expect("the checks use legal text")
}

pub(super) fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).expect("the checks use identifiers above 0")
}

pub(super) fn filter(filter: &str) -> TopicFilter {
    TopicFilter::try_from(filter).expect("the checks use legal filters")
}

pub(super) fn publication(number: u64) -> PublicationId {
    PublicationId::new(number)
}

pub(super) fn message(payload: &[u8], qos: QoS) -> Message {
    let topic = TopicName::try_from("check/topic").expect("it is legal");
    Message::new(topic, payload.to_vec()).with_qos(qos)
}

/// A message that has everything that a message can have, and a payload that is no text.
pub(super) fn full_message(number: u8) -> Message {
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Unspecified);
    properties.expiry_secs = Some(u32::from(number) + 1);
    properties.content_type = Some(text("application/octet-stream"));
    properties.response_topic = TopicName::try_from("answer/to/me").ok();
    properties.correlation_data = Some(vec![0, number, 255].into());
    properties.user_properties = vec![(text("b"), text("2")), (text("a"), text("")), (text("b"), text("1"))];
    message(&[0, 159, 146, 150, number], QoS::ExactlyOnce).with_retain(true).with_properties(properties)
}

pub(super) fn accepted(number: u64, payload: &[u8], id: Option<u16>) -> Entry {
    Entry::Accepted(Accepted {
        publication: publication(number),
        message: message(payload, QoS::ExactlyOnce),
        deadline: None,
        packet_id: id.map(packet_id),
        key: None,
        on_session_loss: SessionLoss::Indeterminate,
    })
}

pub(super) fn accepted_with_key(number: u64, key: &str) -> Entry {
    Entry::Accepted(Accepted {
        publication: publication(number),
        message: message(b"keyed", QoS::AtLeastOnce),
        deadline: Some(Timestamp::from_micros(number)),
        packet_id: None,
        key: Some(text(key)),
        on_session_loss: SessionLoss::Indeterminate,
    })
}

pub(super) fn ended(number: u64) -> Entry {
    Entry::Ended { publication: publication(number), retired: None, outcome: None }
}

pub(super) fn ended_with_key(number: u64, key: &str, outcome: StoredOutcome) -> Entry {
    let outcome = Some(KeyedOutcome { key: text(key), outcome });
    Entry::Ended { publication: publication(number), retired: None, outcome }
}

pub(super) fn assigned(number: u64, id: u16) -> Entry {
    Entry::Assigned { publication: publication(number), packet_id: packet_id(id) }
}

pub(super) fn pubrec(number: u64) -> Entry {
    Entry::Pubrec { publication: publication(number) }
}

/// The peer has closed over these publications, so many times.
pub(super) fn blamed(suspects: &[(u64, u32)]) -> Entry {
    let suspect = |&(number, closes)| Suspect { publication: publication(number), closes };
    Entry::Blamed(suspects.iter().map(suspect).collect())
}

pub(super) fn identity(client_id: &str, version: Version, holder: Option<&str>) -> Identity {
    Identity { client_id: text(client_id), version, session_expiry_secs: 3_600, holder: holder.map(text) }
}
