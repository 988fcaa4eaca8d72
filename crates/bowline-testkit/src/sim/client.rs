//! One client of a run: its engine, its disk, and the application that publishes, takes and restarts it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use bowline_proto::client::{
    AddressSessions, ClientConfig, ClientEngine, Event, InboundLimits, Outcome, SessionLoss, SessionPolicy,
};
use bowline_proto::error::PublishErrorKind;
use bowline_proto::session::{PublicationId, Recovered};
use bowline_proto::types::{MessageProperties, Text, TopicFilter, TopicName};
use bowline_proto::{Message, PacketId, QoS, Timestamp};

use crate::random::Random;
use crate::sim::World;
use crate::sim::application::Application;
use crate::sim::clocks::Clocks;
use crate::sim::disk::Disk;
use crate::sim::ledger::End;
use crate::sim::manners::Manners;
use crate::sim::plan::{ClientPlan, Places, Session, TOPICS, filter};
use crate::sim::tasks::Task;
use crate::sim::wire::{Wire, number_of};

/// A client and what belongs to it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) plan: ClientPlan,
    config: ClientConfig,
    pub(super) engine: ClientEngine,
    pub(super) disk: Disk,
    pub(super) wire: Wire,
    /// The connection that it has or dials.
    pub(super) link: Option<usize>,
    pub(super) until: Option<Timestamp>,
    pub(super) clocks: Clocks,
    /// When the last buffer was given to the connection, by the engine's clock.
    pub(super) written_at: Timestamp,
    /// Counts its starts.
    pub(super) life: u64,
    /// Which message a publication is.
    numbers: BTreeMap<PublicationId, u64>,
    pub(super) application: Application,
    /// Messages that were acknowledged on the wire, for which the application's part is to be shown.
    pub(super) unproven: Vec<(PacketId, u64)>,
    /// Filters that it has ever wanted, by index into [`FILTERS`](crate::sim::plan::FILTERS).
    pub(super) known: BTreeSet<usize>,
    /// What the application wants.
    pub(super) wanted: BTreeSet<usize>,
    /// Filters that the broker's session has, by index into [`FILTERS`](crate::sim::plan::FILTERS), each with whether it counts.
    pub(super) active: BTreeSet<usize>,
    /// The broker must have the session.
    pub(super) expects_session: bool,
    /// The broker began a session that the client has not heard of.
    pub(super) is_loss_unheard: [bool; 2],
    /// The broker lost the session, if it had one, while the client was at the other one, and cannot tell it later.
    pub(super) may_miss_loss: [bool; 2],
    /// A CONNECT on a connection that it had left reached the broker after all, and no session began since.
    pub(super) left_connect_came: [bool; 2],
    /// The disk's generation when the client heard of a new session: until the next one is committed, a kill makes it
    /// forget what it heard.
    pub(super) loss_heard_in: Option<u64>,
    /// The broker that it had its last session at, of those that know nothing of each other.
    pub(super) at: usize,
    /// It was connected to another one since.
    pub(super) was_elsewhere: bool,
    /// Where it dialled last.
    pub(super) address: Option<usize>,
    /// Connections that the broker closed and on which it could not hear the client for a while.
    pub(super) silenced: u64,
    pub(super) is_stopped: bool,
    /// To how many messages it still publishes another.
    pub(super) replies_left: u64,
    pub(super) fails_next_dial: bool,
}

impl Client {
    pub(super) fn new(
        index: usize,
        plan: &ClientPlan,
        places: Places,
        random: &mut Random,
        now: Timestamp,
    ) -> Self {
        let config = config(index, plan, places);
        let clocks = Clocks::default();
        let engine = start(&config, Recovered::default(), random.next(), &clocks, now);
        Self {
            known: BTreeSet::new(),
            wanted: plan.filters.iter().copied().collect(),
            plan: plan.clone(),
            config,
            engine,
            disk: Disk::default(),
            wire: Wire::default(),
            link: None,
            until: None,
            clocks,
            written_at: now,
            life: 1,
            numbers: BTreeMap::new(),
            application: Application::default(),
            unproven: Vec::new(),
            active: BTreeSet::new(),
            expects_session: false,
            is_loss_unheard: [false; 2],
            may_miss_loss: [false; 2],
            left_connect_came: [false; 2],
            at: 0,
            was_elsewhere: false,
            address: None,
            silenced: 0,
            loss_heard_in: None,
            is_stopped: false,
            replies_left: plan.replies,
            fails_next_dial: false,
        }
    }

    pub(super) const fn is_durable(&self) -> bool {
        matches!(self.plan.session, Session::Durable { .. })
    }

    /// Whether the broker keeps the session for ever.
    pub(super) const fn is_kept_for_ever(&self) -> bool {
        match self.plan.session {
            Session::Clean => false,
            Session::Memory { expiry_secs, .. } | Session::Durable { expiry_secs, .. } => {
                expiry_secs == bowline_proto::packet::connect::EXPIRY_NEVER
            }
        }
    }

    /// What a broker does besides on a connection of this client.
    pub(super) fn manners(&self, mut manners: Manners) -> Option<Manners> {
        manners.resends_after =
            manners.resends_after.filter(|_| self.plan.version.rules().may_retry_on_timer);
        Some(manners).filter(|manners| manners.are_special())
    }

    pub(super) fn wants(&self, topic: usize) -> bool {
        let topic = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
        self.wanted.iter().any(|&index| filter(index).matches(&topic))
    }

    /// Whether a filter that matches was unsubscribed.
    pub(super) fn has_unwanted(&self, topic: usize) -> bool {
        let topic = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
        self.wire.unwanted.iter().any(|filter| filter.matches(&topic))
    }

    pub(super) fn expects(&self, topic: usize) -> bool {
        let topic = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
        self.active.iter().any(|&index| filter(index).matches(&topic))
    }

    /// Whether a filter that has no stream at the moment matches.
    pub(super) fn is_wanted_without_stream(&self, topic: &TopicName) -> bool {
        let mut idle = self.wanted.iter().filter(|&&one| !self.application.has_stream_for(one));
        idle.any(|&one| filter(one).matches(topic))
    }

    /// The limit on unanswered publications, where the broker's is this.
    pub(super) fn quota(&self, receive_maximum: Option<NonZeroU16>) -> usize {
        let granted = receive_maximum.map_or(u16::MAX, NonZeroU16::get);
        usize::from(granted.min(self.config.in_flight_max))
    }

    /// A full queue takes no more, and one with room takes everything. So many waited before.
    fn judge_queue(&self, waited: usize, was_refused: bool) -> Result<(), String> {
        let (waits, most) = (self.engine.queued().0, self.plan.queue_max);
        if waits > most.max(waited) {
            return Err(format!("{waits} publications wait, at most {most} may"));
        }
        if was_refused && waited < most {
            return Err(format!("a publication was refused while {waited} of {most} waited"));
        }
        Ok(())
    }

    /// When it has something to do.
    pub(super) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.clocks.asleep_until(now).or_else(|| self.until.map(|until| self.clocks.when(until)))
    }

    pub(super) fn is_settled(&self) -> bool {
        self.engine.state_name() == "Active"
            && self.engine.in_flight() == 0
            && self.engine.queued().0 == 0
            && self.application.is_idle()
    }
}

fn config(index: usize, plan: &ClientPlan, places: Places) -> ClientConfig {
    let client_id = Text::try_from(format!("c{index}")).expect("a legal client identifier");
    let mut config = ClientConfig::new(plan.version, client_id);
    config.session = match plan.session {
        Session::Clean => SessionPolicy::Clean,
        Session::Memory { expiry_secs, adopt } => SessionPolicy::InMemory { expiry_secs, adopt },
        Session::Durable { expiry_secs, adopt } => SessionPolicy::Durable { expiry_secs, adopt },
    };
    config.addresses.count = if places == Places::One { 1 } else { 2 };
    config.addresses.order = plan.address_order;
    if places == Places::Independent {
        config.addresses.sessions = AddressSessions::Independent;
        config.address_names =
            ["a", "b"].map(Text::from_static).map(|name| name.expect("a legal name")).to_vec();
    }
    config.in_flight_max = plan.in_flight_max;
    config.inbound = InboundLimits::default();
    config.inbound.messages_max = plan.inbound_max;
    config.unmatched = plan.unmatched;
    config.queue.memory_bytes_max = plan.queue_memory;
    config.queue.messages_max = plan.queue_max;
    config.on_full = plan.on_full;
    config
}

fn start(
    config: &ClientConfig,
    recovered: Recovered,
    seed: u64,
    clocks: &Clocks,
    now: Timestamp,
) -> ClientEngine {
    let (clock, wall) = (clocks.engine(now), clocks.wall(now));
    ClientEngine::resume(config.clone(), recovered, seed, clock, wall).expect("a legal configuration")
}

impl World {
    /// Subscribes and connects.
    pub(super) fn begin(&mut self, index: usize) {
        let wanted: Vec<usize> = self.clients[index].wanted.iter().copied().collect();
        for one in wanted {
            self.open_stream(index, &[one]);
        }
        let client = &mut self.clients[index];
        // What was to be unsubscribed when the client was killed is so now.
        if client.life > 1 {
            let unwanted: Vec<TopicFilter> = client
                .known
                .iter()
                .filter(|one| !client.wanted.contains(one))
                .map(|&one| filter(one))
                .collect();
            if !unwanted.is_empty() {
                client.engine.unsubscribe(unwanted, Vec::new()).expect("a legal request");
            }
        }
        client.engine.connect(client.clocks.engine(self.now));
        if self.is_calm {
            self.open_unrouted(index);
        }
    }

    /// The client's process is killed and starts again.
    pub(super) fn kill(&mut self, index: usize) {
        self.counts.client_kills += 1;
        self.log.note(self.now, || format!("client {index}: KILLED"));
        if let Some(link) = self.clients[index].link.take() {
            self.cut(link);
        }
        let client = &mut self.clients[index];
        let (kept, total) = client.disk.tear(&mut self.random);
        self.counts.torn_batches += u64::from(kept > 0 && kept < total);
        self.counts.lost_batches += u64::from(kept == 0 && total > 0);
        self.restart(index);
    }

    /// A new process with what the disk has.
    fn restart(&mut self, index: usize) {
        let (seed, client) = (self.random.next(), &mut self.clients[index]);
        let is_durable = client.is_durable();
        let recovered = client.disk.recover(client.config.queue.memory_bytes_max);
        let committed = &client.disk.committed;
        let kept = committed.flows.iter().chain(&committed.queue);
        client.numbers = kept.map(|one| (one.publication, number_of(&one.message.payload))).collect();
        let survivors: BTreeSet<u64> = client.numbers.values().copied().collect();
        client.expects_session &= is_durable && recovered.identity.is_some();
        if !is_durable {
            client.wire.forget();
        } else if client.loss_heard_in == Some(client.disk.committed.generation) {
            client.is_loss_unheard[client.at] = true;
        }
        client.clocks.wake(self.now);
        client.written_at = client.clocks.engine(self.now);
        let unfinished = client.application.unfinished();
        let must_come_again = client.expects_session && client.is_kept_for_ever();
        client.engine = start(&client.config, recovered, seed, &client.clocks, self.now);
        client.life += 1;
        client.link = None;
        client.until = None;
        client.is_stopped = false;
        client.application = Application::default();
        client.unproven.clear();
        let verdict = self.ledger.killed(index, is_durable, &survivors, &self.clients[index].disk.ended);
        self.judge(verdict);
        for number in unfinished.into_iter().filter(|_| must_come_again) {
            self.ledger.must_come_again(index, number);
        }
        self.begin(index);
    }

    /// The client's process ends in good order and starts again.
    pub(super) fn stop(&mut self, index: usize) {
        self.counts.client_stops += 1;
        self.log.note(self.now, || format!("client {index}: ENDS"));
        if let Some(link) = self.clients[index].link.take() {
            self.cut(link);
        }
        let (seed, now, client) = (self.random.next(), self.now, &mut self.clients[index]);
        client.clocks.wake(now);
        // The driver waits for the store before it goes.
        if let Some(answer) = client.disk.commit() {
            client.engine.handle_input(answer, client.clocks.engine(now));
        }
        let fresh = start(&client.config, Recovered::default(), seed, &client.clocks, now);
        let events = std::mem::replace(&mut client.engine, fresh).end();
        for message in client.numbers.values().copied().collect::<Vec<_>>() {
            self.ledger.engine_ends(message, client.is_durable());
        }
        for event in events {
            self.on_event(index, event);
        }
        // What is only in a store is not named.
        let verdict = if self.clients[index].is_durable() { Ok(()) } else { self.ledger.all_ended(index) };
        self.judge(verdict);
        self.restart(index);
    }

    pub(super) fn publish(&mut self, index: usize) {
        let topic = self.random.below(TOPICS.len() as u64) as usize;
        let qos = self.random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]);
        let client = &mut self.clients[index];
        let expires = client.plan.expires && self.random.once_in(4);
        let cancels = client.plan.cancels && self.random.once_in(4);
        let number = self.ledger.len() as u64 + 1;
        let padding = self.random.below(self.plan.payload_bytes_max + 1) as usize;
        let payload = format!("{number}:{}", "-".repeat(padding));
        let name = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
        let mut message = Message::new(name, payload).with_qos(qos);
        if expires {
            let mut properties = MessageProperties::default();
            properties.expiry_secs = Some(1 + self.random.below(20) as u32);
            message = message.with_properties(properties);
        }
        let expiry_secs = message.expiry_secs();
        let clock = self.show_clock(index);
        let is_again = self.choose_on_session_loss(index, number);
        let client = &mut self.clients[index];
        let waited = client.engine.queued().0;
        let published = client.engine.publish(message, clock);
        let is_full = matches!(&published, Err(error) if matches!(error.kind, PublishErrorKind::Full { .. }));
        let verdict = client.judge_queue(waited, is_full);
        self.judge(verdict.map_err(|what| format!("client {index}: {what}")));
        let client = &mut self.clients[index];
        self.log.note(self.now, || match &published {
            Ok(id) => {
                format!("client {index}: publishes {number} to {} with QoS {qos} as {id:?}", TOPICS[topic])
            }
            Err(error) => format!("client {index}: cannot publish, {:?}", error.kind),
        });
        let Ok(publication) = published else { return };
        self.counts.published += 1;
        let given = self.ledger.publish(index, topic, qos, expires);
        debug_assert_eq!(given, number, "numbers are given in order");
        if is_again && qos == QoS::ExactlyOnce {
            self.counts.chosen_again += 1;
            self.ledger.chosen_again(number);
        }
        client.numbers.insert(publication, number);
        if let Some(secs) = expiry_secs {
            client.clocks.expires(number, self.now, secs);
        }
        if !client.is_durable()
            && qos != QoS::AtMostOnce
            && let Ok(message) = self.ledger.message(number)
        {
            message.is_accepted = true;
        }
        if cancels {
            let (at, life) = (self.pause(), client_life(self, index));
            self.schedule(at, Task::Cancel { client: index, life, publication });
        }
    }

    /// Whether the message of this number, if it is of QoS 2, is to be published again when its session is lost.
    fn choose_on_session_loss(&mut self, index: usize, number: u64) -> bool {
        let client = &mut self.clients[index];
        // From a source of its own, so that the seeds of runs without it do what they always did.
        let mut choosing = Random::new(self.plan.seed ^ number.wrapping_mul(0xA6A1));
        let is_again = client.plan.publishes_again && choosing.once_in(2);
        let choice = if is_again { SessionLoss::PublishAgain } else { SessionLoss::Indeterminate };
        client.engine.set_on_session_loss(choice);
        is_again
    }

    pub(super) fn cancel(&mut self, index: usize, publication: PublicationId) {
        let client = &mut self.clients[index];
        let was_there = client.engine.cancel(publication);
        if let Some(&number) = client.numbers.get(&publication).filter(|_| was_there) {
            self.ledger.cancelled(number);
            self.counts.cancels += 1;
        }
        self.log.note(self.now, || format!("client {index}: cancels {publication:?}, {was_there}"));
    }

    pub(super) fn on_event(&mut self, index: usize, event: Event) {
        self.log.note(self.now, || format!("client {index}: {}", crate::sim::log::event(&event)));
        let client = &mut self.clients[index];
        match event {
            Event::Message(delivery) => self.on_delivery(index, delivery),
            Event::PublishAccepted(publication) => {
                let number = client.numbers.get(&publication).copied().unwrap_or(0);
                let is_stored = client.disk.accepted.contains(&number);
                let verdict = self.ledger.message(number).map(|message| message.is_accepted = true);
                self.judge(verdict);
                if !is_stored {
                    self.judge(Err(format!("message {number} was accepted before it was stored")));
                }
            }
            Event::PublishEnded { publication, outcome } => self.on_ended(index, publication, &outcome),
            Event::AcknowledgementStored(delivery) => {
                if let Some(number) = client.application.taken.remove(&delivery) {
                    self.ledger.stored(index, number);
                }
            }
            Event::Withdrawn { stream, delivery } => self.on_withdrawn(index, stream, delivery),
            Event::Qos0Dropped { stream, which } => self.on_qos0_dropped(index, stream, which),
            Event::StreamEnded { stream, .. } => client.application.on_stream_ended(stream),
            Event::Disconnected(cause) => self.on_client_disconnected(index, &cause),
            Event::Connected(connected) => self.on_client_connected(index, connected.session_present),
            Event::Stopped => {
                client.is_stopped = true;
                let life = client.life;
                self.schedule(Duration::from_secs(1), Task::Reconnect { client: index, life });
            }
            _ => {}
        }
    }

    fn on_ended(&mut self, index: usize, publication: PublicationId, outcome: &Outcome) {
        let client = &self.clients[index];
        let Some(&number) = client.numbers.get(&publication) else {
            return self.judge(Err(format!("{publication:?} of client {index} ended, which nobody knows")));
        };
        let end = match outcome {
            Outcome::Acknowledged { .. } => End::Acknowledged,
            Outcome::Indeterminate { limit } => End::Indeterminate { is_ours: limit.is_some() },
            // An end of a direction looks like a close by the broker.
            Outcome::Poison { .. } => End::Indeterminate { is_ours: true },
            Outcome::Stored => End::Stored,
            Outcome::Expired { .. } if client.clocks.is_too_early(number, self.now) => {
                return self.judge(Err(format!("message {number} expired before its time")));
            }
            Outcome::Rejected { .. } => return self.judge(Err(format!("message {number} was rejected"))),
            _ => End::Nothing,
        };
        let is_success = matches!(end, End::Acknowledged | End::Stored);
        if client.is_durable() && !is_success {
            let is_in_store = client.disk.number_in_store(publication) == Some(number);
            if is_in_store {
                return self.judge(Err(format!("the end of message {number} was told before it was stored")));
            }
        }
        let life = client.life;
        let verdict = self.ledger.ended(number, end, life);
        self.judge(verdict);
    }
}

fn client_life(world: &World, index: usize) -> u64 {
    world.clients[index].life
}
