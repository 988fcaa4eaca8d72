//! The bytes below a store: a file on a disk, or what a test puts in its place. Knows nothing of what is in them.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// What a [`DiskStore`](crate::store::DiskStore) needs of a file: [`DiskStore::on`](crate::store::DiskStore::on) takes
/// anything that can do this, such as a partition without a file system, or a disk in a test that loses its power.
pub trait StoreFile: Debug + Send + Sync + 'static {
    /// How many bytes it has.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has none.
    ///
    /// # Errors
    /// Those of [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `bytes` with what stands from `offset` on.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends before; else those of the operating system.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes` at `offset`. It may be in a cache until [`sync`](Self::sync), and what is in the cache may come to the
    /// disk in any order, whole or in part.
    ///
    /// # Errors
    /// Those of the operating system.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes it longer, with zeros, or shorter.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when everything that was written so far, and the length, survives a loss of power.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync(&self) -> io::Result<()>;
}

/// When a store asks the disk to make what it wrote survive a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// At every commit. What was reported as stored survives a kill of the process and a loss of power.
    #[default]
    EveryBatch,
    /// Never while it is in use: it is left to the operating system when what was written comes to the disk. What was reported
    /// as stored survives a kill of the process. A loss of power, or a crash of the system, can cost the last commits and can
    /// damage the store as a whole, which is found and reported at the next start. Some five times as many commits in a second.
    OsBuffer,
}

/// What is below a store, with syncs or without.
#[derive(Debug)]
pub(super) struct Synced<B> {
    below: B,
    policy: SyncPolicy,
}

impl Synced<FileBackend> {
    /// A file with redb's locks.
    pub(super) fn locked(file: File, policy: SyncPolicy) -> Result<Self, redb::DatabaseError> {
        Ok(Self { below: FileBackend::new(file)?, policy })
    }
}

impl Synced<Brought> {
    /// What the application brought in place of a file.
    pub(super) const fn brought(file: Box<dyn StoreFile>, policy: SyncPolicy) -> Self {
        Self { below: Brought(file), policy }
    }
}

impl<B: StorageBackend> StorageBackend for Synced<B> {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.below.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.policy {
            SyncPolicy::EveryBatch => self.below.sync_data(),
            SyncPolicy::OsBuffer => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.below.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

/// What the application brought, as redb wants it. It has no locks.
#[derive(Debug)]
pub(super) struct Brought(Box<dyn StoreFile>);

impl StorageBackend for Brought {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// A file that can only be read.
#[derive(Debug)]
pub(super) struct ReadOnlyFile(Mutex<File>);

impl ReadOnlyFile {
    pub(super) const fn new(file: File) -> Self {
        Self(Mutex::new(file))
    }
}

impl StoreFile for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).metadata()?.len())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }

    fn write(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
