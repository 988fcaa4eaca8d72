//! What goes wrong, and when: every kind is chosen by the plan and happens at a time within the run's span.

use std::time::Duration;

use bowline_proto::Timestamp;
use bowline_proto::session::Batch;

use crate::pair::Direction;
use crate::sim::World;
use crate::sim::tasks::{Fault, Task};

impl World {
    pub(super) fn arrange_faults(&mut self) {
        let faults = self.plan.faults.clone();
        let direction = |world: &mut Self| world.random.pick(&Direction::BOTH);
        for _ in 0..faults.cuts {
            let fault = Fault::Cut(direction(self), self.random.below(80));
            self.fault_some_time(fault);
        }
        for _ in 0..faults.stalls {
            let duration = self.random.up_to(Duration::from_secs(100));
            let fault = Fault::Stall(direction(self), duration);
            self.fault_some_time(fault);
        }
        for _ in 0..faults.half_closes {
            let fault = Fault::HalfClose(direction(self));
            self.fault_some_time(fault);
        }
        for _ in 0..faults.full_disks {
            let duration = self.random.up_to(Duration::from_secs(60));
            self.fault_some_time(Fault::FullDisk(duration));
        }
        for _ in 0..faults.new_limits {
            let which = self.random.below(self.plan.limits.len() as u64) as usize;
            self.fault_some_time(Fault::NewLimits(which));
        }
        for _ in 0..faults.outages {
            let address = self.random.below(2) as usize;
            let duration = self.random.up_to(Duration::from_secs(60));
            self.fault_some_time(Fault::Outage { address, duration });
        }
        for _ in 0..faults.sleeps {
            let duration = self.random.up_to(Duration::from_secs(200));
            let stands_still = self.random.once_in(2);
            self.fault_some_time(Fault::Sleep { duration, stands_still });
        }
        for _ in 0..faults.set_clocks {
            let secs = self.random.pick(&[2, 15, 3_600, 1_000_000]);
            let by_secs = if self.random.once_in(2) { secs } else { -secs };
            self.fault_some_time(Fault::SetWallClock { by_secs });
        }
        let plain = [
            (faults.failed_dials, Fault::FailDial),
            (faults.client_kills, Fault::KillClient),
            (faults.client_stops, Fault::StopClient),
            (faults.restarts_with_sessions, Fault::RestartBroker { keeps_sessions: true }),
            (faults.restarts_without_sessions, Fault::RestartBroker { keeps_sessions: false }),
        ];
        for (count, fault) in plain {
            for _ in 0..count {
                self.fault_some_time(fault);
            }
        }
    }

    fn fault_some_time(&mut self, fault: Fault) {
        let at = self.random.up_to(self.plan.span);
        self.schedule(at, Task::Fault(fault));
    }

    /// Makes trouble.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.log.note(self.now, || format!("FAULT: {fault:?}"));
        let index = self.random.below(self.clients.len() as u64) as usize;
        let link = self.clients[index].link;
        let (now, counts) = (self.now, &mut self.counts);
        match fault {
            Fault::KillClient => self.kill(index),
            Fault::StopClient => self.stop(index),
            Fault::RestartBroker { keeps_sessions } => self.restart_broker(keeps_sessions),
            Fault::NewLimits(which) => self.new_limits(which),
            Fault::Outage { address, duration } => self.outage(address, duration),
            Fault::EmptyDisk { client } => self.clients[client].disk.is_full = false,
            Fault::FullDisk(duration) => {
                counts.full_disks += 1;
                self.clients[index].disk.is_full = true;
                self.schedule(duration, Task::Fault(Fault::EmptyDisk { client: index }));
            }
            Fault::Sleep { duration, stands_still } => {
                // Its machine is awake when everything works again.
                let calm_at = Timestamp::from_secs(1) + self.plan.span;
                let duration = duration.min(calm_at.saturating_since(now));
                let client = &mut self.clients[index];
                if client.clocks.asleep_until(now).is_some() {
                    return;
                }
                counts.sleeps += 1;
                client.clocks.sleep(now, duration, stands_still);
                client.application.turns = [None; 2];
                if let Some(link) = link.and_then(|link| self.links.get_mut(&link)) {
                    link.was_silenced = true;
                }
            }
            Fault::SetWallClock { by_secs } => {
                counts.set_clocks += 1;
                self.clients[index].clocks.set_wall(now, by_secs);
            }
            Fault::FailDial => self.clients[index].fails_next_dial = true,
            Fault::Cut(direction, bytes) => {
                let Some(link) = link.and_then(|link| self.links.get_mut(&link)) else { return };
                counts.cuts += 1;
                let pipe = link.pipe(direction);
                pipe.cut_at(pipe.arrived() + bytes);
            }
            Fault::Stall(direction, duration) => {
                let Some(link) = link.and_then(|link| self.links.get_mut(&link)) else { return };
                counts.stalls += 1;
                link.was_silenced |= direction == Direction::ToServer;
                link.pipe(direction).stall(now + duration);
            }
            Fault::HalfClose(direction) => {
                let Some(link) = link.and_then(|link| self.links.get_mut(&link)) else { return };
                counts.half_closes += 1;
                link.pipe(direction).end(now);
            }
        }
    }

    /// An address leads nowhere for a while, and whoever is connected there is cut off.
    fn outage(&mut self, address: usize, duration: Duration) {
        self.counts.outages += 1;
        self.outages[address] = self.now + duration;
        let there = |link: &usize| {
            let client = &self.clients[self.links[link].client];
            client.link == Some(*link) && client.address == Some(address)
        };
        let links: Vec<usize> = self.links.keys().copied().filter(there).collect();
        for link in links {
            self.cut(link);
        }
    }

    /// Everything works from now on.
    pub(super) fn calm(&mut self) {
        self.log.note(self.now, || "CALM".to_owned());
        self.is_calm = true;
        self.outages = [self.now; 2];
        for client in &mut self.clients {
            client.disk.is_full = false;
            client.fails_next_dial = false;
        }
        self.new_limits(0);
        for index in 0..self.clients.len() {
            self.open_unrouted(index);
        }
        // A direction that ended alone, or that is to be cut some bytes later, would stay so for ever.
        let links: Vec<usize> = self.links.keys().copied().collect();
        for link in links {
            self.cut(link);
        }
    }

    /// Whether something that happens once in so many times happens now.
    pub(super) fn once_in(&mut self, times: Option<u64>) -> bool {
        !self.is_calm && times.is_some_and(|times| self.random.once_in(times))
    }

    /// A client gives its disk a batch.
    pub(super) fn on_persist(&mut self, index: usize, batch: Batch) {
        self.log.note(self.now, || format!("client {index}: writes {:?}", brief(&batch)));
        let client = &mut self.clients[index];
        client.disk.begin(batch);
        let life = client.life;
        if self.once_in(self.plan.faults.batch_kills_once_in) {
            self.counts.kills_at_batches += 1;
            // Before its commit, in the middle of it, or after it and before the engine knows.
            return self.kill(index);
        }
        let at = self.random.up_to(self.plan.commit_max);
        self.schedule(at, Task::Commit { client: index, life });
    }

    /// The disk is done with a batch.
    pub(super) fn commit(&mut self, index: usize) {
        let fails = self.clients[index].disk.is_full || self.once_in(self.plan.faults.commit_fails_once_in);
        self.counts.failed_commits += u64::from(fails);
        self.log
            .note(self.now, || format!("client {index}: {}", if fails { "commit FAILS" } else { "commits" }));
        let client = &mut self.clients[index];
        let answer = if fails { client.disk.fail() } else { client.disk.commit() };
        if let Some(answer) = answer {
            client.engine.handle_input(answer, client.clocks.engine(self.now));
        }
    }
}

/// Entries without their messages.
fn brief(batch: &Batch) -> Vec<String> {
    use bowline_proto::session::Entry;
    let entry = |entry: &Entry| match entry {
        Entry::Accepted(accepted) => format!("Accepted {:?} {:?}", accepted.publication, accepted.packet_id),
        other => format!("{other:?}"),
    };
    batch.entries.iter().map(entry).collect()
}
