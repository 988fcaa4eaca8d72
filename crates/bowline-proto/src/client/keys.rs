//! The keys of publications that have not ended and are in memory, and what is kept of the end of one. Knows no store and
//! no connection.

use alloc::collections::BTreeMap;

use crate::client::event::Outcome;
use crate::error::RequestError;
use crate::session::PublicationId;
use crate::session::outcomes::{KEY_BYTES_MAX, KeyedOutcome, StoredOutcome};
use crate::types::{QoS, Text};

/// Which publication has which key. Those without a key cost one look into an empty map.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// That of the message which is being admitted.
    offered: Option<Text>,
    by_publication: BTreeMap<PublicationId, Text>,
    /// The first one with this key: further ones are there until the store refuses them.
    by_key: BTreeMap<Text, PublicationId>,
}

impl Keys {
    /// The next message that is recorded has this key.
    pub(crate) fn offer(&mut self, key: Text) {
        self.offered = Some(key);
    }

    /// The message that is recorded under this name has the key that was offered, if one was.
    pub(crate) fn enter(&mut self, publication: PublicationId) -> Option<Text> {
        let key = self.offered.take()?;
        self.add(publication, key.clone());
        Some(key)
    }

    /// The message was recorded and has its key, or it was not accepted.
    pub(crate) fn withdraw(&mut self) {
        self.offered = None;
    }

    /// A publication with a key is in memory.
    pub(crate) fn add(&mut self, publication: PublicationId, key: Text) {
        self.by_key.entry(key.clone()).or_insert(publication);
        self.by_publication.insert(publication, key);
    }

    /// Whether no publication in memory has a key.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_publication.is_empty()
    }

    /// It is over, or only in the store from now on. Returns its key, if it had one.
    pub(crate) fn remove(&mut self, publication: PublicationId) -> Option<Text> {
        let key = self.by_publication.remove(&publication)?;
        if self.by_key.get(&key) == Some(&publication) {
            self.by_key.remove(&key);
        }
        Some(key)
    }

    /// The publication in memory that has this key; of several the first.
    pub(crate) fn find(&self, key: &Text) -> Option<PublicationId> {
        self.by_key.get(key).copied()
    }

    /// It ends like this: what the store is to remember, if it has a key.
    pub(crate) fn end(&mut self, publication: PublicationId, outcome: &Outcome) -> Option<KeyedOutcome> {
        let key = self.remove(publication)?;
        stored_outcome(outcome).map(|outcome| KeyedOutcome { key, outcome })
    }
}

/// Whether a message of this QoS may have this key, in a session that is durable or not.
pub(crate) fn check_key(key: &Text, qos: QoS, is_durable: bool) -> Result<(), RequestError> {
    let problem = |problem| Err(RequestError::Option { option: "key", problem });
    if !is_durable {
        return problem("needs a durable session: nothing else could remember how it ended");
    }
    if qos == QoS::AtMostOnce {
        return problem("needs QoS 1 or 2: how QoS 0 ends is not known");
    }
    match key.len() {
        value @ (0 | KEY_BYTES_TOO_MANY..) => {
            Err(RequestError::OutOfRange { option: "key (bytes)", value, least: 1, most: KEY_BYTES_MAX })
        }
        _ => Ok(()),
    }
}

const KEY_BYTES_TOO_MANY: usize = KEY_BYTES_MAX + 1;

/// What is kept of an outcome; `None` for those that are no end of what the store has.
fn stored_outcome(outcome: &Outcome) -> Option<StoredOutcome> {
    Some(match outcome {
        Outcome::Acknowledged { reason, downgraded, .. } => {
            StoredOutcome::Acknowledged { reason: *reason, is_downgraded: *downgraded }
        }
        Outcome::Rejected { reason, .. } => StoredOutcome::Rejected { reason: *reason },
        Outcome::Forbidden { .. } => StoredOutcome::Forbidden,
        Outcome::Expired { .. } => StoredOutcome::Expired,
        Outcome::Dropped { .. } => StoredOutcome::Dropped,
        Outcome::Cancelled { .. } => StoredOutcome::Cancelled,
        Outcome::Indeterminate { .. } => StoredOutcome::Indeterminate,
        Outcome::Poison { closes } => StoredOutcome::Poison { closes: *closes },
        Outcome::NotSent { .. }
        | Outcome::Stored
        | Outcome::StoreFailed { .. }
        | Outcome::KeyKnown { .. } => return None,
    })
}
