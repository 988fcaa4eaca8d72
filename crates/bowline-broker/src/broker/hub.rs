//! Where the tasks of a broker meet: the core behind its lock, and a port for each connection. Reads and writes nothing.
//!
//! The rule of the lock: under it only the core runs. Wakers are collected and woken after it is released, and so is the
//! user's authentication called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bowline_proto::codec::Outgoing;
use bowline_proto::packet::Connect;
use bowline_proto::{ReasonCode, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::broker::event_log::EventLog;
use crate::broker::login::Authenticate;
use crate::core::{BrokerCore, BrokerEvent, BrokerOutput, ConnectionId};

/// What all tasks of a broker share.
pub(crate) struct Hub {
    state: Mutex<State>,
    authenticate: Option<Authenticate>,
    /// Wakes the task that waits for the core's next deadline.
    clock: Notify,
    /// Wakes those who wait for the end.
    over: Notify,
    started: Instant,
}

pub(crate) struct State {
    pub(crate) core: BrokerCore,
    pub(crate) events: EventLog,
    ports: BTreeMap<ConnectionId, Port>,
    /// Connections that do not read because the core said so.
    paused: Vec<ConnectionId>,
    /// When the core wants to be called at the latest.
    until: Option<Timestamp>,
    /// Tasks that serve a connection.
    pub(crate) serving: usize,
    pub(crate) is_over: bool,
}

/// What the core has for the task of one connection.
#[derive(Default)]
struct Port {
    to_write: Option<Outgoing>,
    /// Whether to close, and then whether to reset.
    close: Option<bool>,
    waker: Option<Waker>,
}

/// What a connection's task is to do.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) to_write: Option<Outgoing>,
    pub(crate) close: Option<bool>,
    pub(crate) may_read: bool,
}

/// What is to be done after the lock is released.
#[derive(Default)]
struct Afterwards {
    wakers: Vec<Waker>,
    questions: Vec<(ConnectionId, Box<Connect>)>,
    is_clock_late: bool,
}

impl Hub {
    pub(crate) fn new(core: BrokerCore, authenticate: Option<Authenticate>) -> Self {
        let state = State {
            core,
            events: EventLog::default(),
            ports: BTreeMap::new(),
            paused: Vec::new(),
            until: None,
            serving: 0,
            is_over: false,
        };
        let (clock, over) = (Notify::new(), Notify::new());
        Self { state: Mutex::new(state), authenticate, clock, over, started: Instant::now() }
    }

    /// Looks at the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the core does not panic")
    }

    /// Gives the core something and does all that it then asks for.
    pub(crate) fn drive<R>(&self, give: impl FnOnce(&mut BrokerCore, Timestamp) -> R) -> R {
        let (result, mut afterwards) = {
            let mut state = self.state();
            let now = self.now();
            let result = give(&mut state.core, now);
            (result, state.settle(now))
        };
        loop {
            for waker in afterwards.wakers.drain(..) {
                waker.wake();
            }
            if afterwards.is_clock_late {
                self.clock.notify_one();
            }
            if afterwards.questions.is_empty() {
                return result;
            }
            let answers: Vec<_> =
                afterwards.questions.into_iter().map(|question| self.ask(question)).collect();
            let mut state = self.state();
            let now = self.now();
            for (connection, answer) in answers {
                match answer {
                    Ok(()) => state.core.allow(connection, now),
                    Err(reason) => state.core.deny(connection, reason, now),
                }
            }
            afterwards = state.settle(now);
        }
    }

    /// Opens a connection, unless there are too many.
    pub(crate) fn open(&self) -> Option<ConnectionId> {
        let id = self.drive(|core, now| core.open(now))?;
        let mut state = self.state();
        state.ports.entry(id).or_default();
        Some(id)
    }

    /// What a connection's task is to do; it is woken when there is more.
    pub(crate) fn poll_orders(&self, id: ConnectionId, cx: &Context<'_>) -> Orders {
        let mut state = self.state();
        let may_read = !state.core.is_reading_paused(id);
        if !may_read && !state.paused.contains(&id) {
            state.paused.push(id);
        }
        let port = state.ports.entry(id).or_default();
        match &mut port.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Orders { to_write: port.to_write.take(), close: port.close, may_read }
    }

    /// A connection's task has nothing more to do with the core.
    pub(crate) fn leave(&self, id: ConnectionId) {
        self.state().ports.remove(&id);
    }

    /// A task begins to serve a connection.
    pub(crate) fn begin_serving(&self) {
        self.state().serving += 1;
    }

    /// A task has served its connection.
    pub(crate) fn end_serving(&self) {
        // Called from a drop, which must not panic a second time.
        let Ok(mut state) = self.state.lock() else { return };
        state.serving -= 1;
        if state.serving == 0 {
            let wakers = if state.is_over { state.events.take_wakers() } else { Vec::new() };
            drop(state);
            self.over.notify_waiters();
            self.clock.notify_one();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Tells something that the core knows nothing of.
    pub(crate) fn tell(&self, event: BrokerEvent) {
        let wakers = {
            let mut state = self.state();
            state.events.push(event);
            state.events.take_wakers()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A reader of events is gone.
    pub(crate) fn forget_reader(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.events.readers -= 1;
        }
    }

    /// Whether a panic has left the state as nobody knows.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.is_poisoned()
    }

    /// Ends all connections and takes no more.
    pub(crate) fn shut_down(&self) {
        self.drive(|core, now| core.shut_down(now));
        let wakers = {
            let mut state = self.state();
            state.is_over = true;
            state.events.take_wakers()
        };
        for waker in wakers {
            waker.wake();
        }
        self.clock.notify_one();
    }

    /// Waits until no connection is served any more. A dropped future stops nothing.
    pub(crate) async fn wait_until_over(&self) {
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            // Registered before looking, so that the last one cannot end unnoticed in between.
            over.as_mut().enable();
            if self.state().serving == 0 {
                return;
            }
            over.await;
        }
    }

    /// Calls the core whenever a time that it named has come, until the broker is over.
    pub(crate) async fn keep_time(&self) {
        loop {
            let until = {
                let state = self.state();
                if state.is_over && state.serving == 0 {
                    return;
                }
                state.until
            };
            let has_come = match until {
                Some(until) => timeout_at(self.instant(until), self.clock.notified()).await.is_err(),
                None => {
                    self.clock.notified().await;
                    false
                }
            };
            if has_come {
                self.drive(|_, _| ());
            }
        }
    }

    /// The next event for a reader at this place; ready with `None` when the broker is over.
    pub(crate) fn poll_event(&self, place: &mut u64, cx: &Context<'_>) -> Poll<Option<BrokerEvent>> {
        let mut state = self.state();
        if let Some(event) = state.events.read(place) {
            return Poll::Ready(Some(event));
        }
        if state.is_over && state.serving == 0 {
            return Poll::Ready(None);
        }
        state.events.wait(cx.waker());
        Poll::Pending
    }

    fn ask(&self, (id, connect): (ConnectionId, Box<Connect>)) -> (ConnectionId, Result<(), ReasonCode>) {
        let answer = self.authenticate.as_ref().map_or(Ok(()), |authenticate| authenticate.ask(&connect));
        (id, answer)
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }

    fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.saturating_since(Timestamp::ZERO)
    }
}

impl State {
    fn settle(&mut self, now: Timestamp) -> Afterwards {
        let mut afterwards = Afterwards::default();
        loop {
            match self.core.poll_output(now) {
                BrokerOutput::Transmit { connection, buffer } => {
                    let port = self.ports.entry(connection).or_default();
                    port.to_write = Some(buffer);
                    afterwards.wakers.extend(port.waker.take());
                }
                BrokerOutput::Authenticate { connection, connect } => {
                    afterwards.questions.push((connection, connect));
                }
                BrokerOutput::Close { connection, is_abrupt } => {
                    let port = self.ports.entry(connection).or_default();
                    port.close = Some(is_abrupt);
                    afterwards.wakers.extend(port.waker.take());
                }
                BrokerOutput::Event(event) => {
                    self.events.push(event);
                    afterwards.wakers.append(&mut self.events.take_wakers());
                }
                BrokerOutput::Sleep { until } => {
                    afterwards.is_clock_late = is_earlier(until, self.until);
                    self.until = until;
                    self.resume_reading(&mut afterwards);
                    return afterwards;
                }
            }
        }
    }

    /// Wakes those who paused and may read again.
    fn resume_reading(&mut self, afterwards: &mut Afterwards) {
        let (core, ports) = (&self.core, &mut self.ports);
        self.paused.retain(|id| {
            let is_paused = core.is_reading_paused(*id) && ports.contains_key(id);
            if !is_paused && let Some(port) = ports.get_mut(id) {
                afterwards.wakers.extend(port.waker.take());
            }
            is_paused
        });
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.state().core.stats()).finish_non_exhaustive()
    }
}

fn is_earlier(new: Option<Timestamp>, old: Option<Timestamp>) -> bool {
    match (new, old) {
        (Some(new), Some(old)) => new < old,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
