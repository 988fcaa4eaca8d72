//! What every state works on: the session, the streams, the requests, and what is to be told. Owns no connection.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::backoff::{BackoffState, Jitter};
use crate::client::addresses::{Address, AddressSessions, Rotation};
use crate::client::config::ClientConfig;
use crate::client::event::{Event, Outcome};
use crate::client::keys::Keys;
use crate::client::requests::Requests;
use crate::client::spent::SpentRoom;
use crate::client::stats::Stats;
use crate::client::streams::Streams;
use crate::client::suspects::Suspects;
use crate::client::versions::Versions;
use crate::routing::{Routes, StreamId};
use crate::rules::Rules;
use crate::session::PublicationId;
use crate::session::ended_filters::EndedFilters;
use crate::session::inbound::Inbound;
use crate::session::journal::{Gated, Journal};
use crate::session::outbound::{Outbound, OutboundFlow};
use crate::session::queued::Queued;
use crate::session::send_queue::SendQueue;
use crate::session::stored::{Entry, Identity};
use crate::session::subscriptions::Subscriptions;
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS, Text};

/// Everything that outlives a connection.
// The session state of section 4.1, kept while the session lasts. [MQTT-3.1.2-5] [MQTT-4.1.0-1] [MQTT-4.1.0-2]
// [MQTT-3.1.2-4 of 3.1.1] [MQTT-4.1.0-1 of 3.1.1] [MQTT-4.1.0-2 of 3.1.1]
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: ClientConfig,
    /// Of the version that is spoken, or was tried last.
    pub(crate) rules: &'static Rules,
    pub(crate) versions: Versions,
    pub(crate) outbound: Outbound,
    pub(crate) inbound: Inbound,
    pub(crate) queue: SendQueue,
    pub(crate) keys: Keys,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) ended: EndedFilters,
    pub(crate) journal: Journal,
    pub(crate) requests: Requests,
    pub(crate) suspects: Suspects,
    pub(crate) streams: Streams,
    pub(crate) routes: Routes,
    pub(crate) standing: Standing,
    pub(crate) backoff: BackoffState,
    pub(crate) rotation: Rotation,
    pub(crate) jitter: Jitter,
    pub(crate) stats: Stats,
    /// Whether the broker refused our credentials since it last accepted us.
    pub(crate) was_refused: bool,
    /// What the wall clock shows at `Timestamp::ZERO` of the engine's time, by its last reading.
    pub(crate) wall_offset: Duration,
    pub(crate) last_publication: PublicationId,
    pub(crate) events: VecDeque<Event>,
    /// Outcomes that wait for barrier B7, in order.
    pub(crate) unstored_outcomes: VecDeque<(PublicationId, Outcome)>,
    /// Flows that ended unsent and whose end is not durable: until it is, no flow's first PUBLISH leaves.
    pub(crate) unsent_ends: usize,
    pub(crate) spent: SpentRoom,
    /// Scratch space for routing, kept to save its allocation.
    pub(crate) matched: Vec<StreamId>,
    /// Something changed that may let an active connection send more; looked at once per `poll_output`, so that many
    /// packets and commands share one look.
    pub(crate) has_changed: bool,
    /// The caller asked for a connection while the last one was being closed.
    pub(crate) connects_after_closing: bool,
    pub(crate) wants_dial: bool,
    pub(crate) wants_close: bool,
}

/// Who we are to the broker, and whether it should have a session for us.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The client identifier, chosen or assigned.
    pub(crate) client_id: Text,
    /// Whether the broker acknowledged a connection of this session.
    pub(crate) is_established: bool,
    /// The address that has the session, or had the last one. `None` before the first connection, and if a loaded session was
    /// at an address that is not in the list or has no name.
    pub(crate) holder: Option<Address>,
    /// The address whose broker was made to throw an old session away, in the versions that need a connection for that.
    pub(crate) discarded_at: Option<Address>,
    /// CONNECTs without a CONNACK since the last connection, one that is under way included: each may have met a broker
    /// that had lost the session and made a new one, without subscriptions.
    pub(crate) unanswered_connects: u32,
    /// How long the session outlives its connection in seconds: what was last granted, or said in DISCONNECT.
    pub(crate) expiry_secs: u32,
    /// When the session ends unless a connection is made.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) generation: u64,
    /// What is in the journal.
    pub(crate) recorded: Option<Identity>,
}

impl Context {
    /// The wall clock's reading at this point of the engine's time.
    pub(crate) fn wall(&self, at: Timestamp) -> Timestamp {
        at + self.wall_offset
    }

    /// The engine's time at this reading of the wall clock.
    pub(crate) fn since_wall(&self, at: Timestamp) -> Timestamp {
        at - self.wall_offset
    }

    /// Events are told in the order in which they happened, messages in the order in which they arrived.
    // [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]
    #[inline]
    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Ends a publication successfully. Without a key it is told at once and recorded lazily (a resend after a crash is
    /// harmless); with one, the store is to remember it before it is told (B7).
    pub(crate) fn succeed(&mut self, publication: PublicationId, outcome: Outcome) {
        self.suspects.forget(publication);
        if !self.keys.is_empty()
            && let Some(keyed) = self.keys.end(publication, &outcome)
        {
            let entry = Entry::Ended { publication, retired: None, outcome: Some(keyed) };
            return self.end(entry, publication, outcome);
        }
        if self.journal.is_durable() {
            // A resend is harmless, and the next publication is stored soon.
            self.journal.record_lazily(Entry::Ended { publication, retired: None, outcome: None });
        }
        self.emit(Event::PublishEnded { publication, outcome });
    }

    /// Ends a publication any other way: told once it is recorded (B7). `retired` is its packet identifier, if that has
    /// to stay out of use.
    pub(crate) fn fail(&mut self, publication: PublicationId, retired: Option<PacketId>, outcome: Outcome) {
        self.suspects.forget(publication);
        let entry = Entry::Ended { publication, retired, outcome: self.keys.end(publication, &outcome) };
        self.end(entry, publication, outcome);
    }

    fn end(&mut self, entry: Entry, publication: PublicationId, outcome: Outcome) {
        match self.journal.record_before(entry, Gated::Outcome) {
            Some(_) => self.emit(Event::PublishEnded { publication, outcome }),
            None => self.unstored_outcomes.push_back((publication, outcome)),
        }
    }

    /// Ends a flow whose PUBLISH was not written on any connection. Until that is durable a store has it as sent, and would
    /// have it sent again behind whatever leaves now.
    // [MQTT-4.6.0-1] [MQTT-4.6.0-1 of 3.1.1]
    pub(crate) fn fail_unsent_flow(&mut self, flow: OutboundFlow, unsent: impl FnOnce(Message) -> Outcome) {
        self.fail_queued(flow.into_queued(), unsent);
        let waits = self.journal.wait(Gated::UnsentEnd).is_none();
        self.unsent_ends += usize::from(waits);
    }

    /// Ends a publication that waits. One that was sent in a lost session may have arrived, whatever became of it here.
    pub(crate) fn fail_queued(&mut self, queued: Queued, unsent: impl FnOnce(Message) -> Outcome) {
        let Queued { publication, message, is_in_doubt, .. } = queued;
        let qos = message.qos;
        let outcome = match unsent(message) {
            Outcome::Forbidden { message, limit } if is_in_doubt => {
                self.spent.message(message);
                Outcome::Indeterminate { limit: Some(limit) }
            }
            Outcome::Expired { message } | Outcome::Cancelled { message } if is_in_doubt => {
                self.spent.message(message);
                Outcome::Indeterminate { limit: None }
            }
            outcome => outcome,
        };
        self.fail_unsent(publication, qos, outcome);
    }

    /// Ends a publication that has no packet identifier any more, other than by success.
    pub(crate) fn fail_unsent(&mut self, publication: PublicationId, qos: QoS, outcome: Outcome) {
        if qos == QoS::AtMostOnce {
            self.emit(Event::PublishEnded { publication, outcome });
        } else {
            self.fail(publication, None, outcome);
        }
    }

    /// The session is new: what belonged to the old one is settled in one transaction (B6). Never-sent publications
    /// stay; sent QoS 1 ones are published again as new ones, and so are sent QoS 2 ones for which that was chosen; the others
    /// end, as nobody knows how.
    // [MQTT-3.2.2-5] [MQTT-3.1.2-4] [MQTT-3.1.2-6 of 3.1.1]
    pub(crate) fn reset_session(&mut self) {
        let had_session = self.standing.is_established;
        self.standing.is_established = false;
        self.standing.expires_at = None;
        self.standing.recorded = None;
        self.standing.generation += 1;
        self.journal.record(Entry::SessionReset { generation: self.standing.generation });
        self.inbound.on_session_lost();
        self.subscriptions.on_session_lost();
        self.ended.clear();
        self.outbound.ids.free_retired();
        let (mut requeued, mut indeterminate) = (0, 0);
        // Those that wait for PUBCOMP were published among the others, and in another order than that of their PUBRECs.
        let mut slots = self.outbound.all_in_order();
        slots.sort_by_key(|&slot| self.outbound.flow(slot).publication);
        for slot in slots.into_iter().rev() {
            let flow = self.outbound.finish(slot);
            if flow.ends_with_session() {
                indeterminate += 1;
                let publication = flow.publication;
                self.spent.message(flow.message);
                let outcome = Outcome::Indeterminate { limit: None };
                self.fail(publication, None, outcome);
            } else {
                requeued += 1;
                self.requeue(flow);
            }
        }
        if had_session && (self.config.session.outlives_connection() || requeued + indeterminate > 0) {
            self.emit(Event::SessionLost { requeued, indeterminate });
        }
    }

    fn requeue(&mut self, flow: OutboundFlow) {
        let publication = flow.publication;
        self.journal.record(Entry::Requeued { publication });
        self.queue.push_front(flow.into_queued());
    }

    /// Records who we are to the broker, if that is news (B9).
    pub(crate) fn establish(&mut self, session_expiry_secs: u32) {
        self.standing.is_established = true;
        self.standing.holder = Some(self.rotation.current());
        self.standing.expires_at = None;
        let outlives = self.config.session.outlives_connection();
        self.standing.expiry_secs = if outlives { session_expiry_secs } else { 0 };
        let identity = Identity {
            client_id: self.standing.client_id.clone(),
            version: self.rules.version,
            session_expiry_secs,
            holder: self.holder_name(),
        };
        if self.standing.recorded.as_ref() != Some(&identity) {
            self.journal.record(Entry::Established(identity.clone()));
            self.standing.recorded = Some(identity);
        }
    }

    /// The name of the address that has the session, where that matters: each is a broker of its own.
    fn holder_name(&self) -> Option<Text> {
        match (self.config.addresses.sessions, self.rotation.current()) {
            (AddressSessions::Independent, Address::Listed(number)) => {
                self.config.address_names.get(usize::from(number)).cloned()
            }
            (AddressSessions::Shared, _) | (_, Address::Redirected(_)) => None,
        }
    }

    /// What is to be said at the end of the client of publications whose outcome is not durable (B7). If the store has the
    /// publication and not its end, it goes on after a restart and must not be said to be over.
    pub(crate) fn take_unstored_outcomes(
        &mut self,
        unstored: &BTreeMap<PublicationId, bool>,
    ) -> Vec<(PublicationId, Outcome)> {
        let unended = self.journal.unended();
        let honest = |(publication, outcome)| match (unstored.get(&publication), unended.get(&publication)) {
            // Neither will be in the store, or both.
            (Some(false), _) | (Some(true), Some(true)) | (None, None) => (publication, outcome),
            (None, Some(false)) => (publication, Outcome::Stored),
            (Some(true), _) | (None, Some(true)) => (publication, Outcome::Indeterminate { limit: None }),
        };
        core::mem::take(&mut self.unstored_outcomes).into_iter().map(honest).collect()
    }

    /// A publication that was not stored and so was never accepted.
    pub(crate) fn fail_unstored(&mut self, publication: PublicationId, outcome: Outcome) {
        self.keys.remove(publication);
        self.emit(Event::PublishEnded { publication, outcome });
    }
}
