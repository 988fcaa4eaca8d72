//! Which publications may be why the broker closes the connection. Knows no connection and no packets.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::session::PublicationId;
use crate::session::stored::Suspect;

/// From how many closes on a publication is sent alone.
const CLOSES_OF_SUSPECT: u32 = 2;

/// From how many closes on a publication that was alone is not sent again.
const CLOSES_OF_POISON: u32 = 3;

/// Counts, for each unfinished publication, the closes by the broker at which it was sent and unanswered. Holds at most what
/// was in flight at some close and has not ended.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    closes: BTreeMap<PublicationId, u32>,
    /// How many of them have reached the number from which they are sent alone.
    suspected: usize,
}

impl Suspects {
    /// What a store has kept of them.
    pub(crate) fn restore(stored: Vec<Suspect>) -> Self {
        let suspected = stored.iter().filter(|suspect| suspect.closes >= CLOSES_OF_SUSPECT).count();
        let closes = stored.into_iter().map(|suspect| (suspect.publication, suspect.closes)).collect();
        Self { closes, suspected }
    }

    /// What a store is to keep of them.
    pub(crate) fn to_stored(&self) -> Vec<Suspect> {
        self.closes.iter().map(|(&publication, &closes)| Suspect { publication, closes }).collect()
    }

    /// Whether anything has to be sent with care: one at a time, with nothing else unanswered.
    pub(crate) const fn is_careful(&self) -> bool {
        self.suspected > 0
    }

    /// The broker closed while this was unanswered. Returns how often that happened if it is too often, should it have been
    /// alone.
    pub(crate) fn blame(&mut self, publication: PublicationId) -> Option<u32> {
        let closes = self.closes.entry(publication).or_default();
        *closes = closes.saturating_add(1);
        self.suspected += usize::from(*closes == CLOSES_OF_SUSPECT);
        (*closes >= CLOSES_OF_POISON).then_some(*closes)
    }

    /// It has ended.
    #[inline]
    pub(crate) fn forget(&mut self, publication: PublicationId) {
        // Nearly always: no broker has closed on anything.
        if self.closes.is_empty() {
            return;
        }
        if let Some(closes) = self.closes.remove(&publication) {
            self.suspected -= usize::from(closes >= CLOSES_OF_SUSPECT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn care_begins_at_the_second_close_and_ends_with_the_last_suspect() {
        let (one, two) = (PublicationId::new(1), PublicationId::new(2));
        let mut suspects = Suspects::default();
        assert_eq!((suspects.blame(one), suspects.is_careful()), (None, false));
        assert_eq!((suspects.blame(one), suspects.is_careful()), (None, true));
        assert_eq!((suspects.blame(two), suspects.blame(two)), (None, None));
        assert_eq!((suspects.blame(one), suspects.blame(one)), (Some(3), Some(4)));
        suspects.forget(one);
        suspects.forget(one);
        assert!(suspects.is_careful(), "the other one is still a suspect");
        suspects.forget(two);
        assert!(!suspects.is_careful());
    }
}
