//! A map keyed by publications: ascending numbers that are mostly given back in the order in which they came. Knows not what for.

use std::collections::VecDeque;

use bowline_proto::session::PublicationId;

use crate::shared::number_map::{NumberMap, shrink_if_empty};

/// Places for the newest publications, in their order, which cost no hash; and a map for those that are left of earlier ones.
#[derive(Debug)]
pub(super) struct PublicationMap<V> {
    /// From the publication `first` on; `None` for one that is not in the map.
    recent: VecDeque<Option<V>>,
    first: u64,
    older: NumberMap<PublicationId, V>,
}

/// Places that are kept: beyond it, the oldest moves to the map of older ones.
const RECENT_MAX: usize = 4_096;

/// Places whose memory is kept after a burst.
const KEPT: usize = 64;

impl<V> Default for PublicationMap<V> {
    fn default() -> Self {
        Self { recent: VecDeque::new(), first: 0, older: NumberMap::default() }
    }
}

impl<V> PublicationMap<V> {
    /// Puts one in that is not there.
    #[inline]
    pub(super) fn insert(&mut self, publication: PublicationId, value: V) {
        let number = publication.as_u64();
        if self.recent.is_empty() {
            self.first = number;
        }
        if number == self.first + self.recent.len() as u64 && self.recent.len() < RECENT_MAX {
            self.recent.push_back(Some(value));
        } else {
            self.insert_apart(publication, value);
        }
    }

    /// Not the one behind the last, or too many.
    #[cold]
    fn insert_apart(&mut self, publication: PublicationId, value: V) {
        let number = publication.as_u64();
        if number < self.first + self.recent.len() as u64 {
            self.older.insert(publication, value);
            return;
        }
        while !self.recent.is_empty() && number - self.first >= RECENT_MAX as u64 {
            if let Some(oldest) = self.recent.pop_front().flatten() {
                self.older.insert(PublicationId::new(self.first), oldest);
            }
            self.first += 1;
        }
        if self.recent.is_empty() {
            self.first = number;
        }
        let place = usize::try_from(number - self.first).expect("it is less than RECENT_MAX");
        self.recent.resize_with(place, || None);
        self.recent.push_back(Some(value));
    }

    #[inline]
    pub(super) fn value_mut(&mut self, publication: PublicationId) -> Option<&mut V> {
        match self.place(publication).and_then(|place| self.recent.get_mut(place)) {
            Some(Some(value)) => Some(value),
            _ if self.older.is_empty() => None,
            _ => self.older.get_mut(&publication),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, publication: PublicationId) -> Option<V> {
        let found = self.place(publication).and_then(|place| self.recent.get_mut(place)?.take());
        if found.is_none() {
            return self.remove_older(publication);
        }
        while let Some(None) = self.recent.front() {
            self.recent.pop_front();
            self.first += 1;
        }
        if self.recent.is_empty() && self.recent.capacity() > 16 * KEPT {
            self.recent.shrink_to(KEPT);
        }
        found
    }

    fn remove_older(&mut self, publication: PublicationId) -> Option<V> {
        let found = self.older.remove(&publication);
        shrink_if_empty(&mut self.older);
        found
    }

    /// All values, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.recent.iter_mut().flatten().chain(self.older.values_mut())
    }

    fn place(&self, publication: PublicationId) -> Option<usize> {
        usize::try_from(publication.as_u64().checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> PublicationId {
        PublicationId::new(number)
    }

    #[test]
    fn one_that_stays_is_found_behind_more_than_there_are_places_for() {
        let mut map = PublicationMap::default();
        for number in 1..=3 * RECENT_MAX as u64 {
            map.insert(id(number), number);
            if number > 2 {
                assert_eq!(map.remove(id(number)), Some(number));
            }
            assert!(map.recent.len() <= RECENT_MAX, "{}", map.recent.len());
        }
        assert_eq!(map.value_mut(id(1)), Some(&mut 1));
        assert_eq!((map.remove(id(1)), map.remove(id(1))), (Some(1), None));
        assert_eq!((map.remove(id(2)), map.remove(id(3))), (Some(2), None));
    }

    #[test]
    fn a_gap_of_any_length_takes_no_more_places_than_there_are() {
        let mut map = PublicationMap::default();
        for number in [1, 2, 5_000, 1 << 40, u64::MAX - 1] {
            map.insert(id(number), number);
            assert!(map.recent.len() <= RECENT_MAX, "{}", map.recent.len());
        }
        for number in [2, 1 << 40, 1, u64::MAX - 1, 5_000] {
            assert_eq!(map.remove(id(number)), Some(number));
        }
        assert!(map.recent.is_empty() && map.older.is_empty());
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let mut map = PublicationMap::default();
        (1..4_000).for_each(|number| map.insert(id(number), [0_u64; 8]));
        (1..4_000).rev().for_each(|number| assert!(map.remove(id(number)).is_some()));
        assert!(map.recent.capacity() <= 2 * KEPT, "{}", map.recent.capacity());
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0_u8..4, 1_u64..3_000), 1..400)) {
            let (mut map, mut model, mut last) = (PublicationMap::default(), BTreeMap::new(), 0);
            for (kind, number) in steps {
                match kind {
                    0 => last += number,
                    1 => last += 1,
                    _ => {
                        let known = model.keys().nth(number as usize % model.len().max(1)).copied();
                        let wanted = known.filter(|_| kind == 2).unwrap_or(number);
                        prop_assert_eq!(map.value_mut(id(wanted)).copied(), model.get(&wanted).copied());
                        prop_assert_eq!(map.remove(id(wanted)), model.remove(&wanted));
                        continue;
                    }
                }
                map.insert(id(last), last);
                model.insert(last, last);
            }
            let mut values: Vec<u64> = map.values_mut().map(|value| *value).collect();
            values.sort_unstable();
            prop_assert_eq!(values, model.into_values().collect::<Vec<_>>());
        }
    }
}
