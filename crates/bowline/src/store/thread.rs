//! The one thread on which all stores of the process are read and written. Knows no store and no client.
//!
//! It starts with the first job and ends when it has had nothing to do for a while. Jobs run one after the other in the order
//! in which they came; a client has few at a time, so clients take turns.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Something to be done on the thread. It may block.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// How long the thread waits for another job before it ends.
const IDLE: Duration = Duration::from_secs(10);

static WORK: Work = Work::new(IDLE);

/// Has something done on the thread, after everything that was given before.
///
/// # Errors
/// The operating system gives no thread; the job is dropped then.
pub(super) fn submit(job: Job) -> io::Result<()> {
    WORK.submit(job)
}

/// What is to be done, and whether there is a thread that does it.
struct Work {
    state: Mutex<State>,
    has_job: Condvar,
    idle: Duration,
}

struct State {
    jobs: VecDeque<Job>,
    is_running: bool,
}

impl Work {
    const fn new(idle: Duration) -> Self {
        let state = State { jobs: VecDeque::new(), is_running: false };
        Self { state: Mutex::new(state), has_job: Condvar::new(), idle }
    }

    fn submit(&'static self, job: Job) -> io::Result<()> {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.is_running {
            drop(state);
            self.has_job.notify_one();
            return Ok(());
        }
        // Under the lock, so that a second one who comes now does not start a second thread.
        let started = thread::Builder::new().name("bowline-store".to_owned()).spawn(|| self.run());
        state.is_running = started.is_ok();
        let job = if started.is_ok() { None } else { state.jobs.pop_back() };
        drop(state);
        drop(job);
        started.map(drop)
    }

    fn run(&self) {
        while let Some(job) = self.next() {
            // What a job leaves undone by a panic is for whoever waits for its answer.
            let _panicked = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; `None` if the thread is to end, after which the next job starts another one.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            let waited = self.has_job.wait_timeout(state, self.idle).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && state.jobs.is_empty() {
                state.is_running = false;
                state.jobs.shrink_to_fit();
                return None;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::thread::ThreadId;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn thread_of(work: &'static Work) -> ThreadId {
        let (tell, told) = sync_channel(1);
        work.submit(Box::new(move || tell.send(thread::current().id()).unwrap())).unwrap();
        told.recv_timeout(PATIENCE).unwrap()
    }

    #[test]
    fn all_jobs_run_on_one_thread_in_their_order_also_after_one_that_panics() {
        static WORK: Work = Work::new(IDLE);
        let first = thread_of(&WORK);
        WORK.submit(Box::new(|| panic!("this panic is part of the test"))).unwrap();
        let (tell, told) = sync_channel(100);
        for number in 0..100 {
            let tell = tell.clone();
            WORK.submit(Box::new(move || tell.send((number, thread::current().id())).unwrap())).unwrap();
        }
        for number in 0..100 {
            assert_eq!(told.recv_timeout(PATIENCE), Ok((number, first)));
        }
    }

    #[test]
    fn the_thread_ends_when_it_is_idle_and_no_job_is_lost_around_its_end() {
        static WORK: Work = Work::new(Duration::from_millis(1));
        let mut threads = Vec::new();
        // Pauses around the idle time: jobs come before, while and after the thread ends.
        for round in 0..200 {
            let thread = thread_of(&WORK);
            if threads.last() != Some(&thread) {
                threads.push(thread);
            }
            thread::sleep(Duration::from_micros(500 + 10 * (round % 100)));
        }
        assert!(threads.len() > 1, "it never ended");
    }
}
