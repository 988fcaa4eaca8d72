//! How publications with a key ended, as a store keeps it: at most so many, the oldest fall out. Knows neither what was
//! published nor how the end came about.

use alloc::collections::BTreeMap;
use core::fmt;

use crate::reason::ReasonCode;
use crate::session::PublicationId;
use crate::types::Text;

/// The most bytes that a key can have.
pub const KEY_BYTES_MAX: usize = 1_024;

/// How many ends a [`StoredSession`](crate::session::StoredSession) keeps unless told otherwise.
pub const OUTCOMES_MAX: usize = 10_000;

/// How a publication with a key ended. Without what only people read, so that each takes little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store must keep every outcome")]
pub enum StoredOutcome {
    /// The broker has it.
    Acknowledged {
        /// Below 0x80.
        reason: ReasonCode,
        /// A QoS 2 publication that the broker treated as QoS 1.
        is_downgraded: bool,
    },
    /// The broker refused it.
    Rejected {
        /// 0x80 and above.
        reason: ReasonCode,
    },
    /// The limits of a connection forbade it; it was never sent.
    Forbidden,
    /// Its expiry interval passed before it could be sent.
    Expired,
    /// The limits of the send queue had it dropped before it was sent.
    Dropped,
    /// It was cancelled before it was sent.
    Cancelled,
    /// It was sent, and the broker may or may not have it.
    Indeterminate,
    /// Each time it was sent the broker closed the connection; the broker may or may not have it.
    Poison {
        /// How many connections the broker closed over it.
        closes: u32,
    },
}

impl StoredOutcome {
    /// Whether the broker has it.
    pub const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Acknowledged { .. })
    }
}

impl fmt::Display for StoredOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged { .. } => f.write_str("the broker has it"),
            Self::Rejected { reason } => write!(f, "the broker refused it: {reason}"),
            Self::Forbidden => f.write_str("a limit of the broker forbade it, and it was not sent"),
            Self::Expired => f.write_str("its expiry interval passed, and it was not sent"),
            Self::Dropped => f.write_str("the limits of the send queue had it dropped, and it was not sent"),
            Self::Cancelled => f.write_str("it was cancelled, and it was not sent"),
            Self::Indeterminate => f.write_str("it was sent, and nobody knows whether the broker has it"),
            Self::Poison { closes } => write!(f, "the broker closed {closes} connections over it"),
        }
    }
}

/// What is to be remembered of a publication with a key when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store must keep every field")]
pub struct KeyedOutcome {
    /// The key that the application gave.
    pub key: Text,
    /// How it ended.
    pub outcome: StoredOutcome,
}

/// What a store knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is unknown, going on or over")]
pub enum KeyState {
    /// No publication with it was accepted, or its end is so long ago that it has fallen out.
    Unknown,
    /// A publication with it was accepted and has not ended.
    Pending(PublicationId),
    /// The last publication with it has ended.
    Ended(StoredOutcome),
}

/// The keys that are known, and how their publications ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcomes {
    most: usize,
    pending: BTreeMap<Text, PublicationId>,
    ended: BTreeMap<Text, (u64, StoredOutcome)>,
    /// The keys of `ended` by age.
    order: BTreeMap<u64, Text>,
    next: u64,
}

impl Outcomes {
    /// None; at most so many ends will be kept.
    pub(crate) const fn keeping(most: usize) -> Self {
        Self { most, pending: BTreeMap::new(), ended: BTreeMap::new(), order: BTreeMap::new(), next: 0 }
    }

    /// A publication with this key is accepted.
    pub(crate) fn begin(&mut self, key: &Text, publication: PublicationId) {
        self.pending.insert(key.clone(), publication);
    }

    /// The publication with this key has ended; `None` if how is not to be kept.
    pub(crate) fn end(&mut self, key: &Text, publication: PublicationId, outcome: Option<StoredOutcome>) {
        if self.pending.get(key) == Some(&publication) {
            self.pending.remove(key);
        }
        let Some(outcome) = outcome else { return };
        if let Some((place, _)) = self.ended.insert(key.clone(), (self.next, outcome)) {
            self.order.remove(&place);
        }
        self.order.insert(self.next, key.clone());
        self.next += 1;
        if self.order.len() > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.ended.remove(&oldest);
        }
    }

    /// What is known of a key.
    pub(crate) fn state(&self, key: &str) -> KeyState {
        let Ok(key) = Text::try_from(key) else { return KeyState::Unknown };
        match (self.pending.get(&key), self.ended.get(&key)) {
            (Some(publication), _) => KeyState::Pending(*publication),
            (None, Some((_, outcome))) => KeyState::Ended(*outcome),
            (None, None) => KeyState::Unknown,
        }
    }
}
