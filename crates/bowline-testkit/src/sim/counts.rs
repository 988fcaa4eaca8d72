//! What happened in runs, in numbers.

use std::fmt;
use std::time::Duration;

/// Counts over one run, or over many.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Things that were done.
    pub steps: u64,
    /// How long the runs were for those in them.
    pub virtual_time: Duration,
    /// Messages published.
    pub published: u64,
    /// Messages handed to applications.
    pub delivered: u64,
    /// QoS 2 messages that came twice because the acknowledgement had not returned when the client was killed.
    pub doubles: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections cut at a byte or with all that was on its way.
    pub cuts: u64,
    /// Directions that stood still for a while.
    pub stalls: u64,
    /// Directions that ended alone.
    pub half_closes: u64,
    /// Connections that could not be made.
    pub failed_dials: u64,
    /// Processes of clients killed.
    pub client_kills: u64,
    /// Of those, killed at a batch for the disk.
    pub kills_at_batches: u64,
    /// Processes of clients that ended in good order and started again.
    pub client_stops: u64,
    /// Batches of which a part was on the disk after a kill.
    pub torn_batches: u64,
    /// Batches of which nothing was.
    pub lost_batches: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Times that a disk was full for a while.
    pub full_disks: u64,
    /// Reads from a disk that failed.
    pub failed_loads: u64,
    /// Brokers that restarted and kept their sessions.
    pub restarts_with_sessions: u64,
    /// Brokers that restarted and lost their sessions.
    pub restarts_without_sessions: u64,
    /// Times that the broker's limits changed.
    pub new_limits: u64,
    /// Publications to be published again if their session is lost.
    pub chosen_again: u64,
    /// Publications cancelled.
    pub cancels: u64,
    /// Messages refused by applications.
    pub rejects: u64,
    /// Packets that a broker sent again on a timer.
    pub sent_again: u64,
    /// QoS 2 messages that came again under another identifier.
    pub renumbered: u64,
    /// Streams opened.
    pub streams_opened: u64,
    /// Streams dropped.
    pub streams_dropped: u64,
    /// Times that an application took what no stream wanted.
    pub unrouted_opened: u64,
    /// Messages that were never acknowledged by those who had them in hand.
    pub abandoned: u64,
    /// QoS 0 messages that full streams lost.
    pub qos0_dropped: u64,
    /// Reads of waiting publications from a disk.
    pub loads: u64,
    /// Times that an address led nowhere for a while.
    pub outages: u64,
    /// Dials at another address than the last one.
    pub elsewhere: u64,
    /// Times that the machine of a client slept.
    pub sleeps: u64,
    /// Times that a wall clock was set.
    pub set_clocks: u64,
}

impl Counts {
    fn fields(&self) -> [(&'static str, u64); 34] {
        [
            ("messages published", self.published),
            ("messages delivered", self.delivered),
            ("QoS 2 doubles after a kill", self.doubles),
            ("connections", self.connections),
            ("cuts", self.cuts),
            ("stalls", self.stalls),
            ("half-closes", self.half_closes),
            ("failed dials", self.failed_dials),
            ("client kills", self.client_kills),
            ("of those, at a batch", self.kills_at_batches),
            ("client stops", self.client_stops),
            ("torn batches", self.torn_batches),
            ("lost batches", self.lost_batches),
            ("failed commits", self.failed_commits),
            ("full disks", self.full_disks),
            ("failed loads", self.failed_loads),
            ("broker restarts, sessions kept", self.restarts_with_sessions),
            ("broker restarts, sessions lost", self.restarts_without_sessions),
            ("changes of limits", self.new_limits),
            ("chosen to be published again", self.chosen_again),
            ("cancels", self.cancels),
            ("refused messages", self.rejects),
            ("packets sent again on a timer", self.sent_again),
            ("QoS 2 messages numbered anew", self.renumbered),
            ("streams opened", self.streams_opened),
            ("streams dropped", self.streams_dropped),
            ("unrouted opened", self.unrouted_opened),
            ("abandoned messages", self.abandoned),
            ("QoS 0 messages dropped", self.qos0_dropped),
            ("loads", self.loads),
            ("outages of an address", self.outages),
            ("dials at another address", self.elsewhere),
            ("machines asleep", self.sleeps),
            ("wall clocks set", self.set_clocks),
        ]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.virtual_time += other.virtual_time;
        self.published += other.published;
        self.delivered += other.delivered;
        self.doubles += other.doubles;
        self.connections += other.connections;
        self.cuts += other.cuts;
        self.stalls += other.stalls;
        self.half_closes += other.half_closes;
        self.failed_dials += other.failed_dials;
        self.client_kills += other.client_kills;
        self.kills_at_batches += other.kills_at_batches;
        self.client_stops += other.client_stops;
        self.torn_batches += other.torn_batches;
        self.lost_batches += other.lost_batches;
        self.failed_commits += other.failed_commits;
        self.full_disks += other.full_disks;
        self.failed_loads += other.failed_loads;
        self.restarts_with_sessions += other.restarts_with_sessions;
        self.restarts_without_sessions += other.restarts_without_sessions;
        self.new_limits += other.new_limits;
        self.chosen_again += other.chosen_again;
        self.cancels += other.cancels;
        self.rejects += other.rejects;
        self.sent_again += other.sent_again;
        self.renumbered += other.renumbered;
        self.streams_opened += other.streams_opened;
        self.streams_dropped += other.streams_dropped;
        self.unrouted_opened += other.unrouted_opened;
        self.abandoned += other.abandoned;
        self.qos0_dropped += other.qos0_dropped;
        self.loads += other.loads;
        self.outages += other.outages;
        self.elsewhere += other.elsewhere;
        self.sleeps += other.sleeps;
        self.set_clocks += other.set_clocks;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:32}{:14.1}", "hours simulated", self.virtual_time.as_secs_f64() / 3_600.0)?;
        write!(f, "  {:32}{:12}", "steps", self.steps)?;
        for (name, count) in self.fields() {
            write!(f, "\n  {name:32}{count:12}")?;
        }
        Ok(())
    }
}
