//! Room for what one read brings: borrowed for the duration of a poll, so that an idle connection holds none.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use bowline_proto::client::Spent;
use bowline_proto::packet::Packet;

/// Bytes of one read. A little less than four of the decoder's blocks of 16 KiB: packets do not fill a block to its end, and
/// a fifth block for the rest would cost as much as the other four.
const READ_BYTES_MAX: usize = 60 * 1024;

/// Packets that are handed to the engine under one hold of the lock.
pub(super) const BATCH_PACKETS_MAX: usize = 256;

/// What one read brings, as bytes and then as packets.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    pub(super) bytes: Box<[u8]>,
    pub(super) packets: Vec<Packet>,
    /// Room for what the engine is done with, dropped without the lock.
    pub(super) spent: Vec<Spent>,
}

/// A buffer of this thread's, given back when dropped.
#[derive(Debug)]
pub(super) struct Borrowed {
    buffer: Option<Box<ReadBuffer>>,
}

thread_local! {
    /// One for each thread that drives connections: polls of one thread do not overlap.
    static SPARE: Cell<Option<Box<ReadBuffer>>> = const { Cell::new(None) };
}

pub(super) fn borrow() -> Borrowed {
    let spare = SPARE.with(Cell::take);
    let buffer = spare.unwrap_or_else(|| {
        let bytes = vec![0; READ_BYTES_MAX].into_boxed_slice();
        let packets = Vec::with_capacity(BATCH_PACKETS_MAX);
        Box::new(ReadBuffer { bytes, packets, spent: Vec::with_capacity(BATCH_PACKETS_MAX) })
    });
    Borrowed { buffer: Some(buffer) }
}

impl Deref for Borrowed {
    type Target = ReadBuffer;

    fn deref(&self) -> &ReadBuffer {
        self.buffer.as_ref().expect("it is there until the drop")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut ReadBuffer {
        self.buffer.as_mut().expect("it is there until the drop")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(mut buffer) = self.buffer.take() {
            buffer.packets.clear();
            buffer.spent.clear();
            // The thread may be ending; then the buffer ends with it.
            let _ended = SPARE.try_with(|spare| spare.set(Some(buffer)));
        }
    }
}
