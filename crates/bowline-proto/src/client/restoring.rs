//! What a client starts with: nothing, or what a store has kept of its session. Knows no connection.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::backoff::{BackoffState, Jitter};
use crate::client::addresses::{Address, AddressSessions, Rotation};
use crate::client::config::{ClientConfig, OnFull, SessionPolicy};
use crate::client::context::{Context, Standing};
use crate::client::keys::Keys;
use crate::client::requests::Requests;
use crate::client::spent::SpentRoom;
use crate::client::stats::Stats;
use crate::client::streams::Streams;
use crate::client::suspects::Suspects;
use crate::client::versions::Versions;
use crate::routing::Routes;
use crate::session::ended_filters::EndedFilters;
use crate::session::inbound::Inbound;
use crate::session::journal::Journal;
use crate::session::outbound::{FlowPhase, Outbound, RestoredFlow};
use crate::session::queued::Queued;
use crate::session::send_queue::SendQueue;
use crate::session::stored::{Entry, Recovered, StoredPhase, StoredPublication};
use crate::session::subscriptions::Subscriptions;
use crate::session::{PublicationId, packet_ids};
use crate::time::Timestamp;
use crate::types::{PacketId, Text};

pub(super) fn new_context(config: ClientConfig, seed: u64, now: Timestamp, wall: Timestamp) -> Context {
    let mut jitter = Jitter::new(seed);
    // A broker may hold half-done identifiers of an earlier life of this client: start at a random point.
    let first_id = match config.session {
        SessionPolicy::Clean => 1,
        SessionPolicy::InMemory { .. } | SessionPolicy::Durable { .. } => {
            1 + u16::try_from(jitter.below(packet_ids::PUBLICATIONS_MAX as u64)).unwrap_or(0)
        }
    };
    let first_subscription = u32::try_from(jitter.below(1 << 27)).unwrap_or(0);
    let journal = if config.session.is_durable() { Journal::durable() } else { Journal::volatile() };
    Context {
        rules: config.version.rules(),
        versions: Versions::new(config.version, config.oldest_version()),
        outbound: Outbound::new(PacketId::new(first_id).expect("it is 1 or more")),
        inbound: Inbound::new(),
        queue: match config.on_full {
            OnFull::KeepLastPerTopic => SendQueue::by_topic(config.queue),
            OnFull::Refuse | OnFull::DropOldest | OnFull::DropNewest => SendQueue::new(config.queue),
        },
        keys: Keys::default(),
        subscriptions: Subscriptions::new(first_subscription),
        ended: EndedFilters::with_seed(jitter.next_u64()),
        journal,
        requests: Requests::new(),
        suspects: Suspects::default(),
        streams: Streams::new(),
        routes: Routes::with_seed(jitter.next_u64()),
        standing: Standing {
            client_id: config.client_id.clone(),
            is_established: false,
            holder: None,
            discarded_at: None,
            unanswered_connects: 0,
            expiry_secs: 0,
            expires_at: None,
            generation: 0,
            recorded: None,
        },
        backoff: BackoffState::new(),
        rotation: Rotation::new(config.addresses, &mut jitter),
        jitter,
        stats: Stats::default(),
        was_refused: false,
        wall_offset: wall.saturating_since(now),
        last_publication: PublicationId::default(),
        events: VecDeque::new(),
        unstored_outcomes: VecDeque::new(),
        unsent_ends: 0,
        spent: SpentRoom::default(),
        matched: Vec::new(),
        has_changed: false,
        connects_after_closing: false,
        wants_dial: false,
        wants_close: false,
        config,
    }
}

impl Context {
    /// Puts a loaded session in place.
    pub(super) fn restore(&mut self, recovered: Recovered) {
        match recovered.client_id {
            Some(client_id) => self.standing.client_id = client_id,
            None if self.standing.client_id.is_empty() => {}
            // Messages may be stored long before a broker has a session for us.
            None => self.journal.begin_with(Entry::Owned { client_id: self.standing.client_id.clone() }),
        }
        self.standing.is_established = recovered.identity.is_some();
        self.standing.generation = recovered.generation;
        if let Some(identity) = &recovered.identity {
            self.standing.expiry_secs = identity.session_expiry_secs;
            self.restore_holder(identity.holder.as_ref());
            // The session is bound to it.
            self.rules = identity.version.rules();
            if !self.starts_anew() {
                self.on_version_accepted();
            }
        }
        self.standing.recorded = recovered.identity;
        self.suspects = Suspects::restore(recovered.suspects);
        self.last_publication = recovered.last_publication;
        for stored in recovered.flows {
            let (packet_id, phase) = match stored.phase {
                StoredPhase::Sent { packet_id } => (packet_id, FlowPhase::Acknowledge),
                StoredPhase::Released { packet_id, .. } => (packet_id, FlowPhase::Complete),
                StoredPhase::Waiting | StoredPhase::Requeued => continue,
            };
            let Queued { publication, mut message, deadline, on_session_loss, .. } = self.queued(stored);
            self.strip(&mut message);
            self.outbound.restore(RestoredFlow {
                publication,
                packet_id,
                message,
                phase,
                deadline,
                on_session_loss,
            });
        }
        for packet_id in recovered.retired {
            self.outbound.ids.assign(packet_id, packet_ids::Holder::Retired);
        }
        for packet_id in recovered.received {
            self.inbound.restore_recorded(packet_id);
        }
        let after = recovered.queue.last().map(|stored| stored.publication).unwrap_or_default();
        for stored in recovered.queue {
            let queued = self.queued(stored);
            self.queue.push(queued, false, None);
        }
        self.queue.restore_paged(after, recovered.paged_messages, recovered.paged_bytes);
        for wanted in recovered.wanted {
            self.subscriptions.restore(wanted.filter, wanted.options, wanted.subscription_id);
        }
    }

    /// Finds the address that has the session, and begins there.
    fn restore_holder(&mut self, name: Option<&Text>) {
        if self.config.addresses.sessions == AddressSessions::Shared {
            return;
        }
        let names = &self.config.address_names;
        let Some(place) = name.and_then(|name| names.iter().position(|one| one == name)) else { return };
        let Ok(number) = u16::try_from(place) else { return };
        self.standing.holder = Some(Address::Listed(number));
        self.rotation.begin_with(number);
    }

    /// A publication comes from the store into memory.
    pub(super) fn queued(&mut self, stored: StoredPublication) -> Queued {
        if let Some(key) = stored.key {
            self.keys.add(stored.publication, key);
        }
        let deadline = stored.deadline.map(|deadline| self.since_wall(deadline));
        let is_in_doubt = stored.phase == StoredPhase::Requeued;
        let StoredPublication { publication, message, on_session_loss, .. } = stored;
        Queued { publication, message, deadline, is_in_doubt, on_session_loss }
    }
}
