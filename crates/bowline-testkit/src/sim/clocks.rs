//! The clocks of a client: that of its engine, which may stand still while the machine sleeps, and the wall clock, which
//! people set. Says when a publication may expire by them; knows no engine and no wire.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::Timestamp;

use crate::client_rig::WALL_START;

/// The clocks of one client.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// How far the engine's clock is behind the run's time.
    behind: Duration,
    /// By how many seconds the wall clock was set forward, or back.
    set_by: i64,
    /// Until when the machine sleeps, and whether the engine's clock stands still meanwhile.
    asleep_until: Timestamp,
    stands_still: bool,
    /// When the publications that expire do, by their numbers.
    deadlines: BTreeMap<u64, Deadline>,
}

/// When a publication expires.
#[derive(Debug)]
struct Deadline {
    /// By the wall clock as it was then.
    wall: Timestamp,
    /// By the engine's clock: between these, because it is computed anew when the publication is read from the store.
    earliest: Timestamp,
    latest: Timestamp,
}

impl Clocks {
    /// What the engine's clock shows.
    pub(super) fn engine(&self, now: Timestamp) -> Timestamp {
        now - self.behind
    }

    /// When the engine's clock shows this.
    pub(super) fn when(&self, engine: Timestamp) -> Timestamp {
        engine + self.behind
    }

    /// What the wall clock shows, which goes on while the machine sleeps.
    pub(super) fn wall(&self, now: Timestamp) -> Timestamp {
        let ahead = Duration::from_secs(self.set_by.unsigned_abs());
        let wall = WALL_START + now.saturating_since(Timestamp::ZERO);
        if self.set_by < 0 { wall - ahead } else { wall + ahead }
    }

    /// Until when the machine sleeps, if it does.
    pub(super) fn asleep_until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.asleep_until).filter(|until| *until > now)
    }

    /// The machine sleeps.
    pub(super) fn sleep(&mut self, now: Timestamp, duration: Duration, stands_still: bool) {
        self.asleep_until = now + duration;
        self.stands_still = stands_still;
        if stands_still {
            self.behind += duration;
        }
        self.compare(now);
    }

    /// The machine is woken, perhaps before its time.
    pub(super) fn wake(&mut self, now: Timestamp) {
        if let Some(until) = self.asleep_until(now) {
            if self.stands_still {
                self.behind -= until.saturating_since(now);
            }
            self.asleep_until = now;
            self.compare(now);
        }
    }

    /// Somebody sets the wall clock.
    pub(super) fn set_wall(&mut self, now: Timestamp, by_secs: i64) {
        self.set_by += by_secs;
        self.compare(now);
    }

    /// A publication expires after so many seconds.
    pub(super) fn expires(&mut self, number: u64, now: Timestamp, secs: u32) {
        let interval = Duration::from_secs(u64::from(secs));
        let at = self.engine(now) + interval;
        let deadline = Deadline { wall: self.wall(now) + interval, earliest: at, latest: at };
        self.deadlines.insert(number, deadline);
    }

    /// The clocks have parted: what is read from the store from now on expires at another time of the engine's clock.
    fn compare(&mut self, now: Timestamp) {
        // While the machine sleeps, the clocks show what they will when it wakes.
        let at = now.max(self.asleep_until);
        let offset = self.wall(at).saturating_since(self.engine(at));
        for deadline in self.deadlines.values_mut() {
            let by_offset = deadline.wall - offset;
            deadline.earliest = deadline.earliest.min(by_offset);
            deadline.latest = deadline.latest.max(by_offset);
        }
    }

    /// Whether a publication had expired for certain at this time of the engine's clock.
    pub(super) fn is_over(&self, number: u64, engine: Timestamp) -> bool {
        self.deadlines.get(&number).is_some_and(|deadline| engine > deadline.latest)
    }

    /// Whether a publication has not expired for certain.
    pub(super) fn is_too_early(&self, number: u64, now: Timestamp) -> bool {
        self.deadlines.get(&number).is_none_or(|deadline| self.engine(now) < deadline.earliest)
    }
}
