//! One lane of the send queue: publications in the order of their places, with gaps where one was taken out of the middle.
//! Knows no limits and no policies.

use alloc::collections::VecDeque;

use crate::session::PublicationId;
use crate::session::queued::Queued;
use crate::time::Timestamp;
use crate::types::QoS;

/// Publications that wait, sorted by place. A place is named by the publication that took it first; a newer one of the
/// same topic may have it now.
///
/// Whatever is taken out of the middle leaves a gap, so that nothing has to be moved. The first and the last place
/// are never gaps, and gaps are closed up once there are more of them than publications: a constant cost for each that is taken out.
#[derive(Debug)]
pub(crate) struct Places {
    places: VecDeque<Place>,
    waiting: usize,
}

/// A publication in a lane.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) queued: Queued,
    /// When it is to leave the queue unsent, if ever: its expiry, or its greatest age if that comes first.
    pub(crate) due: Option<Timestamp>,
}

/// Why a publication leaves the queue when its time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its message expiry interval is over.
    Expired,
    /// It has waited too long.
    TooOld,
}

#[derive(Debug)]
struct Place {
    name: PublicationId,
    waiting: Option<Waiting>,
}

/// Fewer gaps than this are not worth closing up.
const GAPS_KEPT: usize = 32;

impl Places {
    pub(crate) const fn new() -> Self {
        Self { places: VecDeque::new(), waiting: 0 }
    }

    /// Whether nobody waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.waiting
    }

    /// Takes the last place, under the publication's own name.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        let name = waiting.queued.publication;
        debug_assert!(self.places.back().is_none_or(|last| last.name < name), "publications are counted up");
        self.places.push_back(Place { name, waiting: Some(waiting) });
        self.waiting += 1;
    }

    /// The name of the first place.
    pub(crate) fn first(&self) -> Option<PublicationId> {
        self.places.front().map(|place| place.name)
    }

    /// Who has the last place.
    pub(crate) fn last(&self) -> Option<&Queued> {
        Some(&self.places.back()?.waiting.as_ref()?.queued)
    }

    /// Takes out the first.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let first = self.places.pop_front()?;
        self.waiting -= 1;
        self.trim();
        first.waiting
    }

    /// Who has a place.
    pub(crate) fn at(&self, place: PublicationId) -> Option<&Waiting> {
        let index = self.index(place)?;
        self.places.get(index)?.waiting.as_ref()
    }

    /// Takes out who has a place.
    pub(crate) fn take(&mut self, place: PublicationId) -> Option<Waiting> {
        let index = self.index(place)?;
        let waiting = self.places.get_mut(index)?.waiting.take()?;
        self.waiting -= 1;
        self.trim();
        if self.places.len() - self.waiting > self.waiting + GAPS_KEPT {
            self.places.retain(|place| place.waiting.is_some());
        }
        Some(waiting)
    }

    /// Gives a place to another publication; who had it.
    pub(crate) fn replace(&mut self, place: PublicationId, waiting: Waiting) -> Option<Waiting> {
        let index = self.index(place)?;
        self.places.get_mut(index)?.waiting.as_mut().map(|had| core::mem::replace(had, waiting))
    }

    /// Everybody, in order.
    pub(crate) fn into_queued(self) -> impl Iterator<Item = Queued> {
        self.places.into_iter().filter_map(|place| place.waiting).map(|waiting| waiting.queued)
    }

    fn index(&self, place: PublicationId) -> Option<usize> {
        self.places.binary_search_by_key(&place, |place| place.name).ok()
    }

    fn trim(&mut self) {
        while self.places.front().is_some_and(|place| place.waiting.is_none()) {
            self.places.pop_front();
        }
        while self.places.back().is_some_and(|place| place.waiting.is_none()) {
            self.places.pop_back();
        }
    }
}

/// One of the two lanes of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// QoS 1 and 2.
    Acknowledged,
    /// QoS 0.
    AtMostOnce,
}

impl Lane {
    /// The lane of messages with this QoS.
    pub(crate) const fn of(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => Self::AtMostOnce,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Self::Acknowledged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Message, TopicName};
    use alloc::vec::Vec;

    fn waiting(n: u64) -> Waiting {
        let message = Message::new(TopicName::from_static("topic").unwrap(), "x");
        Waiting { queued: Queued::new(PublicationId::new(n), message, None), due: None }
    }

    #[test]
    fn gaps_are_closed_up_so_that_they_never_outnumber_what_waits_by_much() {
        let mut lane = Places::new();
        (0..1_000).for_each(|n| lane.push(waiting(n)));
        for n in 1..999 {
            assert!(lane.take(PublicationId::new(n)).is_some());
            assert!(lane.take(PublicationId::new(n)).is_none(), "only once");
            assert!(lane.places.len() <= 2 * lane.waiting + GAPS_KEPT);
        }
        let order: Vec<u64> = lane.into_queued().map(|queued| queued.publication.as_u64()).collect();
        assert_eq!(order, [0, 999]);
    }

    #[test]
    fn the_first_and_the_last_place_are_never_gaps() {
        let mut lane = Places::new();
        (0..6).for_each(|n| lane.push(waiting(n)));
        lane.take(PublicationId::new(4));
        lane.take(PublicationId::new(5));
        assert_eq!(lane.last().unwrap().publication, PublicationId::new(3));
        lane.take(PublicationId::new(1));
        lane.take(PublicationId::new(0));
        assert_eq!(lane.first(), Some(PublicationId::new(2)));
        lane.pop();
        assert_eq!(lane.first(), Some(PublicationId::new(3)));
        lane.take(PublicationId::new(3));
        assert_eq!((lane.first(), lane.is_empty()), (None, true));
    }

    #[test]
    fn a_place_passes_on_with_its_name() {
        let mut lane = Places::new();
        (0..2).for_each(|n| lane.push(waiting(n)));
        let had = lane.replace(PublicationId::new(0), waiting(7)).unwrap();
        assert_eq!(had.queued.publication, PublicationId::new(0));
        assert_eq!(lane.at(PublicationId::new(0)).unwrap().queued.publication, PublicationId::new(7));
        assert_eq!(lane.pop().unwrap().queued.publication, PublicationId::new(7));
        assert!(lane.replace(PublicationId::new(0), waiting(8)).is_none());
    }
}
