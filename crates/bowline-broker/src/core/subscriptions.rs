//! Who subscribes to what: the subscriptions of all sessions, and who gets a message. Knows no connection.

use std::collections::BTreeMap;

use bowline_proto::routing::{Routes, StreamId};
use bowline_proto::types::{SubscriptionId, SubscriptionIds, SubscriptionOptions};
use bowline_proto::{Message, QoS, TopicFilter};
use slab::Slab;

use crate::core::keys::SessionKey;

/// All subscriptions.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    routes: Routes,
    /// What the stream ids of `routes` stand for.
    entries: Slab<Entry>,
    groups: BTreeMap<TopicFilter, StreamId>,
    by_session: BTreeMap<SessionKey, BTreeMap<TopicFilter, StreamId>>,
    count: usize,
    /// Kept for their memory.
    matching: Vec<StreamId>,
    hits: Vec<Hit>,
}

#[derive(Debug)]
enum Entry {
    /// A subscription of one session.
    Own(Subscriber),
    /// A share name and filter with all who subscribe to it [MQTT-4.8.2-1].
    Group { members: Vec<Subscriber>, next: usize },
}

/// One session's part in a subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) session: SessionKey,
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<SubscriptionId>,
}

/// One copy of a message for one session.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) session: SessionKey,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) ids: SubscriptionIds,
}

/// How well a session can take a message now; the greater the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    /// It would be dropped.
    Never,
    /// It is connected and its queue is full.
    Full,
    /// It is not connected and has room.
    Away,
    /// It is connected and has room.
    Ready,
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    subscriber: Subscriber,
    is_shared: bool,
}

impl Subscriptions {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            routes: Routes::with_seed(seed),
            entries: Slab::new(),
            groups: BTreeMap::new(),
            by_session: BTreeMap::new(),
            count: 0,
            matching: Vec::new(),
            hits: Vec::new(),
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// How many a session has.
    pub(crate) fn len_of(&self, session: SessionKey) -> usize {
        self.by_session.get(&session).map_or(0, BTreeMap::len)
    }

    /// Whether a session has a subscription to exactly this filter.
    pub(crate) fn contains(&self, session: SessionKey, filter: &TopicFilter) -> bool {
        self.by_session.get(&session).is_some_and(|filters| filters.contains_key(filter))
    }

    /// Adds a subscription, or replaces the one that the session has to the same filter.
    // [MQTT-3.8.4-3] [MQTT-3.8.4-3 of 3.1.1]
    pub(crate) fn insert(&mut self, filter: &TopicFilter, subscriber: Subscriber) {
        let session = subscriber.session;
        let existing = self.by_session.get(&session).and_then(|filters| filters.get(filter)).copied();
        let stream = match existing {
            Some(stream) => {
                self.replace(stream, subscriber);
                return;
            }
            None if filter.share_name().is_some() => self.join_group(filter, subscriber),
            None => self.add_entry(filter, Entry::Own(subscriber)),
        };
        self.by_session.entry(session).or_default().insert(filter.clone(), stream);
        self.count += 1;
    }

    /// Ends a subscription; whether there was one.
    // [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-1 of 3.1.1]
    pub(crate) fn remove(&mut self, session: SessionKey, filter: &TopicFilter) -> bool {
        let Some(filters) = self.by_session.get_mut(&session) else { return false };
        let Some(stream) = filters.remove(filter) else { return false };
        if filters.is_empty() {
            self.by_session.remove(&session);
        }
        self.leave(session, filter, stream);
        true
    }

    /// Ends all subscriptions of a session.
    pub(crate) fn remove_session(&mut self, session: SessionKey) {
        for (filter, stream) in self.by_session.remove(&session).unwrap_or_default() {
            self.leave(session, &filter, stream);
        }
    }

    /// Puts everyone who gets a message into `targets`, which is emptied first.
    ///
    /// A session gets one copy for all of its subscriptions that match, with the highest QoS and all Subscription
    /// Identifiers, and one for each shared subscription that chose it. RETAIN stays if one of them wants it as
    /// published.
    // [MQTT-3.3.4-2] [MQTT-3.3.4-4] [MQTT-3.3.5-1 of 3.1.1]
    pub(crate) fn targets(
        &mut self,
        message: &Message,
        publisher: Option<SessionKey>,
        readiness: impl Fn(SessionKey) -> Readiness,
        targets: &mut Vec<Target>,
    ) {
        targets.clear();
        self.hits.clear();
        self.routes.matches(&message.topic, &mut self.matching);
        for stream in &self.matching {
            match &mut self.entries[stream.as_u32() as usize] {
                // [MQTT-3.8.3-3]
                Entry::Own(own) if own.options.no_local && publisher == Some(own.session) => {}
                Entry::Own(own) => self.hits.push(Hit { subscriber: *own, is_shared: false }),
                Entry::Group { members, next } => {
                    let subscriber = choose(members, next, &readiness);
                    self.hits.push(Hit { subscriber, is_shared: true });
                }
            }
        }
        if self.hits.len() > 1 {
            self.hits.sort_by_key(|hit| (hit.subscriber.session, hit.is_shared));
        }
        let mut last_own = None;
        for &Hit { subscriber, is_shared } in &self.hits {
            match targets.last_mut() {
                Some(target) if !is_shared && last_own == Some(subscriber.session) => {
                    target.merge(subscriber.target(message));
                }
                _ => targets.push(subscriber.target(message)),
            }
            last_own = (!is_shared).then_some(subscriber.session);
        }
    }

    fn replace(&mut self, stream: StreamId, subscriber: Subscriber) {
        match &mut self.entries[stream.as_u32() as usize] {
            Entry::Own(own) => *own = subscriber,
            Entry::Group { members, .. } => {
                let member = members.iter_mut().find(|member| member.session == subscriber.session);
                *member.expect("a session is in the groups that it lists") = subscriber;
            }
        }
    }

    fn join_group(&mut self, filter: &TopicFilter, subscriber: Subscriber) -> StreamId {
        if let Some(&stream) = self.groups.get(filter) {
            if let Entry::Group { members, .. } = &mut self.entries[stream.as_u32() as usize] {
                members.push(subscriber);
            }
            return stream;
        }
        let stream = self.add_entry(filter, Entry::Group { members: vec![subscriber], next: 0 });
        self.groups.insert(filter.clone(), stream);
        stream
    }

    fn add_entry(&mut self, filter: &TopicFilter, entry: Entry) -> StreamId {
        let slot = self.entries.insert(entry);
        let stream =
            StreamId::new(u32::try_from(slot).expect("each entry takes more than one byte of memory"));
        self.routes.insert(filter, stream);
        stream
    }

    fn leave(&mut self, session: SessionKey, filter: &TopicFilter, stream: StreamId) {
        self.count -= 1;
        let slot = stream.as_u32() as usize;
        if let Entry::Group { members, .. } = &mut self.entries[slot] {
            members.retain(|member| member.session != session);
            if !members.is_empty() {
                return;
            }
            self.groups.remove(filter);
        }
        self.entries.remove(slot);
        self.routes.remove(filter, stream);
    }
}

impl Subscriber {
    /// This session's copy of a message that matches now.
    // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.8.4-8] [MQTT-3.3.1-9 of 3.1.1] [MQTT-3.8.4-6 of 3.1.1]
    fn target(&self, message: &Message) -> Target {
        Target {
            session: self.session,
            qos: message.qos.min(self.options.qos),
            retain: message.retain && self.options.retain_as_published,
            ids: self.id.into_iter().collect(),
        }
    }

    /// This session's copy of a message that was retained before.
    // [MQTT-3.3.1-8 of 3.1.1]
    pub(crate) fn retained_target(&self, message: &Message) -> Target {
        Target { retain: true, ..self.target(message) }
    }
}

impl Target {
    fn merge(&mut self, other: Self) {
        self.qos = self.qos.max(other.qos);
        self.retain |= other.retain;
        for id in other.ids.iter() {
            self.ids.push(id);
        }
    }
}

/// The member whose turn it is among those that can take a message best. A message is never offered to a second one.
// [MQTT-4.8.2-3] [MQTT-4.8.2-5]
fn choose(
    members: &[Subscriber],
    next: &mut usize,
    readiness: &impl Fn(SessionKey) -> Readiness,
) -> Subscriber {
    let count = members.len();
    let (mut best, mut best_readiness) = (*next % count, Readiness::Never);
    for offset in 0..count {
        let at = (*next + offset) % count;
        let readiness = readiness(members[at].session);
        if offset == 0 || readiness > best_readiness {
            (best, best_readiness) = (at, readiness);
        }
        if readiness == Readiness::Ready {
            break;
        }
    }
    *next = (best + 1) % count;
    members[best]
}
