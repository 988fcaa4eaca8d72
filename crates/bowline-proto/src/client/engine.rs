//! The client: commands and inputs go in, outputs come out. Decides everything, does nothing itself.

use alloc::vec::Vec;

use crate::client::addresses::Address;
use crate::client::config::ClientConfig;
use crate::client::context::Context;
use crate::client::event::{DisconnectCause, Event, Outcome};
use crate::client::io::{Input, Output};
use crate::client::restoring::new_context;
use crate::client::spent::Spent;
use crate::client::state::{ClientState, Dialing, Stopped, Transition};
use crate::client::stats::Stats;
use crate::codec::Encoder;
use crate::connection::Limits;
use crate::error::RequestError;
use crate::packet::{Disconnect, Packet, Secret};
use crate::reason::Role;
use crate::session::held::HeldState;
use crate::session::journal::Gated;
use crate::session::outbound::{FlowPhase, OutboundFlow};
use crate::session::queued::Queued;
use crate::session::stored::Recovered;
use crate::session::{DeliveryId, KnownKey, PublicationId, SessionLoss};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS, Text};
use crate::version::Version;

/// An MQTT client without I/O.
///
/// Give commands and inputs in any number, then call [`poll_output`](Self::poll_output) and do what it says until it
/// says [`Output::Sleep`]. Every call takes the time, which must not go backwards.
#[derive(Debug)]
pub struct ClientEngine {
    pub(crate) state: ClientState,
    pub(crate) context: Context,
}

impl ClientEngine {
    /// A client with an empty session, not connected.
    ///
    /// `seed` makes jitter and first identifiers differ between clients; equal seeds give equal behaviour. `wall` is
    /// the wall clock's reading at `now`, counted from the Unix epoch; only durable sessions need it.
    ///
    /// # Errors
    /// [`RequestError`] if an option is out of its range or does not fit the version.
    pub fn new(
        config: ClientConfig,
        seed: u64,
        now: Timestamp,
        wall: Timestamp,
    ) -> Result<Self, RequestError> {
        Self::resume(config, Recovered::default(), seed, now, wall)
    }

    /// A client with a session that a store has kept.
    ///
    /// # Errors
    /// As [`ClientEngine::new`], and [`RequestError::WrongSession`] if the stored session is that of another client
    /// identifier or of a version that the configuration does not allow. With a
    /// [version fallback](ClientConfig::version_fallback) the session keeps the version that it was made in.
    pub fn resume(
        config: ClientConfig,
        recovered: Recovered,
        seed: u64,
        now: Timestamp,
        wall: Timestamp,
    ) -> Result<Self, RequestError> {
        config.check()?;
        if let Some(owner) = &recovered.client_id
            && !config.client_id.is_empty()
            && config.client_id != *owner
        {
            return Err(RequestError::WrongSession { what: "client identifier" });
        }
        if let Some(identity) = &recovered.identity
            && !config.versions().any(|version| version == identity.version)
        {
            return Err(RequestError::WrongSession { what: "version" });
        }
        let mut context = new_context(config, seed, now, wall);
        context.restore(recovered);
        Ok(Self { state: ClientState::Stopped(Stopped), context })
    }

    /// Starts to connect, unless a connection is there or under way. While waiting for the next attempt, it comes now;
    /// while a connection is being closed, as soon as that is done.
    pub fn connect(&mut self, now: Timestamp) {
        match &self.state {
            ClientState::Stopped(_) | ClientState::Backoff(_) => {
                self.state = ClientState::Dialing(Dialing::start(&mut self.context, now));
            }
            ClientState::Closing(_) => self.context.connects_after_closing = true,
            ClientState::Dialing(_) | ClientState::AwaitConnack(_) | ClientState::Active(_) => {}
        }
    }

    /// Ends the connection, or the attempts to make one. A connected client says DISCONNECT with this content (before
    /// 5.0: without), after what is already encoded. The session stays for the next [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`RequestError`] if the content is not legal: before 5.0 there is none, some reason codes and properties are the
    /// broker's, and a session expiry of 0 stays 0 [MQTT-3.14.2-2]. Nothing is changed then.
    pub fn disconnect(&mut self, disconnect: Disconnect, now: Timestamp) -> Result<(), RequestError> {
        let context = &mut self.context;
        // [MQTT-3.14.2-1]
        Encoder::new(context.rules.version, Role::Client, u32::MAX).check_disconnect(&disconnect)?;
        let expiry_secs =
            disconnect.properties.as_deref().and_then(|properties| properties.session_expiry_secs);
        // [MQTT-3.14.2-2]
        if expiry_secs.is_some_and(|secs| secs > 0) && !context.config.session.outlives_connection() {
            return Err(RequestError::Option {
                option: "session expiry",
                problem: "cannot be set by DISCONNECT if CONNECT had none",
            });
        }
        // A client that ends does not wait for more to write.
        context.journal.hurry();
        // What the calls before this one made possible goes first: acknowledgements above all.
        if core::mem::take(&mut context.has_changed) {
            self.state.on_change(context, now);
        }
        let transition = match &mut self.state {
            ClientState::Active(active) => {
                context.standing.expiry_secs = expiry_secs.unwrap_or(context.standing.expiry_secs);
                active.disconnect(context, &disconnect, DisconnectCause::Requested, now)
            }
            ClientState::Dialing(_) | ClientState::AwaitConnack(_) | ClientState::Backoff(_) => {
                Transition::Lost(DisconnectCause::Requested)
            }
            ClientState::Closing(closing) => {
                context.connects_after_closing = false;
                closing.stop();
                Transition::Stay
            }
            ClientState::Stopped(_) => Transition::Stay,
        };
        self.state.follow(context, transition, now);
        self.poll_closing(now);
        Ok(())
    }

    /// Drops the connection without DISCONNECT, so that the broker publishes the will [MQTT-3.1.2-8], and stops.
    pub fn abort(&mut self, now: Timestamp) {
        // [MQTT-3.1.2-8] [MQTT-3.1.2-8 of 3.1.1]
        self.context.connects_after_closing = false;
        if !matches!(self.state, ClientState::Stopped(_)) {
            self.state.follow(&mut self.context, Transition::Lost(DisconnectCause::Requested), now);
        }
    }

    /// Ends the client. Every publication that has not ended ends now, in the order of acceptance: as stored in a
    /// durable session, as not sent, or as indeterminate if it was sent and not answered, or given to the store and not
    /// committed. Events that were not polled come first. Publications of a durable session that are only in the store
    /// are not named: they are stored.
    pub fn end(mut self) -> Vec<Event> {
        let is_durable = self.context.journal.is_durable();
        let unstored = self.context.journal.unstored();
        let mut events: Vec<Event> = self.context.events.drain(..).collect();
        let mut ends: Vec<(PublicationId, Outcome)> = self.context.take_unstored_outcomes(&unstored);
        // What a session that is not durable had sent is in doubt.
        let unsent = self.context.outbound.all_in_order().into_iter().filter_map(|slot| {
            let OutboundFlow { publication, message, was_sent, .. } = self.context.outbound.finish(slot);
            if was_sent && !is_durable {
                ends.push((publication, Outcome::Indeterminate { limit: None }));
                return None;
            }
            Some((publication, message))
        });
        let unsent: Vec<(PublicationId, Message)> = unsent.collect();
        let unsent = unsent.into_iter().map(|(publication, message)| (publication, message, false));
        let queued = self.context.queue.take_all();
        let queued = queued.map(|queued| (queued.publication, queued.message, queued.is_in_doubt));
        for (publication, message, is_in_doubt) in unsent.chain(queued) {
            let is_stored = is_durable && message.qos != QoS::AtMostOnce;
            let outcome = match (is_stored, unstored.get(&publication)) {
                (true, None) => Outcome::Stored,
                (true, Some(true)) => Outcome::Indeterminate { limit: None },
                (true, Some(false)) | (false, _) if !is_in_doubt => Outcome::NotSent { message },
                (true, Some(false)) | (false, _) => Outcome::Indeterminate { limit: None },
            };
            ends.push((publication, outcome));
        }
        ends.sort_by_key(|(publication, _)| *publication);
        let ended = |(publication, outcome)| Event::PublishEnded { publication, outcome };
        events.extend(ends.into_iter().map(ended));
        events
    }

    /// What to say at the next CONNECT: for credentials that expire.
    pub fn set_credentials(
        &mut self,
        user_name: Option<Text>,
        password: Option<Secret>,
    ) -> Result<(), RequestError> {
        let config = &self.context.config;
        let changed = ClientConfig { user_name, password, ..config.clone() };
        changed.check()?;
        self.context.config = changed;
        Ok(())
    }

    /// Has the publications that are accepted from now on end like this when their session is lost; those before keep what they
    /// have. Returns what stood before, so that one publication can have a choice of its own.
    pub const fn set_on_session_loss(&mut self, choice: SessionLoss) -> SessionLoss {
        core::mem::replace(&mut self.context.config.on_session_loss, choice)
    }

    /// Says what the wall clock shows at `now`, counted from the Unix epoch. Only durable sessions need it: stored publications
    /// expire by it. Between the start and now it may have been set, and it goes on while a machine sleeps, which the engine's
    /// time may not.
    pub const fn set_wall_clock(&mut self, now: Timestamp, wall: Timestamp) {
        self.context.wall_offset = wall.saturating_since(now);
    }

    /// Takes something that happened outside.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) {
        self.context.drop_due(now);
        match input {
            Input::Persisted { last, known } => {
                if self.context.journal.on_persisted(last) {
                    self.refuse_known(known);
                    self.release_barriers(now);
                }
            }
            Input::PersistFailed => self.on_persist_failed(now),
            Input::Loaded(loaded) => {
                let context = &mut self.context;
                let loaded: Vec<Queued> = loaded.into_iter().map(|stored| context.queued(stored)).collect();
                context.queue.on_loaded(loaded);
                context.has_changed = true;
            }
            Input::LoadFailed => self.context.queue.on_load_failed(now),
            input => self.state.handle(&mut self.context, input, now),
        }
        self.poll_closing(now);
    }

    /// Takes packets that were read together, as one [`Input::Packet`] each, until reading is to pause: what is left then stays in
    /// the iterator. Cheaper than to give them one by one.
    pub fn handle_packets(&mut self, packets: &mut impl Iterator<Item = Packet>, now: Timestamp) {
        self.context.drop_due(now);
        while !self.is_reading_paused() {
            let Some(packet) = packets.next() else { break };
            match &mut self.state {
                ClientState::Active(active) => {
                    let transition = active.handle_packet(&mut self.context, packet, now);
                    self.state.follow(&mut self.context, transition, now);
                }
                state => state.handle(&mut self.context, Input::Packet(packet), now),
            }
            self.poll_closing(now);
        }
    }

    /// What to do next. Call it until it returns [`Output::Sleep`], after every batch of commands and inputs and when
    /// the time that `Sleep` named has come.
    pub fn poll_output(&mut self, now: Timestamp) -> Output {
        self.context.drop_due(now);
        self.state.on_time(&mut self.context, now);
        if core::mem::take(&mut self.context.has_changed) {
            self.state.on_change(&mut self.context, now);
            self.poll_closing(now);
        }
        if let Some(batch) = self.context.journal.poll_batch(now) {
            return Output::Persist(batch);
        }
        if let Some(buffer) = self.state.poll_transmit(now) {
            return Output::Transmit(buffer);
        }
        let context = &mut self.context;
        if core::mem::take(&mut context.wants_close) {
            return Output::Close;
        }
        if let Some(event) = context.events.pop_front() {
            return Output::Event(event);
        }
        if core::mem::take(&mut context.wants_dial) {
            let packet_bytes_max = context.config.packet_bytes_max;
            return Output::Dial { version: context.rules.version, packet_bytes_max };
        }
        if let Some((after, bytes_max)) = context.queue.poll_load(now) {
            return Output::Load { after, bytes_max };
        }
        let context = &self.context;
        let queue = [context.queue.deadline(), context.queue.next_due()];
        let deadlines = [self.state.deadline(context), context.journal.deadline()].into_iter().chain(queue);
        Output::Sleep { until: deadlines.flatten().min() }
    }

    /// The next event that waits: after [`Output::Event`] a cheap way to take the rest of a batch, because until the next
    /// command, input or point of time [`poll_output`](Self::poll_output) would say the same. Go on with `poll_output` when
    /// there is none.
    #[inline]
    pub fn next_event(&mut self) -> Option<Event> {
        self.context.events.pop_front()
    }

    /// Whether the driver should neither read from the transport nor pass on packets that it has decoded, because the
    /// application does not take them (rule 4 of the inbound rules).
    #[inline]
    pub fn is_reading_paused(&self) -> bool {
        matches!(&self.state, ClientState::Active(active) if active.is_reading_paused(&self.context))
    }

    /// Where the connection is: `Stopped`, `Dialing`, `AwaitConnack`, `Active`, `Closing` or `Backoff`.
    pub const fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// What the broker granted, while connected.
    pub fn limits(&self) -> Option<&Limits> {
        match &self.state {
            ClientState::Active(active) => Some(&active.limits),
            _ => None,
        }
    }

    /// Where the transport that [`Output::Dial`] asks for is to lead, or where the connection leads.
    pub const fn address(&self) -> Address {
        self.context.rotation.current()
    }

    /// What the server named that has sent us to [`address`](Self::address), if one has: usually a host, or a host and a port;
    /// several are divided by spaces [MQTT 5.0, 3.2.2.3.16].
    pub const fn reference(&self) -> Option<&Text> {
        self.context.rotation.reference()
    }

    /// The version that it speaks; without a connection, the one that was spoken or tried last.
    pub const fn version(&self) -> Version {
        self.context.rules.version
    }

    /// The client identifier, once the broker has assigned one if ours was empty.
    pub const fn client_id(&self) -> &Text {
        &self.context.standing.client_id
    }

    /// What was counted so far.
    pub const fn stats(&self) -> &Stats {
        &self.context.stats
    }

    /// Publications that wait to be sent: messages and bytes.
    pub const fn queued(&self) -> (usize, usize) {
        (self.context.queue.messages(), self.context.queue.bytes())
    }

    /// QoS 1 and 2 publications that have a packet identifier.
    pub fn in_flight(&self) -> usize {
        self.context.outbound.len()
    }

    /// The packet identifier of a publication, while it has one. Looks through all that are in flight.
    pub fn packet_id(&self, publication: PublicationId) -> Option<PacketId> {
        self.context.outbound.packet_id_of(publication)
    }

    /// Whether something is recorded and not durable, and the store is not known to fail: it is worth waiting for before a
    /// client that is over is ended.
    pub fn awaits_store(&self, now: Timestamp) -> bool {
        !self.context.journal.is_settled() && !self.context.journal.is_failed(now)
    }

    /// Whether [`Event::AcknowledgementStored`] is still to come for a message that all streams have taken.
    pub fn awaits_stored_acknowledgement(&self, delivery: DeliveryId) -> bool {
        self.context.inbound.held(delivery).is_some_and(|held| held.state == HeldState::Recording)
    }

    /// What the engine is done with since the caller last emptied this. Nothing is kept here, but dropped at once, until the
    /// caller has put a vector with room in its place.
    pub const fn spent(&mut self) -> &mut Vec<Spent> {
        &mut self.context.spent.0
    }

    /// Encoded bytes that the driver has not reported as written.
    pub fn unwritten_bytes(&self) -> usize {
        match &self.state {
            ClientState::Active(state) => state.link.waiting_bytes(),
            ClientState::AwaitConnack(state) => state.link.waiting_bytes(),
            ClientState::Closing(state) => state.link.waiting_bytes(),
            ClientState::Stopped(_) | ClientState::Dialing(_) | ClientState::Backoff(_) => 0,
        }
    }

    fn on_persist_failed(&mut self, now: Timestamp) {
        if !self.context.journal.awaits_store() {
            return;
        }
        for publication in self.context.journal.on_failed(now) {
            if let Some(message) = self.take_unstored(publication) {
                self.context.fail_unstored(publication, Outcome::StoreFailed { message });
            }
        }
        self.context.emit(Event::StoreFailed);
        self.context.has_changed = true;
        // What waited for nothing but those publications has nothing to wait for.
        self.release_barriers(now);
    }

    /// The store has not taken these publications of a batch.
    fn refuse_known(&mut self, known: Vec<KnownKey>) {
        // What they kept is free for others.
        self.context.has_changed |= !known.is_empty();
        for KnownKey { publication, state } in known {
            self.context.journal.on_refused(publication);
            // One that was cancelled meanwhile has ended already.
            if let Some(message) = self.take_unstored(publication) {
                self.context.fail_unstored(publication, Outcome::KeyKnown { message, state });
            }
        }
    }

    /// Takes out a publication that is not stored, wherever it is.
    fn take_unstored(&mut self, publication: PublicationId) -> Option<Message> {
        let context = &mut self.context;
        if let Some(queued) = context.queue.remove_unstored(publication) {
            return Some(queued.message);
        }
        let slot = context.outbound.unsent_slot(publication)?;
        Some(match &mut self.state {
            ClientState::Active(active) => active.finish(context, slot).message,
            _ => context.outbound.finish(slot).message,
        })
    }

    fn release_barriers(&mut self, now: Timestamp) {
        while let Some(gated) = self.context.journal.pop_released() {
            let context = &mut self.context;
            match gated {
                Gated::Accepted(publication) => {
                    if let Some(left) = context.queue.on_durable(publication) {
                        context.keys.remove(publication);
                        context.spent.message(left.message);
                    }
                    context.emit(Event::PublishAccepted(publication));
                }
                Gated::Outcome => {
                    if let Some((publication, outcome)) = context.unstored_outcomes.pop_front() {
                        context.emit(Event::PublishEnded { publication, outcome });
                    }
                }
                Gated::Publish { slot, publication } => {
                    context.outbound.set_phase(slot, publication, FlowPhase::Persist, FlowPhase::Acknowledge);
                }
                Gated::Pubrel { slot, publication } => {
                    context.outbound.set_phase(
                        slot,
                        publication,
                        FlowPhase::PersistRelease,
                        FlowPhase::Complete,
                    );
                }
                Gated::Pubrec(delivery) => context.on_received_stored(delivery),
                Gated::Request(slot) => context.requests.open_gate(slot),
                Gated::UnsentEnd => context.unsent_ends -= 1,
                Gated::Connect | Gated::Resume | Gated::Pubcomp(_) => {}
            }
            self.state.on_released(context, gated, now);
        }
    }

    /// A closing connection with nothing to write is done.
    #[inline]
    fn poll_closing(&mut self, now: Timestamp) {
        if let ClientState::Closing(closing) = &mut self.state {
            let transition = closing.poll_done();
            self.state.follow(&mut self.context, transition, now);
        }
    }
}
