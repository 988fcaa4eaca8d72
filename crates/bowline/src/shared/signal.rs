//! How handles wake the driver: only when it sleeps. Knows no engine.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// Tells the driver that there is something to do. Free of locks while the driver runs.
#[derive(Debug)]
pub(crate) struct DriverSignal {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// The driver runs and has seen everything.
const RUNNING: u8 = 0;
/// The driver runs, or is about to, and will look again.
const RAISED: u8 = 1;
/// The driver sleeps.
const PARKED: u8 = 2;

impl DriverSignal {
    pub(crate) const fn new() -> Self {
        Self { state: AtomicU8::new(RAISED), waker: Mutex::new(None) }
    }

    /// There is something to do. What it is must have been written before.
    pub(crate) fn raise(&self) {
        // A swap and not a load: what was written before must be seen by a driver that is just falling asleep.
        if self.state.swap(RAISED, Ordering::SeqCst) == PARKED {
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The driver is about to look; whether there is something to see.
    pub(crate) fn lower(&self) -> bool {
        self.state.swap(RUNNING, Ordering::SeqCst) == RAISED
    }

    /// The driver wants to sleep; false if it must look again.
    pub(crate) fn park(&self, waker: &Waker) -> bool {
        {
            let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *known {
                Some(known) => known.clone_from(waker),
                None => *known = Some(waker.clone()),
            }
        }
        self.state.compare_exchange(RUNNING, PARKED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_a_sleeping_driver_is_woken_and_only_once() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let signal = DriverSignal::new();
        assert!(!signal.park(&waker), "a new driver looks before it sleeps");
        assert!(signal.lower());
        signal.raise();
        assert!(!signal.park(&waker), "raised meanwhile");
        assert!(signal.lower());
        assert!(signal.park(&waker));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        signal.raise();
        signal.raise();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
