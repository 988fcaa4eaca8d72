//! What a turn under the lock causes and what is done without it. Knows no engine.

use std::sync::Arc;
use std::task::Waker;

use bowline_proto::client::DropReason;
use bowline_proto::{Timestamp, TopicFilter, TopicName};
use tracing::{debug, info, warn};

use crate::disconnection::TransportError;
use crate::event::Event;
use crate::outcome::{PublishError, PublishErrorKind};
use crate::shared::Shared;
use crate::shared::inbox::Item;
use crate::state::ConnectionState;
use crate::store::StoreError;

/// Collected under the lock, done after it.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(super) wakers: Vec<Waker>,
    pub(super) events: Vec<Event>,
    /// Messages that hold up acknowledgements.
    pub(super) stalls: Vec<Stall>,
    pub(super) state: Option<ConnectionState>,
    /// Messages that the send queue dropped: how many, and the last.
    dropped: Option<(u64, TopicName, DropReason)>,
    /// QoS 0 messages that full streams lost.
    pub(super) qos0_dropped: u64,
    /// What may be the application's and must not be dropped under the lock.
    pub(super) displaced: Vec<Item>,
    /// What transports, providers and hooks said and nobody asks for any more: the application's too.
    pub(crate) outdated: Vec<Arc<TransportError>>,
    pub(super) failed: Vec<PublishError>,
}

/// A message that holds up acknowledgements, by the engine's time.
#[derive(Debug)]
pub(super) struct Stall {
    pub(super) topic: TopicName,
    pub(super) filter: Option<TopicFilter>,
    pub(super) held: usize,
    pub(super) since: Timestamp,
}

impl Effects {
    /// A transport is being opened.
    pub(crate) fn connecting(&mut self) {
        self.state = Some(ConnectionState::Connecting);
    }

    /// The store failed.
    pub(crate) fn store_failed(&mut self, error: StoreError) {
        self.events.push(Event::StoreFailed { error });
    }

    /// The send queue dropped a message.
    pub(super) fn count_dropped(&mut self, topic: &TopicName, why: DropReason) {
        let messages = self.dropped.take().map_or(0, |(messages, ..)| messages);
        self.dropped = Some((messages + 1, topic.clone(), why));
    }

    /// Wakes, tells and drops. Leaves itself empty, to be used again.
    pub(crate) fn apply(&mut self, shared: &Shared) {
        if let Some(state) = self.state.take() {
            shared.state.send_replace(state);
        }
        self.displaced.clear();
        self.outdated.clear();
        if let Some((messages, topic, why)) = self.dropped.take() {
            self.events.push(Event::Dropped { topic, why, messages });
        }
        for error in self.failed.drain(..) {
            // Told together, above: a flood of them must not push out the rest.
            if matches!(error.kind(), PublishErrorKind::Dropped(_)) {
                continue;
            }
            let topic = error.message().map(|message| message.topic.clone());
            self.events.push(Event::PublishFailed { topic, kind: error.kind().clone() });
        }
        if self.qos0_dropped > 0 {
            self.events.push(Event::Qos0Dropped { messages: std::mem::take(&mut self.qos0_dropped) });
        }
        for Stall { topic, filter, held, since } in self.stalls.drain(..) {
            let since = shared.instant(since).into_std();
            self.events.push(Event::Stalled { topic, filter, held, since });
        }
        if !self.events.is_empty() {
            self.events.iter().for_each(log);
            shared.feed.tell(self.events.drain(..));
        }
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        // A burst must not be paid for by an idle connection.
        self.wakers.shrink_to(KEPT);
        self.events.shrink_to(0);
        self.stalls.shrink_to(0);
        self.failed.shrink_to(0);
        self.displaced.shrink_to(0);
        self.outdated.shrink_to(0);
    }
}

const KEPT: usize = 16;

fn log(event: &Event) {
    match event {
        Event::Connected(connection) => {
            info!(
                target: "bowline",
                version = %connection.version,
                client_id = %connection.client_id,
                session_present = ?connection.session_present,
                "connected"
            );
        }
        Event::Disconnected(why) if why.is_requested() => info!(target: "bowline", "{why}"),
        Event::Disconnected(why) => warn!(target: "bowline", "connection lost: {why}"),
        Event::Reconnecting { attempt, delay } => {
            info!(target: "bowline", attempt, ?delay, "connecting again");
        }
        Event::SessionLost { requeued, indeterminate } => {
            warn!(target: "bowline", requeued, indeterminate, "the broker has lost the session");
        }
        Event::Poison { topic, qos, closes } => {
            warn!(target: "bowline", %topic, ?qos, closes, "the broker closes whenever this message is sent: given up");
        }
        Event::StoreFailed { error } => warn!(target: "bowline", "the session store failed: {error}"),
        Event::PublishFailed { kind, .. } => debug!(target: "bowline", ?kind, "a publication failed"),
        Event::Dropped { why, messages, .. } => {
            warn!(target: "bowline", messages, "the send queue dropped messages, the last because {why}");
        }
        Event::Qos0Dropped { messages } => {
            warn!(target: "bowline", messages, "full streams lost QoS 0 messages");
        }
        event => debug!(target: "bowline", ?event),
    }
}
