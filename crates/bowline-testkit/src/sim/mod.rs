//! Deterministic simulation of client engines, their disks and a broker in one process, under virtual time, from one
//! seed. Owns the loop: whose turn it is, when time passes, and when everything has come to rest. What the parts do is in
//! `client`, `broker`, `network` and `faults`; see `docs/simulation.md`.

mod application;
mod broker;
mod client;
mod clocks;
mod counts;
mod disk;
mod faults;
mod held;
mod ledger;
mod log;
mod manners;
mod network;
mod plan;
mod proof;
mod qos0;
mod tasks;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::Timestamp;
use bowline_proto::client::{Input, Output};

pub use counts::Counts;
pub use disk::StoreUnderTest;

use crate::random::Random;
use crate::sim::broker::Broker;
use crate::sim::client::Client;
use crate::sim::ledger::{Ledger, Verdict};
use crate::sim::log::Log;
use crate::sim::network::Link;
use crate::sim::plan::Plan;
use crate::sim::tasks::Task;

/// Runs everything that follows from a seed. The same seed does the same on every machine.
///
/// With `prints`, the history goes to the standard output while it happens.
///
/// # Errors
/// What was broken.
///
/// # Panics
/// If an engine does.
pub fn run(seed: u64, prints: bool) -> Result<Counts, String> {
    let mut world = World::new(Plan::from_seed(seed), Log { is_printed: prints });
    world.run()?;
    Ok(world.counts)
}

/// The same, with each durable client's disk on a store that `store` makes: that has to say what the simulated one says.
///
/// # Errors
/// Those of [`run`].
///
/// # Panics
/// If a store says something else, or an engine panics.
pub fn run_on(seed: u64, mut store: impl FnMut() -> Box<dyn StoreUnderTest>) -> Result<Counts, String> {
    let mut world = World::new(Plan::from_seed(seed), Log { is_printed: false });
    for client in world.clients.iter_mut().filter(|client| client.is_durable()) {
        client.disk.put_on(store());
    }
    world.run()?;
    Ok(world.counts)
}

/// Everything that takes part in a run.
#[derive(Debug)]
struct World {
    plan: Plan,
    now: Timestamp,
    random: Random,
    clients: Vec<Client>,
    /// One, or two that do not know each other's sessions.
    brokers: Vec<Broker>,
    /// Until when an address leads nowhere.
    outages: [Timestamp; 2],
    links: BTreeMap<usize, Link>,
    dialled: usize,
    /// Which of the plan's limits the broker grants.
    limits: usize,
    agenda: BTreeMap<(Timestamp, u64), Task>,
    scheduled: u64,
    ledger: Ledger,
    counts: Counts,
    log: Log,
    /// Nothing goes wrong any more.
    is_calm: bool,
    failure: Option<String>,
}

/// How long it may take after the last fault until everything is done.
const REST_MAX: Duration = Duration::from_secs(2 * 3_600);

/// After everything is done, what comes too often has time to come.
const GRACE: Duration = Duration::from_secs(200);

/// No run may do more: something goes round in circles.
const STEPS_MAX: u64 = 3_000_000;

impl World {
    fn new(plan: Plan, log: Log) -> Self {
        let now = Timestamp::from_secs(1);
        let mut random = Random::new(plan.seed ^ 0x5EED);
        let plans = plan.clients.iter().enumerate();
        let clients =
            plans.map(|(index, one)| Client::new(index, one, plan.places, &mut random, now)).collect();
        let mut world = Self {
            brokers: (0..plan.places.brokers()).map(|_| Broker::new(plan.limits[0], now)).collect(),
            outages: [Timestamp::ZERO; 2],
            plan,
            now,
            random,
            clients,
            links: BTreeMap::new(),
            dialled: 0,
            limits: 0,
            agenda: BTreeMap::new(),
            scheduled: 0,
            ledger: Ledger::default(),
            counts: Counts::default(),
            log,
            is_calm: false,
            failure: None,
        };
        world.arrange();
        world
    }

    fn arrange(&mut self) {
        self.log.note(self.now, || format!("{:#?}", self.plan));
        for index in 0..self.clients.len() {
            for _ in 0..self.clients[index].plan.publications {
                let at = self.random.up_to(self.plan.span);
                self.schedule(at, Task::Publish { client: index });
            }
            for _ in 0..self.clients[index].plan.unsubscribes {
                let at = self.random.up_to(self.plan.span);
                self.schedule(at, Task::Unsubscribe { client: index });
            }
            for _ in 0..self.clients[index].plan.stream_changes {
                let at = self.random.up_to(self.plan.span);
                self.schedule(at, Task::ChangeStreams { client: index });
            }
        }
        self.arrange_faults();
        self.schedule(self.plan.span, Task::Calm);
        for index in 0..self.clients.len() {
            self.begin(index);
        }
    }

    /// Runs until everything has come to rest; `Err` says what was broken.
    fn run(&mut self) -> Verdict {
        let mut at_rest_since = None;
        loop {
            self.work();
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.counts.steps > STEPS_MAX {
                return Err("the run goes round in circles".to_owned());
            }
            let is_settled = self.is_settled();
            match at_rest_since {
                Some(since) if is_settled && self.now >= since + GRACE => break,
                Some(_) if is_settled => {}
                _ => at_rest_since = is_settled.then_some(self.now),
            }
            self.wait(at_rest_since)?;
        }
        self.counts.virtual_time = self.now.saturating_since(Timestamp::ZERO);
        self.counts.doubles = self.ledger.doubles;
        self.ledger.settled()
    }

    /// Does everything that can be done now.
    fn work(&mut self) {
        loop {
            let mut has_worked = false;
            for index in 0..self.clients.len() {
                while self.failure.is_none() && self.client_step(index) {
                    has_worked = true;
                }
            }
            let links: Vec<usize> = self.links.keys().copied().collect();
            for link in links {
                while self.failure.is_none() && self.server_reads(link) {
                    has_worked = true;
                }
            }
            for at in 0..self.brokers.len() {
                has_worked |= self.broker_step(at);
            }
            has_worked |= self.broker_sends_again();
            if let Some(task) = self.pop_due() {
                self.perform(task);
                has_worked = true;
            }
            if !has_worked || self.failure.is_some() || self.counts.steps > STEPS_MAX {
                return;
            }
        }
    }

    fn pop_due(&mut self) -> Option<Task> {
        let entry = self.agenda.first_entry()?;
        (entry.key().0 <= self.now).then(|| entry.remove())
    }

    fn wait(&mut self, at_rest_since: Option<Timestamp>) -> Verdict {
        let clients = self.clients.iter().filter_map(|client| client.next_at(self.now)).min();
        let links = self.links.iter().filter_map(|(&number, link)| self.link_next_at(number, link)).min();
        let tasks = self.agenda.keys().next().map(|(at, _)| *at);
        let rest = at_rest_since.map(|since| since + GRACE);
        let brokers = self.brokers.iter().filter_map(|broker| broker.until).min();
        let next = [clients, links, tasks, brokers, rest].into_iter().flatten().min();
        let last = Timestamp::from_secs(1) + self.plan.span + REST_MAX;
        match next {
            Some(next) if next <= last => {
                self.now = self.now.max(next);
                Ok(())
            }
            _ => Err(self.unrest()),
        }
    }

    /// Why the run does not come to rest.
    fn unrest(&self) -> String {
        let clients: Vec<String> = self
            .clients
            .iter()
            .map(|client| {
                let engine = &client.engine;
                let (queued, in_flight) = (engine.queued().0, engine.in_flight());
                let held = client.application.unsettled();
                let state = engine.state_name();
                format!("{state} with {queued} queued, {in_flight} in flight, and messages {held:?} held")
            })
            .collect();
        let what = self.ledger.settled().err().unwrap_or_default();
        format!("the run does not come to rest: {}; {what}", clients.join(", "))
    }

    fn is_settled(&self) -> bool {
        self.is_calm && self.clients.iter().all(Client::is_settled) && self.ledger.is_quiet()
    }

    fn schedule(&mut self, after: Duration, task: Task) {
        self.scheduled += 1;
        self.agenda.insert((self.now + after, self.scheduled), task);
    }

    fn pause(&mut self) -> Duration {
        self.random.up_to(self.plan.pause_max)
    }

    /// Keeps the first thing that was broken.
    fn judge(&mut self, verdict: Verdict) {
        if let Err(what) = verdict {
            self.log.note(self.now, || format!("BROKEN: {what}"));
            self.failure.get_or_insert(what);
        }
    }

    /// Lets a client do one thing; whether there was one.
    fn client_step(&mut self, index: usize) -> bool {
        self.counts.steps += 1;
        if self.clients[index].clocks.asleep_until(self.now).is_some() {
            return false;
        }
        let clock = self.show_clock(index);
        match self.clients[index].engine.poll_output(clock) {
            Output::Dial { .. } => self.dial(index),
            Output::Transmit(buffer) => self.client_writes(index, buffer),
            Output::Persist(batch) => self.on_persist(index, batch),
            Output::Load { after, bytes_max } => {
                let fails = self.once_in(self.plan.faults.load_fails_once_in);
                self.counts.loads += 1;
                self.counts.failed_loads += u64::from(fails);
                let client = &mut self.clients[index];
                let answer = if fails { Input::LoadFailed } else { client.disk.load(after, bytes_max) };
                client.engine.handle_input(answer, clock);
            }
            Output::Event(event) => self.on_event(index, event),
            Output::Close => self.client_closes(index),
            Output::Sleep { until } => {
                self.clients[index].until = until;
                self.prove_acknowledgements(index);
                return self.client_reads(index);
            }
        }
        true
    }

    fn perform(&mut self, task: Task) {
        self.counts.steps += 1;
        let client = self.whose(&task).map(|index| &self.clients[index]);
        if let Some(until) = client.and_then(|client| client.clocks.asleep_until(self.now)) {
            return self.schedule(until.saturating_since(self.now), task);
        }
        match task {
            Task::Opened { link, fails } => self.on_opened(link, fails),
            Task::ClientWritten { link, buffer } => self.tell_client(link, Input::Transmitted(buffer)),
            Task::ClientLost { link } => self.tell_client(link, Input::TransportFailed),
            Task::ServerWritten { link, buffer } => self.server_written(link, buffer),
            Task::ServerLost { link } => self.server_lost(link),
            Task::Commit { client, life } if life == self.clients[client].life => self.commit(client),
            Task::Publish { client } => self.publish(client),
            Task::Cancel { client, life, publication } if life == self.clients[client].life => {
                self.cancel(client, publication);
            }
            // A machine that slept has no time for more.
            Task::Unsubscribe { .. } | Task::ChangeStreams { .. } if self.is_calm => {}
            Task::Unsubscribe { client } => self.unsubscribe(client),
            Task::ChangeStreams { client } => self.change_streams(client),
            Task::Take { client, life, delivery, stream } if life == self.clients[client].life => {
                self.take(client, delivery, stream);
            }
            Task::Finish { client, life, delivery, stream } if life == self.clients[client].life => {
                self.finish(client, delivery, stream);
            }
            Task::TakeQos0 { client, life, stream } if life == self.clients[client].life => {
                self.take_qos0(client, stream);
            }
            Task::Reconnect { client, life } if life == self.clients[client].life => {
                let client = &mut self.clients[client];
                client.is_stopped = false;
                client.engine.connect(client.clocks.engine(self.now));
            }
            Task::Fault(fault) => self.fault(fault),
            Task::Calm => self.calm(),
            // Of an earlier life.
            Task::Commit { .. }
            | Task::Cancel { .. }
            | Task::Take { .. }
            | Task::Finish { .. }
            | Task::TakeQos0 { .. }
            | Task::Reconnect { .. } => {}
        }
    }

    /// The client of a task that its machine does, and not while it sleeps.
    fn whose(&self, task: &Task) -> Option<usize> {
        match *task {
            Task::Opened { link, .. } | Task::ClientWritten { link, .. } | Task::ClientLost { link } => {
                self.links.get(&link).map(|link| link.client)
            }
            Task::Commit { client, .. }
            | Task::Publish { client }
            | Task::Cancel { client, .. }
            | Task::Unsubscribe { client }
            | Task::ChangeStreams { client }
            | Task::Take { client, .. }
            | Task::Finish { client, .. }
            | Task::TakeQos0 { client, .. }
            | Task::Reconnect { client, .. } => Some(client),
            Task::ServerWritten { .. } | Task::ServerLost { .. } | Task::Fault(_) | Task::Calm => None,
        }
    }

    /// Shows the wall clock to an engine, as a driver does before each of its calls; what its own clock shows.
    fn show_clock(&mut self, index: usize) -> Timestamp {
        let (now, client) = (self.now, &mut self.clients[index]);
        let clock = client.clocks.engine(now);
        client.engine.set_wall_clock(clock, client.clocks.wall(now));
        clock
    }
}
