//! The subscriptions that the application wants, whatever the broker knows of them. Survives reconnects.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use slab::Slab;

use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::types::{SubscriptionId, SubscriptionOptions, TopicFilter};

/// All wanted subscriptions, by filter and by Subscription Identifier.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    wanted: Slab<WantedSubscription>,
    by_filter: BTreeMap<TopicFilter, usize>,
    by_id: BTreeMap<SubscriptionId, usize>,
    next_id: u32,
}

/// One wanted subscription, shared by all streams with this filter.
#[derive(Debug)]
pub(crate) struct WantedSubscription {
    pub(crate) filter: TopicFilter,
    pub(crate) options: SubscriptionOptions,
    pub(crate) subscription_id: SubscriptionId,
    pub(crate) streams: Vec<StreamId>,
    /// What the broker granted in this session.
    pub(crate) granted: Option<ReasonCode>,
}

impl Subscriptions {
    /// No subscriptions; Subscription Identifiers start at or near `first_id`.
    pub(crate) const fn new(first_id: u32) -> Self {
        Self { wanted: Slab::new(), by_filter: BTreeMap::new(), by_id: BTreeMap::new(), next_id: first_id }
    }

    pub(crate) fn find(&self, filter: &TopicFilter) -> Option<&WantedSubscription> {
        self.by_filter.get(filter).map(|&slot| &self.wanted[slot])
    }

    pub(crate) fn find_mut(&mut self, filter: &TopicFilter) -> Option<&mut WantedSubscription> {
        let slot = *self.by_filter.get(filter)?;
        self.wanted.get_mut(slot)
    }

    /// The streams of the subscription with this identifier.
    pub(crate) fn streams_of_id(&self, id: SubscriptionId) -> Option<&[StreamId]> {
        self.by_id.get(&id).map(|&slot| self.wanted[slot].streams.as_slice())
    }

    /// Wants a filter for a stream; a filter that is wanted already is shared.
    pub(crate) fn want(
        &mut self,
        filter: &TopicFilter,
        options: SubscriptionOptions,
        stream: StreamId,
    ) -> &WantedSubscription {
        let slot = match self.by_filter.get(filter) {
            Some(&slot) => slot,
            None => {
                let id = self.unused_id();
                self.insert(filter.clone(), options, id)
            }
        };
        let wanted = &mut self.wanted[slot];
        // One that no stream uses may be asked for anew with other options.
        if wanted.options != options {
            (wanted.options, wanted.granted) = (options, None);
        }
        if !wanted.streams.contains(&stream) {
            wanted.streams.push(stream);
        }
        wanted
    }

    /// Puts a subscription of a loaded session in place; its streams come later.
    pub(crate) fn restore(
        &mut self,
        filter: TopicFilter,
        options: SubscriptionOptions,
        id: Option<SubscriptionId>,
    ) {
        let id = id.unwrap_or_else(|| self.unused_id());
        self.insert(filter, options, id);
    }

    /// Wants a filter no longer.
    pub(crate) fn remove(&mut self, filter: &TopicFilter) -> Option<WantedSubscription> {
        let slot = self.by_filter.remove(filter)?;
        let wanted = self.wanted.remove(slot);
        self.by_id.remove(&wanted.subscription_id);
        Some(wanted)
    }

    /// Takes a stream off all its filters; returns those that no stream is left for.
    pub(crate) fn remove_stream(&mut self, stream: StreamId) -> Vec<TopicFilter> {
        let mut unused = Vec::new();
        for (_, wanted) in &mut self.wanted {
            let before = wanted.streams.len();
            wanted.streams.retain(|&other| other != stream);
            if before > 0 && wanted.streams.is_empty() {
                unused.push(wanted.filter.clone());
            }
        }
        unused
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &WantedSubscription> {
        self.by_filter.values().map(|&slot| &self.wanted[slot])
    }

    /// The broker has forgotten them all.
    pub(crate) fn on_session_lost(&mut self) {
        for (_, wanted) in &mut self.wanted {
            wanted.granted = None;
        }
    }

    fn insert(&mut self, filter: TopicFilter, options: SubscriptionOptions, id: SubscriptionId) -> usize {
        let slot = self.wanted.insert(WantedSubscription {
            filter: filter.clone(),
            options,
            subscription_id: id,
            streams: Vec::new(),
            granted: None,
        });
        self.by_filter.insert(filter, slot);
        self.by_id.insert(id, slot);
        slot
    }

    /// Identifiers go round, so that late messages of an ended subscription do not reach a new one.
    fn unused_id(&mut self) -> SubscriptionId {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            match SubscriptionId::new(self.next_id) {
                Some(id) if !self.by_id.contains_key(&id) => return id,
                Some(_) => {}
                None => self.next_id = 0,
            }
        }
    }
}
