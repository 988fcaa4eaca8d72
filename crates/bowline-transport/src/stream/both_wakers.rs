//! Wakes reader and writer of one stream, which may be two tasks: where reading can make writing possible and the other way
//! round. Knows no stream.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Who waits for something of the stream.
#[derive(Debug, Default)]
pub(super) struct BothWakers {
    waiting: Mutex<[Option<Waker>; 2]>,
}

/// A direction of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Read,
    Write,
}

impl BothWakers {
    /// Has this task woken whenever one of both is, until the next time.
    pub(super) fn wait(&self, way: Way, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut waiting[way as usize];
        let before = match slot {
            Some(known) if known.will_wake(waker) => None,
            slot => slot.replace(waker.clone()),
        };
        drop(waiting);
        // It is other code.
        drop(before);
    }
}

impl Wake for BothWakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        match waiting {
            [Some(reader), Some(writer)] if reader.will_wake(&writer) => reader.wake(),
            waiting => waiting.into_iter().flatten().for_each(Waker::wake),
        }
    }
}
