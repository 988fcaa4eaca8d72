//! Numbered lines from `bowline pub` to `bowline sub`, while something happens to what is between them, and what became of
//! them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::say;

/// How long anything may take that is expected to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that are on their way.
pub(super) struct Traffic {
    pub(super) publisher: Program,
    pub(super) subscriber: Program,
    next: u64,
}

impl Traffic {
    /// The publisher reads lines (`pub -l -d`), the subscriber writes them (`sub`); it is subscribed already.
    pub(super) const fn new(publisher: Program, subscriber: Program) -> Self {
        Self { publisher, subscriber, next: 0 }
    }

    /// Sends lines for so long, one every few milliseconds.
    pub(super) fn send_for(&mut self, time: Duration) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < time {
            self.publisher.input(&self.next.to_string())?;
            self.next += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The first acknowledgement of a publication after this moment, sending on meanwhile.
    pub(super) fn next_acknowledgement(&mut self, since: Instant) -> Result<Duration, String> {
        while since.elapsed() < PATIENCE {
            self.send_for(Duration::from_millis(20))?;
            let is_answer = |line: &str| line.contains("<== PUBACK") || line.contains("<== PUBCOMP");
            if let Some(at) = self.publisher.first_on_stderr(since, is_answer) {
                return Ok(at - since);
            }
        }
        Err(format!("nothing was acknowledged within {PATIENCE:?}\n{}", self.publisher.last_words()))
    }

    /// Waits until everything has arrived, and says how many came and how many of them more than once.
    pub(super) fn reconcile(mut self) -> Result<(), String> {
        let status = self.publisher.finish(PATIENCE)?;
        if !status.success() {
            return Err(format!("the publisher ended with {status}\n{}", self.publisher.last_words()));
        }
        let sent = self.next;
        let arrived = |subscriber: &Program| {
            let mut times: BTreeMap<u64, u64> = BTreeMap::new();
            for (_, line) in subscriber.stdout() {
                if let Ok(number) = line.parse() {
                    *times.entry(number).or_default() += 1;
                }
            }
            times
        };
        self.subscriber
            .until("everything arriving", PATIENCE, |subscriber| arrived(subscriber).len() as u64 >= sent)?;
        let times = arrived(&self.subscriber);
        let again: u64 = times.values().map(|times| times - 1).sum();
        if times.keys().copied().ne(0..sent) {
            return Err("what arrived is not what was sent".to_owned());
        }
        self.subscriber.terminate()?;
        self.subscriber.finish(PATIENCE)?;
        say(&format!("{sent} messages sent, 0 lost, {again} came again"));
        Ok(())
    }
}
