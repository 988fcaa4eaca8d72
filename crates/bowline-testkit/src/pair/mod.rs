//! A client engine and a server engine, connected through a simulated link under virtual time: everything that happens
//! follows from one [`Scenario`]. Owns the loop; what the two ends do is in `application` and `broker`, what must hold
//! in `checker` and `traffic`.

mod application;
mod broker;
mod checker;
mod connection;
pub mod scenario;
mod tasks;
pub(crate) mod traffic;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bowline_proto::Timestamp;
use bowline_proto::client::Input;
use bowline_proto::server::{ServerConfig, ServerInput, ServerOutput};

pub use scenario::{CrashPoint, Direction, Scenario, Trouble};

use crate::link::Pipe;
use crate::pair::application::{Application, brief};
use crate::pair::broker::Broker;
use crate::pair::checker::{Checker, Verdict};
use crate::pair::connection::{Connection, ServerStep};
use crate::pair::tasks::{Agenda, Task};
use crate::pair::traffic::Traffic;
use crate::random::Random;

/// One run of a scenario. A run that breaks an invariant panics, and prints its scenario and what happened last.
#[derive(Debug)]
pub struct Pair {
    scenario: Scenario,
    now: Timestamp,
    random: Random,
    client: Application,
    broker: Broker,
    connections: BTreeMap<usize, Connection>,
    opened: usize,
    agenda: Agenda,
    checker: Checker,
    /// Watch what each side sends.
    by_client: Traffic,
    by_server: Traffic,
    history: VecDeque<String>,
}

/// What a finished run can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "looked at by tests")]
pub struct Summary {
    /// Messages that the client published.
    pub published: usize,
    /// How often the broker got one of them.
    pub at_broker: u32,
    /// Messages that the broker sent to the client.
    pub echoed: usize,
    /// How often the client got one of them.
    pub at_client: u32,
    /// Connections that were dialled.
    pub connections: usize,
    /// Bytes that arrived on the first connection, to the server and to the client.
    pub first_connection_bytes: [u64; 2],
    /// Batches that the client's store was given.
    pub batches: usize,
    /// When everything had come to rest.
    pub ended_at: Timestamp,
}

/// How many lines of history are kept.
const HISTORY_LINES_MAX: usize = 300;

/// No run may take longer: something waits for what never comes.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// No run may do more: something goes round in circles.
const STEPS_MAX: u64 = 20_000_000;

/// Runs what follows from a seed: to look at a failure again, call this with the seed that it printed.
pub fn replay(seed: u64) -> Summary {
    run(Scenario::from_seed(seed))
}

/// Runs a scenario until everything has come to rest.
///
/// # Panics
/// If an invariant is broken or the run does not come to rest.
pub fn run(scenario: Scenario) -> Summary {
    let mut pair = Pair::new(scenario);
    let mut first_connection_bytes = [0; 2];
    let mut steps = 0;
    loop {
        while pair.step() {
            steps += 1;
            pair.judge(if steps < STEPS_MAX { Ok(()) } else { Err("the run goes round in circles".into()) });
        }
        if let Some(first) = pair.connections.get_mut(&1) {
            first_connection_bytes = Direction::BOTH.map(|direction| first.pipe(direction).arrived());
        }
        if pair.is_settled() {
            break;
        }
        pair.wait();
    }
    let has_crashed = pair.client.life > 1;
    let verdict = pair.checker.settled(has_crashed);
    pair.judge(verdict);
    let ((published, echoed), (at_broker, at_client)) = (pair.checker.counts(), pair.checker.arrivals());
    Summary {
        published,
        at_broker,
        echoed,
        at_client,
        connections: pair.opened,
        first_connection_bytes,
        batches: pair.client.store.batches(),
        ended_at: pair.now,
    }
}

impl Pair {
    fn new(scenario: Scenario) -> Self {
        let mut pair = Self {
            now: Timestamp::ZERO,
            random: Random::new(scenario.seed),
            client: Application::new(&scenario),
            broker: Broker::default(),
            connections: BTreeMap::new(),
            opened: 0,
            agenda: Agenda::default(),
            checker: Checker::default(),
            by_client: Traffic::default(),
            by_server: Traffic::default(),
            history: VecDeque::new(),
            scenario,
        };
        for (at, qos) in pair.scenario.publications.clone() {
            pair.agenda.insert(at, Task::Publish { qos });
        }
        for (at, trouble) in pair.scenario.troubles.clone() {
            pair.agenda.insert(at, Task::Trouble(trouble));
        }
        pair.begin();
        pair
    }

    /// Does one thing that can be done now; whether there was one.
    fn step(&mut self) -> bool {
        if self.client_step() {
            return true;
        }
        let connections: Vec<usize> = self.connections.keys().copied().collect();
        if connections.into_iter().any(|connection| self.server_step(connection)) {
            return true;
        }
        match self.agenda.pop(self.now) {
            Some(task) => {
                self.perform(task);
                true
            }
            None => false,
        }
    }

    /// Lets time pass until something can be done.
    fn wait(&mut self) {
        let transport = self.client.transport.and_then(|connection| self.connections.get(&connection));
        let reads = !self.client.engine.is_reading_paused();
        let arrives = transport.and_then(|one| one.to_client.next_at()).filter(|_| reads);
        let servers = self.connections.values().filter_map(Connection::next_at).min();
        let next = [arrives, servers, self.client.until, self.agenda.next_at()].into_iter().flatten().min();
        match next {
            Some(next) if next <= Timestamp::ZERO + VIRTUAL_TIME_MAX => self.now = self.now.max(next),
            _ => self.judge(Err(format!("the run does not come to rest, the next thing is at {next:?}"))),
        }
    }

    fn is_settled(&self) -> bool {
        self.agenda.is_empty() && self.client_is_settled() && self.broker_is_settled()
    }

    fn server_step(&mut self, connection: usize) -> bool {
        let now = self.now;
        let Some(one) = self.connections.get_mut(&connection) else { return false };
        let by_server = &mut self.by_server;
        match one.server_step(now, |packet| by_server.on_answer(packet)) {
            ServerStep::Rests => {
                let is_unused = self.client.transport != Some(connection);
                if is_unused && one.is_over() {
                    self.connections.remove(&connection);
                }
                return false;
            }
            ServerStep::Reads => {}
            ServerStep::Does(ServerOutput::Event(event)) => self.on_server_event(connection, event),
            ServerStep::Does(ServerOutput::Transmit(buffer)) => {
                let is_current = one.session == self.broker.session && one.engine.session().is_some();
                for packet in one.send(Direction::ToClient, &buffer, now) {
                    self.note(|| format!("server {connection}: sends {}", brief(&packet)));
                    let complaint = if is_current { self.by_server.on_sent(&packet) } else { None };
                    self.judge(complaint.map_or(Ok(()), |what| Err(format!("the server sent {what}"))));
                }
                let at = self.pause();
                self.schedule(at, Task::ServerWritten { connection, buffer });
            }
            ServerStep::Does(ServerOutput::Close) => {
                one.server_is_open = false;
                one.to_client.end(now);
            }
            ServerStep::Does(ServerOutput::Sleep { .. }) => return false,
        }
        true
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Opened { connection } if self.client.transport == Some(connection) => {
                self.client.engine.handle_input(Input::Connected, self.now);
            }
            Task::DialFailed { connection } if self.client.transport == Some(connection) => {
                self.client.engine.handle_input(Input::DialFailed, self.now);
            }
            Task::ClientWritten { connection, buffer } if self.client.transport == Some(connection) => {
                self.client.engine.handle_input(Input::Transmitted(buffer), self.now);
            }
            Task::ClientLost { connection } if self.client.transport == Some(connection) => {
                self.client.engine.handle_input(Input::TransportFailed, self.now);
            }
            Task::ServerWritten { connection, buffer } => {
                self.tell_server(connection, ServerInput::Transmitted(buffer));
            }
            Task::ServerLost { connection } => self.tell_server(connection, ServerInput::TransportFailed),
            Task::Commit { life } if life == self.client.life => {
                if let Some(answer) = self.client.store.commit_next() {
                    self.client.engine.handle_input(answer, self.now);
                }
            }
            Task::Publish { qos } => self.publish(qos),
            Task::Take { life, delivery, stream } if life == self.client.life => self.take(delivery, stream),
            Task::Decide { connection, connect } => self.decide(connection, &connect),
            Task::Acknowledge { session, delivery } => self.acknowledge(session, delivery),
            Task::Trouble(trouble) => self.make(trouble),
            // About a connection or a life that is over.
            Task::Opened { .. }
            | Task::DialFailed { .. }
            | Task::ClientWritten { .. }
            | Task::ClientLost { .. }
            | Task::Commit { .. }
            | Task::Take { .. } => {}
        }
    }

    fn tell_server(&mut self, connection: usize, input: ServerInput) {
        if let Some(one) = self.connections.get_mut(&connection).filter(|one| one.server_is_open) {
            one.engine.handle_input(input, self.now);
        }
    }

    /// Makes trouble.
    fn make(&mut self, trouble: Trouble) {
        self.note(|| format!("trouble: {trouble:?}"));
        let until = |duration| self.now + duration;
        match trouble {
            Trouble::Crash => return self.crash(),
            Trouble::LoseSession => return self.broker.loses_session = true,
            Trouble::DialFails => return self.client.fails_next_dial = true,
            Trouble::Cut(..) | Trouble::Stall(..) | Trouble::HalfClose(_) => {}
        }
        let stalls_until = if let Trouble::Stall(_, duration) = trouble { until(duration) } else { self.now };
        let Some(connection) = self.client.transport else { return };
        let Some(one) = self.connections.get_mut(&connection) else { return };
        match trouble {
            Trouble::Cut(direction, bytes) => {
                let pipe = one.pipe(direction);
                pipe.cut_at(pipe.arrived() + bytes);
            }
            Trouble::Stall(direction, _) => one.pipe(direction).stall(stalls_until),
            Trouble::HalfClose(direction) => one.pipe(direction).end(self.now),
            Trouble::Crash | Trouble::LoseSession | Trouble::DialFails => {}
        }
    }

    /// The connection is gone; the two ends learn of it each in its own time.
    fn cut(&mut self, connection: usize) {
        self.note(|| format!("link {connection}: cut"));
        if let Some(one) = self.connections.get_mut(&connection) {
            for direction in Direction::BOTH {
                let pipe = one.pipe(direction);
                pipe.cut_at(pipe.arrived());
            }
        }
        let (client, server) = (self.pause(), self.pause());
        self.schedule(client, Task::ClientLost { connection });
        self.schedule(server, Task::ServerLost { connection });
    }

    /// A new connection; its number, from 1.
    fn open_connection(&mut self) -> usize {
        self.opened += 1;
        let maximums = &self.scenario.receive_maximums;
        let mut config = ServerConfig::new();
        config.receive_maximum = maximums[(self.opened - 1).min(maximums.len() - 1)];
        let [mut to_server, mut to_client] =
            [(), ()].map(|()| Pipe::new(self.scenario.shape, self.random.split()));
        match self.scenario.cut.filter(|_| self.opened == 1) {
            Some((Direction::ToServer, offset)) => to_server.cut_at(offset),
            Some((Direction::ToClient, offset)) => to_client.cut_at(offset),
            None => {}
        }
        let connection = Connection::new(config, self.scenario.version, to_server, to_client, self.now);
        self.connections.insert(self.opened, connection);
        self.opened
    }

    fn schedule(&mut self, after: Duration, task: Task) {
        self.agenda.insert(self.now + after, task);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.history.len() >= HISTORY_LINES_MAX {
            self.history.pop_front();
        }
        self.history.push_back(format!("{} {}", self.now, line()));
    }

    fn judge(&self, verdict: Verdict) {
        if let Err(what) = verdict {
            panic!("at {}: {what}", self.now);
        }
    }
}

impl Drop for Pair {
    /// A run that fails says how it came to that.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines: Vec<&str> = self.history.iter().map(String::as_str).collect();
            let seed = self.scenario.seed;
            eprintln!("{}\n{:?}", lines.join("\n"), self.scenario);
            eprintln!(
                "pair::run(that scenario) does this again; if it is from a seed, so does pair::replay({seed})"
            );
        }
    }
}
