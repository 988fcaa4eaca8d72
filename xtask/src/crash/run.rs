//! One run: a broker, a publisher and a subscriber, rounds of kills, and in the end everything drained and reconciled.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::crash::books::{Line, is_caught_up, reconcile};
use crate::crash::broker::{Broker, Kind};
use crate::crash::counts::Counts;
use crate::crash::history::Sources;
use crate::crash::random::Random;
use crate::crash::{order, packets, resent};
use crate::program::{Folder, Program};
use crate::say;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is missing may take at the end.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(20);
const DRAIN_PATIENCE: Duration = Duration::from_secs(120);

/// How long nothing may come any more before a run is over.
const QUIET: Duration = Duration::from_millis(250);

/// The longest times until the next kill, in ms: while the programs start, while the sessions resume, under way.
const KILL_AFTER_MS: [u64; 3] = [15, 80, 400];

pub(super) struct Plan {
    pub(super) program: PathBuf,
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) rounds: u64,
    pub(super) keep: bool,
}

impl Plan {
    /// The seed decides it too.
    fn version(&self) -> &'static str {
        let versions = self.kind.versions();
        versions[(self.seed % versions.len() as u64) as usize]
    }

    pub(super) fn version_name(&self) -> String {
        format!("{}, version {}", self.kind.name(), self.version())
    }
}

/// Runs it to its end. What it counted, or what went wrong.
pub(super) fn run(plan: &Plan) -> Result<Counts, String> {
    let folder = Folder::new(&format!("crash-{}", plan.seed))?;
    let mut broker = Broker::start(plan.kind, folder.path())?;
    let outcome = Run::of(plan, folder.path(), &mut broker);
    let is_of_interest = outcome.as_ref().map_or(true, |counts| counts.overtaken > 0);
    if is_of_interest && plan.keep {
        let kept = folder.path().join("broker.log");
        let lines: Vec<String> = broker.log().into_iter().map(|line| line.rest).collect();
        std::fs::write(&kept, lines.join("\n"))
            .map_err(|error| format!("cannot write {}: {error}", kept.display()))?;
        say(&format!("kept: {}", folder.path().display()));
        folder.keep();
    }
    outcome
}

struct Run<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    url: String,
    notes: Vec<Line>,
    counts: Counts,
}

struct Clients {
    publisher: Program,
    subscriber: Program,
}

impl<'a> Run<'a> {
    fn of(plan: &'a Plan, folder: &'a Path, broker: &mut Broker) -> Result<Counts, String> {
        let mut run = Self { plan, folder, url: broker.url(), notes: Vec::new(), counts: Counts::default() };
        let mut clients = run.start_both(1)?;
        if plan.kind.forgets_sessions_begun_with_clean_start(plan.version()) {
            ended_well("publisher", &mut clients.publisher)?;
            ended_well("subscriber", &mut clients.subscriber)?;
            clients = run.start_both(2)?;
        }
        let mut random = Random::new(plan.seed);
        for _ in 0..plan.rounds {
            let most = KILL_AFTER_MS[random.below(KILL_AFTER_MS.len() as u64) as usize];
            std::thread::sleep(random.up_to_ms(most));
            run.round(&mut random, &mut clients, broker)?;
        }
        run.drain(clients)?;
        run.close(broker)
    }

    /// Both, for this time in a row, connected and subscribed: before the first subscription nothing is kept for it.
    fn start_both(&self, time: usize) -> Result<Clients, String> {
        let subscriber = self.start("subscriber")?;
        self.until("subscriber", "subscribed", time)?;
        let publisher = self.start("publisher")?;
        self.until("publisher", "connected", time)?;
        Ok(Clients { publisher, subscriber })
    }

    fn start(&self, role: &str) -> Result<Program, String> {
        let path = |name: &str| self.folder.join(format!("{role}.{name}"));
        let mut command = Command::new(&self.plan.program);
        command.args([role, &self.url, self.plan.version(), &format!("crash-{role}")]);
        command.arg(path("store")).arg(path("ledger")).arg(self.plan.kind.qos_max().to_string());
        Program::start(&mut command)
    }

    /// Kills somebody, and starts it again.
    fn round(
        &mut self,
        random: &mut Random,
        clients: &mut Clients,
        broker: &mut Broker,
    ) -> Result<(), String> {
        for (name, program) in
            [("publisher", &mut clients.publisher), ("subscriber", &mut clients.subscriber)]
        {
            if !program.is_running() {
                return Err(format!("the {name} ended by itself: {}", program.last_words()));
            }
        }
        self.counts.rounds += 1;
        if random.below(self.plan.kind.rounds_between_stops()) == 0 {
            self.note("the broker is stopped");
            self.counts.broker_stops += 1;
            broker.restart()?;
            self.note("the broker is up");
            return Ok(());
        }
        let (publisher, subscriber) = match random.below(5) {
            0 | 1 => (true, false),
            2 | 3 => (false, true),
            _ => (true, true),
        };
        match (publisher, subscriber) {
            (true, true) => self.counts.both_kills += 1,
            (true, false) => self.counts.publisher_kills += 1,
            _ => self.counts.subscriber_kills += 1,
        }
        if publisher {
            clients.publisher.kill();
            self.note("the publisher was killed");
        }
        if subscriber {
            clients.subscriber.kill();
            self.note("the subscriber was killed");
        }
        if publisher {
            clients.publisher = self.start("publisher")?;
        }
        if subscriber {
            clients.subscriber = self.start("subscriber")?;
        }
        Ok(())
    }

    /// Ends both in good order once everything has come, and looks once more whether something comes again.
    fn drain(&mut self, clients: Clients) -> Result<(), String> {
        let Clients { mut publisher, mut subscriber } = clients;
        self.note("no more kills");
        ended_well("publisher", &mut publisher)?;
        let started = Instant::now();
        while !is_caught_up(&self.lines("publisher")?, &self.lines("subscriber")?) {
            if started.elapsed() > CATCH_UP_PATIENCE {
                // What is missing is told by the books.
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(QUIET);
        ended_well("subscriber", &mut subscriber)?;
        self.note("all should have come");
        let times = self.count("subscriber", "subscribed")?;
        let mut subscriber = self.start("subscriber")?;
        self.until("subscriber", "subscribed", times + 1)?;
        std::thread::sleep(QUIET);
        ended_well("subscriber", &mut subscriber)
    }

    fn close(mut self, broker: &Broker) -> Result<Counts, String> {
        let (published, received) = (self.lines("publisher")?, self.lines("subscriber")?);
        let (found, breaches) = reconcile(&published, &received);
        let log = broker.log();
        let (breaches, resent) = match self.plan.kind {
            Kind::Mosquitto => {
                let packets = packets::read(&log);
                let (mut breaches, resent) = resent::take_out(breaches, &packets);
                breaches.extend(order::judge(&received, &packets));
                (breaches, resent)
            }
            Kind::Nats | Kind::RabbitMq => (breaches, 0),
        };
        self.counts.resent_by_broker = resent;
        if !breaches.is_empty() {
            let notes = &self.notes;
            return Err(
                Sources { published: &published, received: &received, notes, log: &log }.tell(&breaches)
            );
        }
        if found.accepted[0] == 0 {
            return Err("nothing was accepted".to_owned());
        }
        self.counts.add(&found);
        Ok(self.counts)
    }

    /// Waits until it has written this so many times.
    fn until(&self, role: &str, word: &str, times: usize) -> Result<(), String> {
        let started = Instant::now();
        while self.count(role, word)? < times {
            if started.elapsed() > PATIENCE {
                return Err(format!("the {role} has not {word} within {PATIENCE:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn count(&self, role: &str, word: &str) -> Result<usize, String> {
        Ok(self.lines(role)?.iter().filter(|line| line.word == word).count())
    }

    /// What one of them wrote down so far; nothing if it has written nothing yet.
    fn lines(&self, role: &str) -> Result<Vec<Line>, String> {
        let path = self.folder.join(format!("{role}.ledger"));
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let line = |text| Line::read(text).ok_or_else(|| format!("no line of a ledger: `{text}`"));
        // The last one may be under way.
        text.split_inclusive('\n').filter_map(|text| text.strip_suffix('\n')).map(line).collect()
    }

    fn note(&mut self, what: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = now.as_micros() as u64;
        self.notes.push(Line { micros, word: what.to_owned(), number: None, rest: String::new() });
    }
}

fn ended_well(name: &str, program: &mut Program) -> Result<(), String> {
    let status = program.finish(DRAIN_PATIENCE)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the {name} failed: {status}\n{}", program.last_words()))
    }
}
