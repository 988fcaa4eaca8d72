//! What is to happen to the connections of a fault link, and what did. Owns its lock and wakes who waits; moves no bytes.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bowline_proto::backoff::Jitter;
use slab::Slab;
use tokio::time::Instant;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// What clients send.
    ToBroker,
    /// What the broker sends.
    ToClient,
}

/// What can happen at a certain byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset, on both sides.
    Cut,
    /// The receiving side gets the end of the stream, and the sending side is read to nowhere; the other direction lives on.
    HalfClose,
    /// All bits of the byte are turned.
    Corrupt,
}

/// What a fault link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Connections that were accepted and led on to the broker.
    pub connections: u64,
    /// Connections that are open.
    pub open: usize,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections for which the broker could not be reached.
    pub unreachable: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Directions that were ended.
    pub half_closes: u64,
    /// Bytes that were corrupted.
    pub corrupted: u64,
    /// Bytes that were passed on to the broker.
    pub bytes_to_broker: u64,
    /// Bytes that were passed on to clients.
    pub bytes_to_client: u64,
}

/// Shared by the link and its relays.
#[derive(Debug)]
pub(super) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    settings: Settings,
    random: Option<RandomCuts>,
    refuses_until: Option<Instant>,
    is_over: bool,
    stats: FaultStats,
    relays: Slab<Entry>,
}

/// What holds for all connections.
#[derive(Debug, Default)]
pub(super) struct Settings {
    to_broker: Lane,
    to_client: Lane,
}

/// What holds for one direction of all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    pub(super) delay: Duration,
    pub(super) bytes_per_sec: Option<u32>,
    pub(super) is_stalled: bool,
    /// After how many more bytes what happens.
    appointed: Option<(u64, Fault)>,
}

#[derive(Debug)]
struct RandomCuts {
    numbers: Jitter,
    bytes: Range<u64>,
}

/// What the plan knows of one relay.
#[derive(Debug, Default)]
struct Entry {
    waker: Option<Waker>,
    is_cut: bool,
    /// The random cut of this connection, and after how many more bytes.
    random_cut: Option<(Direction, u64)>,
}

/// What a relay is to do with the next bytes of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// To pass on at most so many.
    Pass(u64),
    /// To turn the bits of the next byte, and ask again.
    Corrupt,
    /// To end the direction.
    End,
    /// To reset both sides.
    Cut,
    /// To wait until it is woken.
    Stall,
}

impl Settings {
    pub(super) const fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::ToBroker => &mut self.to_broker,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl Plan {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default() }
    }

    /// Changes settings, and has all relays look at them.
    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.change_state(|state| change(&mut state.settings));
    }

    pub(super) fn appoint(&self, direction: Direction, bytes: u64, fault: Fault) {
        self.change(|settings| settings.lane(direction).appointed = Some((bytes, fault)));
    }

    pub(super) fn cut_randomly(&self, seed: u64, bytes: Range<u64>) {
        self.change_state(|state| state.random = Some(RandomCuts { numbers: Jitter::new(seed), bytes }));
    }

    pub(super) fn refuse_for(&self, time: Duration) {
        self.change_state(|state| state.refuses_until = Some(Instant::now() + time));
    }

    pub(super) fn cut_all(&self) -> usize {
        let mut cut = 0;
        self.change_state(|state| {
            for (_, entry) in &mut state.relays {
                cut += usize::from(!std::mem::replace(&mut entry.is_cut, true));
            }
            state.stats.cuts += cut as u64;
        });
        cut
    }

    pub(super) fn heal(&self) {
        self.change_state(|state| {
            state.settings = Settings::default();
            state.random = None;
            state.refuses_until = None;
            for (_, entry) in &mut state.relays {
                entry.random_cut = None;
            }
        });
    }

    /// The link is gone: every relay ends, and none begins.
    pub(super) fn close(&self) {
        self.change_state(|state| {
            state.is_over = true;
            for (_, entry) in &mut state.relays {
                entry.is_cut = true;
            }
        });
    }

    pub(super) fn stats(&self) -> FaultStats {
        let state = self.state();
        FaultStats { open: state.relays.len(), ..state.stats }
    }

    /// Whether the connection that was just accepted is to be refused.
    pub(super) fn refuses(&self) -> bool {
        let mut state = self.state();
        let refuses = state.refuses_until.is_some_and(|until| Instant::now() < until);
        state.stats.refused += u64::from(refuses);
        refuses
    }

    pub(super) fn count_unreachable(&self) {
        self.state().stats.unreachable += 1;
    }

    /// A relay begins; `None` if the link is gone.
    pub(super) fn open(&self) -> Option<usize> {
        let mut state = self.state();
        if state.is_over {
            return None;
        }
        state.stats.connections += 1;
        let random_cut = state.random.as_mut().map(RandomCuts::next);
        Some(state.relays.insert(Entry { random_cut, ..Entry::default() }))
    }

    /// A relay is over.
    pub(super) fn leave(&self, relay: usize) {
        // A waker is other code, and is dropped without the lock.
        let entry = self.state().relays.remove(relay);
        drop(entry);
    }

    /// Has the task woken at the next change. Whether the relay is to reset both sides now.
    pub(super) fn is_cut(&self, relay: usize, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        let entry = &mut state.relays[relay];
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => entry.waker = Some(cx.waker().clone()),
        }
        entry.is_cut
    }

    /// How one direction is set.
    pub(super) fn lane(&self, direction: Direction) -> Lane {
        *self.state().settings.lane(direction)
    }

    /// What to do with the next bytes of a direction, of which there are some or none.
    pub(super) fn order(&self, relay: usize, direction: Direction, has_bytes: bool) -> Order {
        let mut state = self.state();
        let State { settings, stats, relays, .. } = &mut *state;
        let lane = settings.lane(direction);
        let entry = &mut relays[relay];
        if let Some((0, fault)) = lane.appointed
            && (has_bytes || fault != Fault::Corrupt)
        {
            lane.appointed = None;
            return match fault {
                Fault::Cut => cut(entry, stats),
                Fault::HalfClose => {
                    stats.half_closes += 1;
                    Order::End
                }
                Fault::Corrupt => {
                    stats.corrupted += 1;
                    Order::Corrupt
                }
            };
        }
        let random_cut = entry.random_cut.filter(|(of, _)| *of == direction).map(|(_, bytes)| bytes);
        if random_cut == Some(0) {
            return cut(entry, stats);
        }
        if lane.is_stalled {
            return Order::Stall;
        }
        let appointed = lane.appointed.map_or(u64::MAX, |(bytes, _)| bytes);
        Order::Pass(appointed.min(random_cut.unwrap_or(u64::MAX)))
    }

    /// These many bytes were passed on.
    pub(super) fn passed(&self, relay: usize, direction: Direction, bytes: u64) {
        let mut state = self.state();
        match direction {
            Direction::ToBroker => state.stats.bytes_to_broker += bytes,
            Direction::ToClient => state.stats.bytes_to_client += bytes,
        }
        // Another connection may have carried some of them at the same time, so it can be less than was ordered.
        if let Some((left, _)) = &mut state.settings.lane(direction).appointed {
            *left = left.saturating_sub(bytes);
        }
        if let Some((of, left)) = &mut state.relays[relay].random_cut
            && *of == direction
        {
            *left = left.saturating_sub(bytes);
        }
    }

    fn change_state(&self, change: impl FnOnce(&mut State)) {
        let wakers: Vec<Waker> = {
            let mut state = self.state();
            change(&mut state);
            state.relays.iter_mut().filter_map(|(_, entry)| entry.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RandomCuts {
    fn next(&mut self) -> (Direction, u64) {
        let direction = if self.numbers.below(2) == 0 { Direction::ToBroker } else { Direction::ToClient };
        let bytes = self.bytes.start + self.numbers.below(self.bytes.end - self.bytes.start);
        (direction, bytes)
    }
}

fn cut(entry: &mut Entry, stats: &mut FaultStats) -> Order {
    stats.cuts += u64::from(!std::mem::replace(&mut entry.is_cut, true));
    Order::Cut
}
