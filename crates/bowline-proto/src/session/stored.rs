//! The durable form of a session: the journal's entries, and the state that they add up to.
//!
//! `StoredSession` is the reference for what a store must be able to give back; it does no I/O.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::session::outcomes::{KeyState, KeyedOutcome, OUTCOMES_MAX, Outcomes};
use crate::session::{PublicationId, SessionLoss};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, SubscriptionId, SubscriptionOptions, Text, TopicFilter};
use crate::version::Version;

/// One durable fact. Entries only ever add a fixed amount: nothing is rewritten when the window grows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store must handle every kind of entry")]
pub enum Entry {
    /// Whose the store is from now on. The first entry of a store, unless the broker is to choose the client identifier: then
    /// [`Established`](Self::Established) has it.
    Owned {
        /// The client identifier.
        client_id: Text,
    },
    /// The broker has a session for us: who we are to it (B9).
    Established(Identity),
    /// The session is new or was lost: inbound identifiers and retired ones mean nothing any more (B6). Whose the store is stays.
    SessionReset {
        /// Counts the sessions that this store has had.
        generation: u64,
    },
    /// A publication was accepted (B1), perhaps with a packet identifier at once (B2).
    Accepted(Accepted),
    /// A waiting publication got a packet identifier (B2).
    Assigned {
        /// Which publication.
        publication: PublicationId,
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// PUBREC came (B3).
    Pubrec {
        /// Which publication.
        publication: PublicationId,
    },
    /// The publication lost its packet identifier with the session and waits again, as a new one that may have been sent
    /// before.
    Requeued {
        /// Which publication.
        publication: PublicationId,
    },
    /// The publication is over (lazy after success without a key, B7 otherwise).
    Ended {
        /// Which publication.
        publication: PublicationId,
        /// Its packet identifier, if it must stay out of use because the broker may still know it.
        retired: Option<PacketId>,
        /// How it ended, if it has a key. To be kept for some time, in the same commit.
        outcome: Option<KeyedOutcome>,
    },
    /// The peer closed a connection: how often it has done so while each of these was sent and unanswered. Takes the place of
    /// the one before; those that it does not name any more have ended, and so may have some that it names.
    Blamed(Vec<Suspect>),
    /// A retired packet identifier may be used again.
    Unretired {
        /// Which one.
        packet_id: PacketId,
    },
    /// A QoS 2 message was taken by the application (B4).
    Received {
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// PUBREL came (B5).
    Released {
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// A subscription is wanted (B8).
    Wanted(Wanted),
    /// A subscription is not wanted any more (B8).
    Unwanted {
        /// Its filter.
        filter: TopicFilter,
    },
}

/// Who the client is to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store must keep every field")]
pub struct Identity {
    /// The client identifier, assigned or chosen.
    pub client_id: Text,
    /// The version that was negotiated: the session belongs to it.
    pub version: Version,
    /// The session expiry interval that was granted, in seconds.
    pub session_expiry_secs: u32,
    /// The name of the address that has the session, where each address is a broker of its own and has a name.
    pub holder: Option<Text>,
}

/// An accepted publication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store must keep every field")]
pub struct Accepted {
    /// Its name.
    pub publication: PublicationId,
    /// Everything that the application gave.
    pub message: Message,
    /// When it expires by the wall clock, if it does.
    pub deadline: Option<Timestamp>,
    /// Its packet identifier, if one was free at once.
    pub packet_id: Option<PacketId>,
    /// The key by which the application will ask how it ended, if it gave one.
    pub key: Option<Text>,
    /// What becomes of it if its session is lost once it was sent.
    pub on_session_loss: SessionLoss,
}

/// A publication that may be why the peer closes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store must keep every field")]
pub struct Suspect {
    /// Which publication.
    pub publication: PublicationId,
    /// How many connections the peer has closed while it was sent and unanswered, at least 1.
    pub closes: u32,
}

/// A wanted subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store must keep every field")]
pub struct Wanted {
    /// The filter.
    pub filter: TopicFilter,
    /// Its options.
    pub options: SubscriptionOptions,
    /// The Subscription Identifier that it is subscribed with, where there are any.
    pub subscription_id: Option<SubscriptionId>,
}

impl Entry {
    pub(crate) const fn publication(&self) -> Option<PublicationId> {
        match self {
            Self::Accepted(accepted) => Some(accepted.publication),
            Self::Assigned { publication, .. }
            | Self::Pubrec { publication }
            | Self::Requeued { publication }
            | Self::Ended { publication, .. } => Some(*publication),
            Self::Owned { .. }
            | Self::Established(_)
            | Self::SessionReset { .. }
            | Self::Blamed(_)
            | Self::Unretired { .. }
            | Self::Received { .. }
            | Self::Released { .. }
            | Self::Wanted(_)
            | Self::Unwanted { .. } => None,
        }
    }
}

/// A publication as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores outside of this crate")]
pub struct StoredPublication {
    /// Its name.
    pub publication: PublicationId,
    /// Everything that the application gave.
    pub message: Message,
    /// When it expires by the wall clock, if it does.
    pub deadline: Option<Timestamp>,
    /// How far it got.
    pub phase: StoredPhase,
    /// The key that the application gave it, if it did.
    pub key: Option<Text>,
    /// What becomes of it if its session is lost once it was sent.
    pub on_session_loss: SessionLoss,
}

/// How far a stored publication got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store must handle every phase")]
pub enum StoredPhase {
    /// No packet identifier yet.
    Waiting,
    /// No packet identifier any more: perhaps sent in a session that was lost, and waits among the others.
    Requeued,
    /// Perhaps sent, not answered.
    Sent {
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// PUBREC came.
    Released {
        /// Its packet identifier.
        packet_id: PacketId,
        /// Ascending in the order of the PUBRECs.
        order: u64,
    },
}

impl StoredPhase {
    /// Whether the publication is in the queue: it has no packet identifier.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting | Self::Requeued)
    }
}

/// The state that all entries of a session add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    client_id: Option<Text>,
    identity: Option<Identity>,
    generation: u64,
    publications: BTreeMap<PublicationId, StoredPublication>,
    last_publication: PublicationId,
    releases: u64,
    retired: BTreeSet<PacketId>,
    received: BTreeSet<PacketId>,
    wanted: BTreeMap<TopicFilter, Wanted>,
    suspects: Vec<Suspect>,
    outcomes: Outcomes,
}

impl Default for StoredSession {
    fn default() -> Self {
        Self::keeping(OUTCOMES_MAX)
    }
}

impl StoredSession {
    /// The empty session, which will remember so many ends of publications with a key: of more, the oldest fall out.
    pub const fn keeping(outcomes_max: usize) -> Self {
        Self {
            client_id: None,
            identity: None,
            generation: 0,
            publications: BTreeMap::new(),
            last_publication: PublicationId::new(0),
            releases: 0,
            retired: BTreeSet::new(),
            received: BTreeSet::new(),
            wanted: BTreeMap::new(),
            suspects: Vec::new(),
            outcomes: Outcomes::keeping(outcomes_max),
        }
    }

    /// Applies one committed entry. Entries about publications that are not there are without effect.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Owned { client_id } => self.client_id = Some(client_id.clone()),
            Entry::Established(identity) => {
                self.client_id = Some(identity.client_id.clone());
                self.identity = Some(identity.clone());
            }
            Entry::SessionReset { generation } => {
                self.identity = None;
                self.generation = *generation;
                self.received.clear();
                self.retired.clear();
            }
            Entry::Accepted(accepted) => self.accept(accepted),
            Entry::Assigned { publication, packet_id } => {
                self.set_phase(*publication, StoredPhase::Sent { packet_id: *packet_id });
            }
            Entry::Pubrec { publication } => self.release(*publication),
            Entry::Requeued { publication } => self.set_phase(*publication, StoredPhase::Requeued),
            Entry::Ended { publication, retired, outcome } => {
                self.retired.extend(retired);
                self.end(*publication, outcome.as_ref());
            }
            Entry::Blamed(suspects) => self.suspects.clone_from(suspects),
            Entry::Unretired { packet_id } => {
                self.retired.remove(packet_id);
            }
            Entry::Received { packet_id } => {
                self.received.insert(*packet_id);
            }
            Entry::Released { packet_id } => {
                self.received.remove(packet_id);
            }
            Entry::Wanted(wanted) => {
                self.wanted.insert(wanted.filter.clone(), wanted.clone());
            }
            Entry::Unwanted { filter } => {
                self.wanted.remove(filter);
            }
        }
    }

    fn accept(&mut self, accepted: &Accepted) {
        let phase =
            accepted.packet_id.map_or(StoredPhase::Waiting, |packet_id| StoredPhase::Sent { packet_id });
        self.last_publication = self.last_publication.max(accepted.publication);
        let stored = StoredPublication {
            publication: accepted.publication,
            message: accepted.message.clone(),
            deadline: accepted.deadline,
            phase,
            key: accepted.key.clone(),
            on_session_loss: accepted.on_session_loss,
        };
        if let Some(key) = &accepted.key {
            self.outcomes.begin(key, accepted.publication);
        }
        self.publications.insert(accepted.publication, stored);
    }

    fn end(&mut self, publication: PublicationId, outcome: Option<&KeyedOutcome>) {
        let Some(stored) = self.publications.remove(&publication) else { return };
        if let Some(key) = &stored.key {
            self.outcomes.end(key, publication, outcome.map(|outcome| outcome.outcome));
        }
    }

    fn release(&mut self, publication: PublicationId) {
        let Some(stored) = self.publications.get_mut(&publication) else { return };
        if let StoredPhase::Sent { packet_id } = stored.phase {
            self.releases += 1;
            stored.phase = StoredPhase::Released { packet_id, order: self.releases };
        }
    }

    fn set_phase(&mut self, publication: PublicationId, phase: StoredPhase) {
        if let Some(stored) = self.publications.get_mut(&publication) {
            stored.phase = phase;
        }
    }

    /// Waiting publications later than `after`, oldest first: at least one if there is any, and no more than fit in
    /// `bytes_max`.
    pub fn load(&self, after: PublicationId, bytes_max: usize) -> Vec<StoredPublication> {
        let mut bytes = 0;
        self.publications
            .range(after.next()..)
            .map(|(_, stored)| stored)
            .filter(|stored| stored.phase.is_waiting())
            .take_while(|stored| {
                let is_first = bytes == 0;
                bytes += stored.message.content_bytes();
                is_first || bytes <= bytes_max
            })
            .cloned()
            .collect()
    }

    /// What is known of a key: whether its publication goes on, and else how it ended.
    pub fn outcome(&self, key: &str) -> KeyState {
        self.outcomes.state(key)
    }

    /// Those of the last [`Entry::Blamed`] that have not ended.
    fn suspects(&self) -> Vec<Suspect> {
        let has_not_ended = |suspect: &&Suspect| self.publications.contains_key(&suspect.publication);
        self.suspects.iter().filter(has_not_ended).copied().collect()
    }

    /// What an engine starts from: everything but the tail of a queue longer than `queue_bytes_max`.
    pub fn recover(&self, queue_bytes_max: usize) -> Recovered {
        let mut flows: Vec<StoredPublication> =
            self.publications.values().filter(|stored| !stored.phase.is_waiting()).cloned().collect();
        flows.sort_by_key(|stored| match stored.phase {
            StoredPhase::Released { order, .. } => (1, order),
            StoredPhase::Sent { .. } | StoredPhase::Waiting | StoredPhase::Requeued => {
                (0, stored.publication.as_u64())
            }
        });
        let queue = if self.publications.len() > flows.len() {
            self.load(PublicationId::default(), queue_bytes_max)
        } else {
            Vec::new()
        };
        let after = queue.last().map(|stored| stored.publication).unwrap_or_default();
        let rest = self
            .publications
            .range(after.next()..)
            .filter(|(_, stored)| stored.phase.is_waiting())
            .map(|(_, stored)| stored.message.content_bytes());
        let (paged_messages, paged_bytes) = rest.fold((0, 0), |(n, sum), bytes| (n + 1, sum + bytes));
        Recovered {
            client_id: self.client_id.clone(),
            identity: self.identity.clone(),
            generation: self.generation,
            last_publication: self.last_publication,
            flows,
            queue,
            paged_messages,
            paged_bytes,
            retired: self.retired.iter().copied().collect(),
            received: self.received.iter().copied().collect(),
            wanted: self.wanted.values().cloned().collect(),
            suspects: self.suspects(),
        }
    }
}

/// What a store gives an engine to start from. The default is the empty session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores outside of this crate")]
pub struct Recovered {
    /// Whose the store is, also while the broker has no session for us.
    pub client_id: Option<Text>,
    /// Who we are to the broker, if it has a session for us.
    pub identity: Option<Identity>,
    /// Counts the sessions that this store has had.
    pub generation: u64,
    /// The last publication that was ever accepted.
    pub last_publication: PublicationId,
    /// Publications with a packet identifier: sent ones in send order, then released ones in PUBREC order.
    pub flows: Vec<StoredPublication>,
    /// The head of the queue, in order.
    pub queue: Vec<StoredPublication>,
    /// How many publications wait behind that head.
    pub paged_messages: usize,
    /// How many bytes wait behind that head.
    pub paged_bytes: usize,
    /// Packet identifiers that must stay out of use.
    pub retired: Vec<PacketId>,
    /// Inbound QoS 2 identifiers that are recorded and not released.
    pub received: Vec<PacketId>,
    /// The wanted subscriptions.
    pub wanted: Vec<Wanted>,
    /// The publications that may be why the peer closes connections, by number.
    pub suspects: Vec<Suspect>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{QoS, TopicName};

    // [MQTT-4.6.0-4] [MQTT-4.6.0-4 of 3.1.1]
    #[test]
    fn flows_come_back_in_the_order_of_sending_and_released_ones_behind_them_in_the_order_of_the_pubrecs() {
        let mut session = StoredSession::default();
        for n in 1..=5 {
            let topic = TopicName::from_static("t").unwrap();
            session.apply(&Entry::Accepted(Accepted {
                publication: PublicationId::new(n),
                message: Message::new(topic, "p").with_qos(QoS::ExactlyOnce),
                deadline: None,
                key: None,
                on_session_loss: SessionLoss::Indeterminate,
                packet_id: PacketId::new(100 - u16::try_from(n).unwrap()),
            }));
        }
        for n in [4, 1, 3] {
            session.apply(&Entry::Pubrec { publication: PublicationId::new(n) });
        }
        let flows = session.recover(usize::MAX).flows;
        let order: Vec<u64> = flows.iter().map(|flow| flow.publication.as_u64()).collect();
        assert_eq!(order, [2, 5, 4, 1, 3]);
    }
}
