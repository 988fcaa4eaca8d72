//! Finds those that wait in the send queue by their time, their name and their topic. Holds no message.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::session::PublicationId;
use crate::session::lane::{Lane, Waiting};
use crate::session::queued::Queued;
use crate::time::Timestamp;
use crate::types::{Message, TopicName};

/// What the send queue can be asked for besides its order.
#[derive(Debug)]
pub(crate) struct QueueIndex {
    /// When what is in memory is to leave unsent.
    due: BTreeSet<(Timestamp, PublicationId)>,
    /// Who waits in a place with another name than its own.
    moved: BTreeMap<PublicationId, PublicationId>,
    /// By topic and RETAIN flag, who waits where. Only kept where the newest replaces the one before.
    topics: Option<BTreeMap<(TopicName, bool), (Lane, PublicationId)>>,
}

impl QueueIndex {
    /// Without topics.
    pub(crate) const fn new() -> Self {
        Self { due: BTreeSet::new(), moved: BTreeMap::new(), topics: None }
    }

    /// With topics.
    pub(crate) fn by_topic() -> Self {
        Self { topics: Some(BTreeMap::new()), ..Self::new() }
    }

    /// Who is to leave next, and when.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<(Timestamp, PublicationId)> {
        self.due.first().copied()
    }

    /// The place where this publication waits, if it waits in one; another may have it by now.
    pub(crate) fn place_of(&self, publication: PublicationId) -> PublicationId {
        self.moved.get(&publication).copied().unwrap_or(publication)
    }

    /// Where the one of this message's topic and RETAIN flag waits.
    pub(crate) fn of_topic(&self, message: &Message) -> Option<(Lane, PublicationId)> {
        self.topics.as_ref()?.get(&topic_key(message)).copied()
    }

    /// Notes one that was put into a place.
    pub(crate) fn enter(&mut self, waiting: &Waiting, place: PublicationId) {
        let (publication, message) = (waiting.queued.publication, &waiting.queued.message);
        self.due.extend(waiting.due.map(|due| (due, publication)));
        if publication != place {
            self.moved.insert(publication, place);
        }
        if let Some(topics) = &mut self.topics {
            topics.insert(topic_key(message), (Lane::of(message.qos), place));
        }
    }

    /// Forgets one that was taken out. Where `is_vacant` is false, another has its place now.
    pub(crate) fn leave(&mut self, waiting: &Waiting, place: PublicationId, is_vacant: bool) {
        let publication = waiting.queued.publication;
        if let Some(due) = waiting.due {
            self.due.remove(&(due, publication));
        }
        if publication != place {
            self.moved.remove(&publication);
        }
        if let Some(topics) = self.topics.as_mut().filter(|_| is_vacant) {
            topics.remove(&topic_key(&waiting.queued.message));
        }
    }

    /// Notes one that waits in no place, because it was sent in a session that is lost.
    pub(crate) fn enter_again(&mut self, queued: &Queued) {
        self.due.extend(queued.deadline.map(|deadline| (deadline, queued.publication)));
    }

    /// Undoes that.
    pub(crate) fn leave_again(&mut self, queued: &Queued) {
        if let Some(deadline) = queued.deadline {
            self.due.remove(&(deadline, queued.publication));
        }
    }

    /// Whether nothing is noted.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let topics = self.topics.as_ref().is_none_or(BTreeMap::is_empty);
        topics && self.moved.is_empty() && self.due.is_empty()
    }
}

/// A retained message is news to later subscribers too, so one that is not retained does not stand in for it.
fn topic_key(message: &Message) -> (TopicName, bool) {
    (message.topic.clone(), message.retain)
}
