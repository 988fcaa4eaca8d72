//! What a durable session writes down, and what waits until it is written: the barriers B1 to B9.
//!
//! Entries commit in order. At most one batch is with the store at a time; whatever is recorded meanwhile is the next
//! batch, which is how many entries come to share one sync. A session that is not durable records nothing and waits
//! for nothing.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::session::stored::Entry;
use crate::session::{DeliveryId, PublicationId};
use crate::time::Timestamp;
use crate::types::PacketId;

/// The position of an entry in the journal. Entries become durable in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Entries to make durable together, in order, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// The position of the last entry; what `Input::Persisted` answers with.
    pub last: Seq,
    /// What to write.
    pub entries: Arc<[Entry]>,
}

/// What waits behind a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gated {
    /// B1: report that a publication is accepted.
    Accepted(PublicationId),
    /// B2: write this flow's PUBLISH.
    Publish { slot: u32, publication: PublicationId },
    /// B3: write this flow's PUBREL.
    Pubrel { slot: u32, publication: PublicationId },
    /// B4: write the PUBREC of this delivery.
    Pubrec(DeliveryId),
    /// B5: write PUBCOMP.
    Pubcomp(PacketId),
    /// B6 and B9: write CONNECT.
    Connect,
    /// B6: the loss of the session is recorded; send and acknowledge again.
    Resume,
    /// B7: report an outcome; the engine keeps it in order.
    Outcome,
    /// B2, for the flows behind one that ended unsent: write their PUBLISHes.
    UnsentEnd,
    /// B8: write the SUBSCRIBE or UNSUBSCRIBE of this request.
    Request(u32),
}

/// Records entries and holds back what may only happen once they are durable.
#[derive(Debug)]
pub(crate) struct Journal {
    mode: Mode,
    next: u64,
    /// What a store has to begin with, until something is recorded.
    first: Option<Entry>,
    pending: Vec<(Seq, Entry)>,
    /// Later than all that is pending, and not worth a commit of their own for a while.
    lazy: Vec<Entry>,
    /// When they are written at the latest.
    lazy_until: Option<Timestamp>,
    with_store: Option<Batch>,
    gated: VecDeque<(Seq, Gated)>,
}

#[derive(Debug)]
enum Mode {
    /// Nothing is recorded.
    Volatile,
    Durable(StoreHealth),
}

#[derive(Debug)]
enum StoreHealth {
    Well,
    /// Try again at this time.
    Failed {
        retry_at: Timestamp,
        failures: u32,
    },
}

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a lazy entry waits for one that is not, and how many wait at most.
const LAZY_MAX: Duration = Duration::from_millis(50);
const LAZY_ENTRIES_MAX: usize = 1_000;

impl Journal {
    pub(crate) const fn volatile() -> Self {
        Self::with_mode(Mode::Volatile)
    }

    pub(crate) const fn durable() -> Self {
        Self::with_mode(Mode::Durable(StoreHealth::Well))
    }

    const fn with_mode(mode: Mode) -> Self {
        Self {
            mode,
            next: 1,
            first: None,
            pending: Vec::new(),
            lazy: Vec::new(),
            lazy_until: None,
            with_store: None,
            gated: VecDeque::new(),
        }
    }

    pub(crate) const fn is_durable(&self) -> bool {
        matches!(self.mode, Mode::Durable(_))
    }

    /// Whether a batch is with the store, so that an answer is due.
    pub(crate) const fn awaits_store(&self) -> bool {
        self.with_store.is_some()
    }

    /// Whether everything that was recorded is durable.
    pub(crate) const fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.lazy.is_empty() && self.with_store.is_none()
    }

    /// Whether a store failed and is not to be tried yet.
    pub(crate) fn is_failed(&self, now: Timestamp) -> bool {
        matches!(&self.mode, Mode::Durable(StoreHealth::Failed { retry_at, .. }) if now < *retry_at)
    }

    /// Has an entry recorded before all others, together with the first of them.
    pub(crate) fn begin_with(&mut self, entry: Entry) {
        self.first = Some(entry);
    }

    /// Records an entry that nothing waits for.
    pub(crate) fn record(&mut self, entry: Entry) {
        if !self.is_durable() {
            return;
        }
        let first = self.first.take();
        self.hurry();
        for entry in first.into_iter().chain([entry]) {
            self.next += 1;
            self.pending.push((Seq(self.next), entry));
        }
    }

    /// Records an entry that nothing waits for, and that does no harm if it is lost: it is written together with the next one that
    /// is not such, or after a while.
    pub(crate) fn record_lazily(&mut self, entry: Entry) {
        if self.is_durable() {
            self.lazy.push(entry);
        }
    }

    /// Has what was recorded lazily written at once.
    pub(crate) fn hurry(&mut self) {
        self.lazy_until = None;
        for entry in self.lazy.drain(..) {
            self.next += 1;
            self.pending.push((Seq(self.next), entry));
        }
    }

    /// Records an entry and says what may happen once it is durable: at once (returned) if nothing is recorded.
    pub(crate) fn record_before(&mut self, entry: Entry, gated: Gated) -> Option<Gated> {
        self.record(entry);
        self.wait(gated)
    }

    /// Holds `gated` back until all that was recorded so far is durable; returns it if it is.
    pub(crate) fn wait(&mut self, gated: Gated) -> Option<Gated> {
        if self.pending.is_empty() && self.with_store.is_none() {
            return Some(gated);
        }
        self.gated.push_back((Seq(self.next), gated));
        None
    }

    /// As [`Journal::wait`], but only while it is not durable who we are to the broker (B6, B9): nothing else keeps a
    /// connection from being made and resumed, so that it can be while the store fails.
    pub(crate) fn wait_for_identity(&mut self, gated: Gated) -> Option<Gated> {
        let is_identity = |entry: &Entry| matches!(entry, Entry::SessionReset { .. } | Entry::Established(_));
        let is_waiting = self.pending.iter().any(|(_, entry)| is_identity(entry))
            || self.with_store.as_ref().is_some_and(|batch| batch.entries.iter().any(is_identity));
        if is_waiting { self.wait(gated) } else { Some(gated) }
    }

    /// The publications that are not durable yet, and whether the store has them in its hands.
    pub(crate) fn unstored(&self) -> BTreeMap<PublicationId, bool> {
        self.not_durable(|entry| match entry {
            Entry::Accepted(accepted) => Some(accepted.publication),
            _ => None,
        })
    }

    /// The publications whose end is not durable yet, and whether the store has it in its hands.
    pub(crate) fn unended(&self) -> BTreeMap<PublicationId, bool> {
        self.not_durable(|entry| match entry {
            Entry::Ended { publication, .. } => Some(*publication),
            _ => None,
        })
    }

    fn not_durable(&self, which: impl Fn(&Entry) -> Option<PublicationId>) -> BTreeMap<PublicationId, bool> {
        let at_store = self.with_store.iter().flat_map(|batch| batch.entries.iter()).filter_map(&which);
        let pending = self.pending.iter().map(|(_, entry)| entry).chain(&self.lazy).filter_map(&which);
        at_store.map(|one| (one, true)).chain(pending.map(|one| (one, false))).collect()
    }

    /// The next batch for the store, if there is one, none is with the store, and the store is not failed.
    pub(crate) fn poll_batch(&mut self, now: Timestamp) -> Option<Batch> {
        if self.with_store.is_some() || self.is_failed(now) {
            return None;
        }
        if !self.lazy.is_empty() {
            let until = *self.lazy_until.get_or_insert(now + LAZY_MAX);
            if !self.pending.is_empty() || self.lazy.len() >= LAZY_ENTRIES_MAX || now >= until {
                self.hurry();
            }
        }
        if self.pending.is_empty() {
            return None;
        }
        let last = self.pending.last().map(|(seq, _)| *seq)?;
        let entries = self.pending.drain(..).map(|(_, entry)| entry).collect();
        let batch = Batch { last, entries };
        self.with_store = Some(batch.clone());
        Some(batch)
    }

    /// The store has committed the batch. What waited for it comes out of [`Journal::pop_released`].
    pub(crate) fn on_persisted(&mut self, seq: Seq) -> bool {
        match &self.with_store {
            Some(batch) if batch.last == seq => {
                self.with_store = None;
                if let Mode::Durable(health) = &mut self.mode {
                    *health = StoreHealth::Well;
                }
                true
            }
            _ => false,
        }
    }

    /// The next thing whose barrier is passed, in order.
    pub(crate) fn pop_released(&mut self) -> Option<Gated> {
        let durable_below = match (&self.with_store, self.pending.first()) {
            (Some(_), _) => self.with_store_first(),
            (None, Some((first, _))) => *first,
            (None, None) => Seq(u64::MAX),
        };
        match self.gated.front() {
            Some((seq, _)) if *seq < durable_below => self.gated.pop_front().map(|(_, gated)| gated),
            _ => None,
        }
    }

    fn with_store_first(&self) -> Seq {
        self.with_store.as_ref().map_or(Seq(u64::MAX), |batch| {
            let before = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX) - 1;
            Seq(batch.last.0.saturating_sub(before))
        })
    }

    /// The store could not commit. Publications that were not accepted yet are given back to fail; everything else is
    /// kept and tried again, after a delay that doubles.
    pub(crate) fn on_failed(&mut self, now: Timestamp) -> Vec<PublicationId> {
        let Mode::Durable(health) = &mut self.mode else { return Vec::new() };
        let failures = match health {
            StoreHealth::Well => 0,
            StoreHealth::Failed { failures, .. } => *failures + 1,
        };
        *health = StoreHealth::Failed { retry_at: now + store_retry_delay(failures), failures };

        let back = self.with_store.take().map(|batch| batch.entries);
        let back = back.iter().flat_map(|entries| entries.iter().cloned());
        let all: Vec<Entry> = back.chain(self.pending.drain(..).map(|(_, entry)| entry)).collect();
        let failed: Vec<PublicationId> = all
            .iter()
            .filter_map(|entry| match entry {
                Entry::Accepted(accepted) => Some(accepted.publication),
                _ => None,
            })
            .collect();
        let kept = all.into_iter().filter(|entry| {
            entry.publication().is_none_or(|publication| failed.binary_search(&publication).is_err())
        });
        // The kept entries get new positions, and everything that waits now waits for the last of them.
        for entry in kept.collect::<Vec<_>>() {
            self.next += 1;
            self.pending.push((Seq(self.next), entry));
        }
        let last = Seq(self.next);
        self.gated.retain_mut(|(seq, gated)| {
            *seq = last;
            match gated {
                Gated::Accepted(publication)
                | Gated::Publish { publication, .. }
                | Gated::Pubrel { publication, .. } => failed.binary_search(publication).is_err(),
                _ => true,
            }
        });
        failed
    }

    /// The store has not taken a publication of the batch that it has committed. Nothing waits for it any more, and what was recorded
    /// of it meanwhile says nothing.
    pub(crate) fn on_refused(&mut self, refused: PublicationId) {
        for (_, entry) in &mut self.pending {
            // In its place, as positions are counted.
            if let Entry::Ended { publication, outcome, .. } = entry
                && *publication == refused
            {
                *outcome = None;
            }
        }
        self.gated.retain(|(_, gated)| match gated {
            Gated::Accepted(publication)
            | Gated::Publish { publication, .. }
            | Gated::Pubrel { publication, .. } => *publication != refused,
            _ => true,
        });
    }

    /// When the failed store is to be tried again, if something waits for it, or what was recorded lazily is to be written.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.mode {
            Mode::Durable(_) if self.with_store.is_some() => None,
            Mode::Durable(StoreHealth::Failed { retry_at, .. }) => {
                let waits = !self.pending.is_empty() || !self.lazy.is_empty();
                waits.then(|| self.lazy_until.map_or(*retry_at, |until| until.max(*retry_at)))
            }
            Mode::Durable(StoreHealth::Well) => self.lazy_until,
            Mode::Volatile => None,
        }
    }

    /// Drops what waits to be written on a connection that is gone; the entries stay.
    pub(crate) fn forget_connection(&mut self) {
        self.gated.retain(|(_, gated)| match gated {
            Gated::Accepted(_) | Gated::Outcome | Gated::Pubrec(_) | Gated::Request(_) => true,
            Gated::Publish { .. } | Gated::Pubrel { .. } | Gated::UnsentEnd => true,
            Gated::Pubcomp(_) | Gated::Connect | Gated::Resume => false,
        });
    }
}

/// How long to leave a store alone that has failed so many times in a row before.
pub(crate) fn store_retry_delay(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << failures.min(16)).min(RETRY_MAX)
}
