//! Filters that were unsubscribed in this session. The broker may still send what it had started to send for them, and
//! nobody waits for that any more. Knows no streams.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::routing::{Routes, StreamId};
use crate::types::{SubscriptionId, TopicFilter, TopicName};

/// The filters that were unsubscribed last.
///
/// Bound: [`FILTERS_MAX`]. A late message of a filter that was unsubscribed longer ago counts as unmatched.
#[derive(Debug)]
pub(crate) struct EndedFilters {
    filters: VecDeque<(TopicFilter, Option<SubscriptionId>)>,
    ids: BTreeSet<SubscriptionId>,
    routes: Routes,
}

/// Most filters that are remembered.
const FILTERS_MAX: usize = 1_024;

/// All filters lead to the same place.
const NOBODY: StreamId = StreamId::new(0);

impl EndedFilters {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { filters: VecDeque::new(), ids: BTreeSet::new(), routes: Routes::with_seed(seed) }
    }

    /// Adds a filter, and the Subscription Identifier that it had if that is known.
    pub(crate) fn add(&mut self, filter: TopicFilter, id: Option<SubscriptionId>) {
        self.remove(&filter);
        if self.filters.len() == FILTERS_MAX
            && let Some((oldest, id)) = self.filters.pop_front()
        {
            self.routes.remove(&oldest, NOBODY);
            self.forget_id(id);
        }
        self.routes.insert(&filter, NOBODY);
        self.ids.extend(id);
        self.filters.push_back((filter, id));
    }

    fn remove(&mut self, filter: &TopicFilter) {
        if self.routes.remove(filter, NOBODY)
            && let Some(position) = self.filters.iter().position(|(other, _)| other == filter)
            && let Some((_, id)) = self.filters.remove(position)
        {
            self.forget_id(id);
        }
    }

    fn forget_id(&mut self, id: Option<SubscriptionId>) {
        if let Some(id) = id {
            self.ids.remove(&id);
        }
    }

    /// The broker has forgotten them all.
    pub(crate) fn clear(&mut self) {
        self.routes.remove_stream(NOBODY);
        self.filters.clear();
        self.ids.clear();
    }

    /// Whether any filter matches a topic.
    pub(crate) fn match_topic(&self, topic: &TopicName, scratch: &mut Vec<StreamId>) -> bool {
        if self.filters.is_empty() {
            return false;
        }
        self.routes.matches(topic, scratch);
        !scratch.is_empty()
    }

    /// Whether this was the Subscription Identifier of one of them.
    pub(crate) fn has_id(&self, id: SubscriptionId) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn id(value: u32) -> SubscriptionId {
        SubscriptionId::new(value).unwrap()
    }

    #[test]
    fn the_oldest_filter_is_forgotten_at_the_bound() {
        let mut ended = EndedFilters::with_seed(1);
        for n in 0..=FILTERS_MAX {
            let n = u32::try_from(n).unwrap();
            ended.add(TopicFilter::try_from(format!("a/{n}")).unwrap(), Some(id(n + 1)));
        }
        assert!(!ended.has_id(id(1)) && ended.has_id(id(2)));
        let covers =
            |text: &'static str| ended.match_topic(&TopicName::from_static(text).unwrap(), &mut Vec::new());
        assert!(!covers("a/0"));
        assert!(covers("a/1"));
        assert!(covers("a/1024"));
    }

    #[test]
    fn a_filter_that_ends_twice_is_kept_once_with_its_last_identifier() {
        let mut ended = EndedFilters::with_seed(1);
        let filter = TopicFilter::from_static("a/#").unwrap();
        ended.add(filter.clone(), Some(id(1)));
        ended.add(filter.clone(), Some(id(2)));
        assert!(!ended.has_id(id(1)) && ended.has_id(id(2)));
        ended.remove(&filter);
        let topic = TopicName::from_static("a/b").unwrap();
        assert!(!ended.has_id(id(2)));
        assert!(!ended.match_topic(&topic, &mut Vec::new()));
    }
}
