//! The output buffer: a flat buffer for what is small, shared segments for large payloads. Knows no packets.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// Payloads of at least this many bytes are shared and not copied. Below it a copy costs less than one more entry
/// in a vectored write.
pub const SHARED_PAYLOAD_BYTES_MIN: usize = 4096;

/// How much room an emptied buffer keeps. A larger one is given back, so that one burst is not paid for ever.
pub const CAPACITY_KEPT_BYTES_MAX: usize = 256 * 1024;

/// How many written bytes may stay at the front of a buffer that never runs empty, before the rest moves down.
const WRITTEN_BYTES_MAX: usize = 64 * 1024;

/// Encoded packets on their way to the socket.
///
/// Unbounded by itself: whoever encodes looks at [`len`](Self::len) first and keeps its high-water mark.
#[derive(Default)]
pub struct Outgoing {
    flat: Vec<u8>,
    /// How much of `flat` has been written.
    flat_written: usize,
    segments: VecDeque<Segment>,
    segment_bytes: usize,
}

/// A shared payload and the position in the flat buffer that it stands before.
struct Segment {
    flat_at: usize,
    payload: Bytes,
}

impl Outgoing {
    /// An empty buffer, without an allocation.
    pub const fn new() -> Self {
        Self { flat: Vec::new(), flat_written: 0, segments: VecDeque::new(), segment_bytes: 0 }
    }

    /// Bytes that wait to be written.
    pub fn len(&self) -> usize {
        self.flat.len() - self.flat_written + self.segment_bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what waits. Keeps the allocation up to [`CAPACITY_KEPT_BYTES_MAX`].
    pub fn clear(&mut self) {
        self.segments.clear();
        self.segment_bytes = 0;
        self.flat_written = 0;
        self.flat.clear();
        self.flat.shrink_to(CAPACITY_KEPT_BYTES_MAX);
    }

    /// What waits, in order, as slices for a vectored write. None of them is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut flat_at = self.flat_written;
        let last = (self.flat.len(), &[][..]);
        let segments = self.segments.iter().map(|segment| (segment.flat_at, &segment.payload[..]));
        segments
            .chain([last])
            .flat_map(move |(flat_end, payload)| {
                let flat = &self.flat[flat_at..flat_end];
                flat_at = flat_end;
                [flat, payload]
            })
            .filter(|chunk| !chunk.is_empty())
    }

    /// The first of the [`chunks`](Self::chunks); empty if nothing waits.
    pub fn chunk(&self) -> &[u8] {
        match self.segments.front() {
            Some(segment) if segment.flat_at == self.flat_written => &segment.payload,
            Some(segment) => &self.flat[self.flat_written..segment.flat_at],
            None => &self.flat[self.flat_written..],
        }
    }

    /// Drops the first `bytes` bytes because they have been written.
    ///
    /// # Panics
    /// If fewer wait.
    pub fn advance(&mut self, mut bytes: usize) {
        assert!(bytes <= self.len(), "{bytes} bytes were written, but only {} waited", self.len());
        while bytes > 0 {
            let step = bytes.min(self.chunk().len());
            bytes -= step;
            match self.segments.front_mut() {
                Some(segment) if segment.flat_at == self.flat_written => {
                    self.segment_bytes -= step;
                    if step == segment.payload.len() {
                        self.segments.pop_front();
                    } else {
                        let _written = segment.payload.split_to(step);
                    }
                }
                _ => self.flat_written += step,
            }
        }
        if self.is_empty() {
            self.clear();
        } else if self.flat_written > WRITTEN_BYTES_MAX && self.flat_written * 2 > self.flat.len() {
            self.forget_written();
        }
    }

    /// What waits, copied into one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        for chunk in self.chunks() {
            all.extend_from_slice(chunk);
        }
        all
    }

    /// The flat buffer, to append to.
    #[inline]
    pub(crate) const fn flat(&mut self) -> &mut Vec<u8> {
        &mut self.flat
    }

    /// Appends a payload without copying it.
    pub(crate) fn push_shared(&mut self, payload: Bytes) {
        self.segment_bytes += payload.len();
        self.segments.push_back(Segment { flat_at: self.flat.len(), payload });
    }

    fn forget_written(&mut self) {
        self.flat.drain(..self.flat_written);
        for segment in &mut self.segments {
            segment.flat_at -= self.flat_written;
        }
        self.flat_written = 0;
    }
}

impl fmt::Debug for Outgoing {
    /// Prints sizes, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("len", &self.len()).field("segments", &self.segments.len()).finish()
    }
}
