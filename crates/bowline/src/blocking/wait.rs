//! Waiting for a future on the thread of the caller. Owns the parking; knows no client and starts no runtime.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::task::coop::unconstrained;

use crate::blocking::error::{TimedOut, WaitError};

/// Parks until it is ready.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    park_until(future, None).expect("without a deadline it is waited for to the end")
}

/// Parks until it is ready, at most this long. What is ready at once is returned even if the limit is zero.
pub(super) fn wait_for<T>(future: impl Future<Output = T>, limit: Duration) -> Result<T, TimedOut> {
    // A deadline beyond what the clock can say is none.
    park_until(future, Instant::now().checked_add(limit)).ok_or(TimedOut)
}

/// The same for what can fail.
pub(super) fn wait_for_result<T, E>(
    future: impl Future<Output = Result<T, E>>,
    limit: Duration,
) -> Result<T, WaitError<E>> {
    match wait_for(future, limit) {
        Ok(result) => result.map_err(WaitError::Failed),
        Err(TimedOut) => Err(WaitError::TimedOut),
    }
}

fn park_until<T>(future: impl Future<Output = T>, deadline: Option<Instant>) -> Option<T> {
    // The caller may be a task of a runtime. It has a budget there that our futures would use up, and one that does not
    // return to its runtime would never get another.
    let mut future = pin!(unconstrained(future));
    let parked = Parked::take();
    let waker = Waker::from(parked.0.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return Some(result);
        }
        while !parked.0.is_woken.swap(false, Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// Wakes one parked thread. The flag is there because anybody may unpark a thread, or have used up the token.
struct Unparker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    static SPARE: Cell<Option<Arc<Unparker>>> = const { Cell::new(None) };
}

/// The unparker of this thread, kept for the next wait. A wait within a wait takes one of its own, so that neither misses
/// what was meant for it; a late wake of an earlier wait costs a poll.
struct Parked(Arc<Unparker>);

impl Parked {
    fn take() -> Self {
        // A thread that is about to end has no spare one any more.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self(spare.unwrap_or_else(|| {
            Arc::new(Unparker { thread: thread::current(), is_woken: AtomicBool::new(false) })
        }))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let kept = self.0.clone();
        let _without_spare = SPARE.try_with(|spare| spare.set(Some(kept)));
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[test]
    fn a_wait_ends_when_another_thread_wakes_it() {
        let wake = Arc::new(tokio::sync::Notify::new());
        let waker = wake.clone();
        let waking = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            waker.notify_one();
        });
        let started = Instant::now();
        wait(wake.notified());
        assert!(started.elapsed() >= Duration::from_millis(20));
        waking.join().expect("it ends");
    }

    #[test]
    fn a_deadline_ends_a_wait_and_what_is_ready_needs_no_time() {
        let started = Instant::now();
        assert_eq!(wait_for(pending::<()>(), Duration::from_millis(20)), Err(TimedOut));
        assert!(started.elapsed() >= Duration::from_millis(20));
        assert_eq!(wait_for(std::future::ready(1), Duration::ZERO), Ok(1));
        let failed = wait_for_result(async { Err::<(), _>("no") }, Duration::MAX);
        assert_eq!(failed, Err(WaitError::Failed("no")));
    }

    #[test]
    fn a_stray_unpark_polls_nothing_and_a_wait_within_a_wait_takes_no_wake_of_the_outer_one() {
        // The first wait of a thread leaves a spare unparker, which only one of the next two may take.
        wait(std::future::ready(()));
        thread::current().unpark();
        let mut polls = 0;
        let counting = poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                // Woken for the outer wait, and then an inner one runs that waits itself.
                cx.waker().wake_by_ref();
                assert_eq!(wait_for(pending::<()>(), Duration::from_millis(5)), Err(TimedOut));
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        assert_eq!(wait_for(counting, Duration::from_secs(20)), Ok(()));
        assert_eq!(polls, 2);
    }
}
