//! Which publications of a batch have a key that is known already, so that they are not stored. Knows no store: asks whoever has
//! one.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::session::PublicationId;
use crate::session::journal::Batch;
use crate::session::outcomes::{KeyState, KeyedOutcome};
use crate::session::stored::{Accepted, Entry};
use crate::types::Text;

/// A publication that is not to be stored, as its key is that of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct KnownKey {
    /// The one that is refused.
    pub publication: PublicationId,
    /// What became of the earlier one; never [`KeyState::Unknown`].
    pub state: KeyState,
}

impl Batch {
    /// The publications of the batch whose keys are known: to the store, by what `ask` says of a key, or because an earlier one of
    /// the batch has it. In the order of the batch; none, and nothing is asked, if no publication has a key.
    ///
    /// To be asked before the batch is committed, with no commit in between. What is committed then is the batch
    /// [`without`](Self::without) them, and the answer to the engine, `Input::Persisted`, names them.
    ///
    /// # Errors
    /// What `ask` says.
    pub fn known_keys<E>(
        &self,
        mut ask: impl FnMut(&Text) -> Result<KeyState, E>,
    ) -> Result<Vec<KnownKey>, E> {
        let mut in_batch: BTreeMap<&Text, KeyState> = BTreeMap::new();
        let mut known: Vec<KnownKey> = Vec::new();
        for entry in self.entries.iter() {
            match entry {
                Entry::Accepted(Accepted { publication, key: Some(key), .. }) => {
                    let state = in_batch.get(key).map_or_else(|| ask(key), |state| Ok(*state))?;
                    if state == KeyState::Unknown {
                        in_batch.insert(key, KeyState::Pending(*publication));
                    } else {
                        known.push(KnownKey { publication: *publication, state });
                    }
                }
                // The end of one that is not stored is none for its key.
                Entry::Ended { publication, outcome: Some(KeyedOutcome { key, outcome }), .. }
                    if !names(&known, *publication) =>
                {
                    in_batch.insert(key, KeyState::Ended(*outcome));
                }
                _ => {}
            }
        }
        Ok(known)
    }

    /// The entries of the batch without the acceptance of these.
    pub fn without(&self, known: &[KnownKey]) -> Vec<Entry> {
        let is_kept = |entry: &&Entry| match entry {
            Entry::Accepted(accepted) => !names(known, accepted.publication),
            _ => true,
        };
        self.entries.iter().filter(is_kept).cloned().collect()
    }
}

/// Publications are accepted in ascending order.
fn names(known: &[KnownKey], publication: PublicationId) -> bool {
    known.binary_search_by_key(&publication, |known| known.publication).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionLoss;
    use crate::session::journal::Seq;
    use crate::session::outcomes::StoredOutcome;
    use crate::types::{Message, QoS, TopicName};
    use core::convert::Infallible;

    fn accepted(number: u64, key: &str) -> Entry {
        let topic = TopicName::from_static("t").unwrap();
        Entry::Accepted(Accepted {
            publication: PublicationId::new(number),
            message: Message::new(topic, "p").with_qos(QoS::AtLeastOnce),
            deadline: None,
            packet_id: None,
            key: (!key.is_empty()).then(|| key.try_into().unwrap()),
            on_session_loss: SessionLoss::Indeterminate,
        })
    }

    fn ended(number: u64, key: &str) -> Entry {
        let outcome = Some(KeyedOutcome { key: key.try_into().unwrap(), outcome: StoredOutcome::Cancelled });
        Entry::Ended { publication: PublicationId::new(number), retired: None, outcome }
    }

    fn refused(entries: &[Entry], stored: &[(&str, KeyState)]) -> Vec<(u64, KeyState)> {
        let batch = Batch { last: Seq::default(), entries: entries.into() };
        let known = batch.known_keys(|key| {
            let found = stored.iter().find(|(stored, _)| *stored == key.as_str());
            Ok::<_, Infallible>(found.map_or(KeyState::Unknown, |(_, state)| *state))
        });
        let known = known.unwrap();
        let kept = batch.without(&known);
        assert_eq!(kept.len() + known.len(), entries.len());
        assert!(known.iter().all(|known| kept.iter().all(|entry| match entry {
            Entry::Accepted(accepted) => accepted.publication != known.publication,
            _ => true,
        })));
        known.into_iter().map(|known| (known.publication.as_u64(), known.state)).collect()
    }

    #[test]
    fn a_key_is_known_by_the_store_or_by_an_earlier_publication_of_the_same_batch() {
        let ended_before = KeyState::Ended(StoredOutcome::Expired);
        let batch = [accepted(5, "new"), accepted(6, "old"), accepted(7, ""), accepted(8, "new")];
        let known = refused(&batch, &[("old", ended_before)]);
        assert_eq!(known, [(6, ended_before), (8, KeyState::Pending(PublicationId::new(5)))]);
        let cancelled = KeyState::Ended(StoredOutcome::Cancelled);
        let batch = [accepted(5, "k"), ended(5, "k"), accepted(6, "k"), accepted(7, "k")];
        assert_eq!(refused(&batch, &[]), [(6, cancelled), (7, cancelled)]);
        let batch = [ended(1, "k"), accepted(5, "k")];
        let pending = KeyState::Pending(PublicationId::new(1));
        assert_eq!(refused(&batch, &[("k", pending)]), [(5, cancelled)]);
    }

    #[test]
    fn the_end_of_a_publication_that_is_refused_is_no_end_of_its_key() {
        let pending = KeyState::Pending(PublicationId::new(1));
        let batch = [accepted(5, "k"), ended(5, "k"), accepted(6, "k")];
        assert_eq!(refused(&batch, &[("k", pending)]), [(5, pending), (6, pending)]);
    }

    #[test]
    fn a_store_that_cannot_be_asked_is_heard_and_one_without_keys_is_not_asked() {
        let batch = |entry| Batch { last: Seq::default(), entries: [entry].into() };
        assert_eq!(batch(accepted(5, "k")).known_keys(|_| Err("broken")), Err("broken"));
        assert_eq!(batch(accepted(5, "")).known_keys(|_| Err("broken")), Ok(Vec::new()));
    }
}
