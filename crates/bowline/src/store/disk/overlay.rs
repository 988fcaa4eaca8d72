//! A file that is looked at and not changed: what is written stays in memory. Knows nothing of what is in it.
//!
//! redb repairs a database that was not closed in good order before it reads anything. Here it repairs a copy of the pages that
//! this concerns.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// How much is copied at a time.
const PAGE_BYTES: u64 = 4096;

/// The backend below, and what was written since. Locks are those of the backend below.
#[derive(Debug)]
pub(super) struct Overlay<B> {
    base: B,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    pages: BTreeMap<u64, Vec<u8>>,
    len: u64,
    /// How much of the file below counts: it may have been made shorter, and longer again with zeros.
    base_len: u64,
}

impl<B: StorageBackend> Overlay<B> {
    pub(super) fn new(base: B) -> io::Result<Self> {
        let len = base.len()?;
        Ok(Self { base, written: Mutex::new(Written { pages: BTreeMap::new(), len, base_len: len }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is now.
    fn page(&self, written: &Written, number: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = written.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES as usize];
        let start = number * PAGE_BYTES;
        let there = written.base_len.saturating_sub(start).min(PAGE_BYTES) as usize;
        if there > 0 {
            self.base.read(start, &mut page[..there])?;
        }
        Ok(page)
    }
}

/// The pages that these bytes are on: number of the page, where in it, and where in the bytes.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let count = (PAGE_BYTES as usize - within).min(len - done);
        let range = done..done + count;
        done += count;
        (count > 0).then_some((at / PAGE_BYTES, within, range))
    })
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if written.pages.is_empty() && end.is_some_and(|end| end <= written.base_len) {
            return self.base.read(offset, out);
        }
        for (number, within, range) in pages(offset, out.len()) {
            let count = range.len();
            out[range].copy_from_slice(&self.page(&written, number)?[within..within + count]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        if len < written.len {
            written.base_len = written.base_len.min(len);
            let last = len / PAGE_BYTES;
            written.pages.retain(|number, _| *number <= last);
            if let Some(page) = written.pages.get_mut(&last) {
                page[(len % PAGE_BYTES) as usize..].fill(0);
            }
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        for (number, within, range) in pages(offset, data.len()) {
            let mut page = self.page(&written, number)?;
            page[within..within + range.len()].copy_from_slice(&data[range]);
            written.pages.insert(number, page);
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.base.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.query_lock_range(start, end)
    }
}
