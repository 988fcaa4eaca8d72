//! Batches as an engine could give them, and some that it would not: chosen by a seed, with all kinds of entries.

use std::collections::BTreeMap;

use bowline::proto::types::message::PayloadFormat;
use bowline::proto::types::{Message, SubscriptionId, SubscriptionOptions};
use bowline::proto::{Timestamp, Version};
use bowline::store::{
    Accepted, Entry, Identity, KeyedOutcome, PublicationId, SessionLoss, StoredOutcome, StoredSession,
    Suspect, Wanted,
};
use bowline::{MessageProperties, PacketId, QoS, ReasonCode, RetainHandling, Text, TopicFilter, TopicName};
use bowline_testkit::random::Random;

/// Makes batches.
#[derive(Debug)]
pub(super) struct Script {
    random: Random,
    last: u64,
    generation: u64,
}

impl Script {
    pub(super) const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), last: 0, generation: 0 }
    }

    /// Up to `most` entries.
    pub(super) fn batch(&mut self, most: u64) -> Vec<Entry> {
        (0..=self.random.below(most)).map(|_| self.entry()).collect()
    }

    fn entry(&mut self) -> Entry {
        match self.random.below(16) {
            0..=4 => self.accepted(),
            5 | 6 => Entry::Assigned { publication: self.publication(), packet_id: self.packet_id() },
            7 | 8 => Entry::Pubrec { publication: self.publication() },
            9 | 10 => self.ended(),
            11 => Entry::Requeued { publication: self.publication() },
            12 => match self.random.below(4) {
                0 => Entry::Received { packet_id: self.packet_id() },
                1 => Entry::Released { packet_id: self.packet_id() },
                2 => self.blamed(),
                _ => Entry::Unretired { packet_id: self.packet_id() },
            },
            13 => self.wanted(),
            14 => Entry::Unwanted { filter: self.filter() },
            _ if self.random.once_in(4) => {
                self.generation += 1;
                Entry::SessionReset { generation: self.generation }
            }
            _ if self.random.once_in(3) => Entry::Owned {
                client_id: Text::try_from(format!("owner-{}", self.last)).expect("it is valid"),
            },
            _ => self.established(),
        }
    }

    fn accepted(&mut self) -> Entry {
        self.last += 1 + self.random.below(2);
        let packet_id = if self.random.once_in(2) { Some(self.packet_id()) } else { None };
        let deadline =
            if self.random.once_in(4) { Some(Timestamp::from_micros(self.random.next())) } else { None };
        let key = if self.random.once_in(3) { Some(self.key()) } else { None };
        let message = self.message();
        let publication = PublicationId::new(self.last);
        let on_session_loss = self.random.pick(&[SessionLoss::Indeterminate, SessionLoss::PublishAgain]);
        Entry::Accepted(Accepted { publication, message, deadline, packet_id, key, on_session_loss })
    }

    /// Of publications that are there, or were.
    fn blamed(&mut self) -> Entry {
        let suspects: BTreeMap<PublicationId, u32> =
            (0..self.random.below(4)).map(|_| (self.publication(), self.random.next() as u32)).collect();
        let suspect = |(publication, closes)| Suspect { publication, closes };
        Entry::Blamed(suspects.into_iter().map(suspect).collect())
    }

    fn ended(&mut self) -> Entry {
        let reason = self.random.pick(&[ReasonCode::Success, ReasonCode::NoMatchingSubscribers]);
        let closes = self.random.next() as u32;
        let is_downgraded = self.random.once_in(2);
        let outcome = self.random.pick(&[
            StoredOutcome::Acknowledged { reason, is_downgraded },
            StoredOutcome::Rejected { reason: ReasonCode::QuotaExceeded },
            StoredOutcome::Forbidden,
            StoredOutcome::Expired,
            StoredOutcome::Dropped,
            StoredOutcome::Cancelled,
            StoredOutcome::Indeterminate,
            StoredOutcome::Poison { closes },
        ]);
        Entry::Ended {
            publication: self.publication(),
            retired: if self.random.once_in(5) { Some(self.packet_id()) } else { None },
            outcome: if self.random.once_in(4) {
                None
            } else {
                Some(KeyedOutcome { key: self.key(), outcome })
            },
        }
    }

    fn established(&mut self) -> Entry {
        let number = self.random.below(100);
        Entry::Established(Identity {
            client_id: Text::try_from(format!("client-{number}")).expect("it is valid"),
            version: self.random.pick(&Version::ALL),
            session_expiry_secs: self.random.next() as u32,
            holder: if number < 50 {
                None
            } else {
                Some(Text::try_from(format!("broker-{number}")).expect("it is valid"))
            },
        })
    }

    fn wanted(&mut self) -> Entry {
        let mut options = SubscriptionOptions::new(self.qos());
        options.no_local = self.random.once_in(2);
        options.retain_as_published = self.random.once_in(2);
        options.retain_handling = RetainHandling::from_u8(self.random.below(3) as u8).expect("it is valid");
        let subscription_id = SubscriptionId::new(self.random.below(1 << 28) as u32);
        Entry::Wanted(Wanted { filter: self.filter(), options, subscription_id })
    }

    fn message(&mut self) -> Message {
        let topic = TopicName::try_from(format!("plant/{}", self.random.below(9))).expect("it is valid");
        let length = if self.random.once_in(20) { 9_000 } else { self.random.below(200) };
        let payload = vec![self.random.next() as u8; length as usize];
        let mut properties = MessageProperties::default();
        if self.random.once_in(3) {
            properties.payload_format =
                self.random.pick(&[None, Some(PayloadFormat::Utf8), Some(PayloadFormat::Unspecified)]);
            properties.expiry_secs = Some(self.random.next() as u32);
            properties.content_type = Some(Text::from_static("text/plain").expect("it is valid"));
        }
        if self.random.once_in(5) {
            properties.response_topic = Some(TopicName::from_static("answers").expect("it is valid"));
            properties.correlation_data = Some(vec![9; self.random.below(40) as usize].into());
            let pair = || {
                (Text::from_static("name").expect("it is valid"), Text::from_static("").expect("it is valid"))
            };
            properties.user_properties = (0..self.random.below(4)).map(|_| pair()).collect();
        }
        Message::new(topic, payload)
            .with_qos(self.qos())
            .with_retain(self.random.once_in(5))
            .with_properties(properties)
    }

    /// Mostly one of the last, and now and then one that never was.
    fn publication(&mut self) -> PublicationId {
        PublicationId::new((self.last + 2).saturating_sub(self.random.below(25)))
    }

    fn packet_id(&mut self) -> PacketId {
        PacketId::new(1 + self.random.below(300) as u16).expect("it is valid")
    }

    fn key(&mut self) -> Text {
        Text::try_from(format!("order-{}", self.random.below(KEYS))).expect("it is valid")
    }

    fn filter(&mut self) -> TopicFilter {
        TopicFilter::try_from(format!("plant/{}/#", self.random.below(12))).expect("it is valid")
    }

    fn qos(&mut self) -> QoS {
        self.random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }
}

/// How many keys there are.
const KEYS: u64 = 30;

/// Everything that a store can say, from the store and from the model: equal, or it is the store's fault.
pub(super) fn assert_same(store: &mut dyn bowline::store::SessionStore, model: &StoredSession, what: &str) {
    assert_eq!(answers_of(store), answers_of_model(model), "{what}");
}

/// What a store says to all that can be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    recovered: Vec<bowline::store::Recovered>,
    outcomes: Vec<bowline::store::KeyState>,
}

/// Recovers the whole queue and a part of it, so that what is counted is compared with what is there.
const QUEUE_BYTES: [usize; 2] = [usize::MAX, 300];

pub(super) fn answers_of(store: &mut dyn bowline::store::SessionStore) -> Answers {
    Answers {
        recovered: QUEUE_BYTES.map(|bytes| store.recover(bytes).expect("it can be opened")).into(),
        outcomes: (0..KEYS)
            .map(|key| store.outcome(&format!("order-{key}")).expect("it can be read"))
            .collect(),
    }
}

pub(super) fn answers_of_model(model: &StoredSession) -> Answers {
    Answers {
        recovered: QUEUE_BYTES.map(|bytes| model.recover(bytes)).into(),
        outcomes: (0..KEYS).map(|key| model.outcome(&format!("order-{key}"))).collect(),
    }
}

impl Answers {
    /// For where publications that were never reported may have used up numbers.
    pub(super) fn forget_last_publication(&mut self) {
        for recovered in &mut self.recovered {
            recovered.last_publication = PublicationId::default();
        }
    }
}
