//! Why a store could not do what it was asked, and what to do about it. Knows no store.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bowline_proto::{Text, Version};

/// Why a session store could not be opened, read or written. Its text names the store and says what can be done.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    store: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a [`StoreError`] comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Somebody else has it open: a second process, or a second client of this one.
    Locked,
    /// It is the session of another client identifier.
    OtherClientId {
        /// The one that it belongs to.
        stored: Text,
        /// The one that was asked for.
        asked: Text,
    },
    /// Its session was made in another version of MQTT than the one that was asked for.
    OtherVersion {
        /// The one that it belongs to.
        stored: Version,
        /// The one that was asked for.
        asked: Version,
    },
    /// It was written by a later version of this library, in a format that this one does not know.
    OtherFormat {
        /// The format that was found.
        found: u32,
        /// The one that is read and written.
        known: u32,
    },
    /// It is damaged.
    Damaged {
        /// Where it was put, so that nothing of it is lost. Whoever opens it again begins with an empty one.
        set_aside: Option<PathBuf>,
    },
    /// There is something else in its place: not a store of this library.
    NotAStore,
    /// What was sealed cannot be opened: another key, or changed by somebody.
    NotUnsealed,
    /// No room is left on the disk.
    Full,
    /// The file or its file system can only be read.
    ReadOnly,
    /// The operating system does not allow it.
    NotPermitted,
    /// There is a directory in its place.
    IsADirectory,
    /// It is not there, and was to be looked into.
    NoFile,
    /// The directory that it is to be in does not exist.
    NoDirectory,
    /// Reading or writing failed; the source says how.
    Io,
    /// The thread for the stores could not be started, or has ended.
    NoThread,
}

impl StoreError {
    /// An error of this kind.
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, store: None, source: None }
    }

    /// The same error, of the store with this name: usually its path.
    #[must_use]
    pub fn of_store(mut self, name: impl Into<String>) -> Self {
        self.store = Some(name.into());
        self
    }

    /// The same error, with what led to it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What it comes down to.
    pub const fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }

    /// The name of the store, if it is known.
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full
            }
            io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::ReadOnly,
            io::ErrorKind::PermissionDenied => StoreErrorKind::NotPermitted,
            io::ErrorKind::IsADirectory => StoreErrorKind::IsADirectory,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreErrorKind::NoDirectory,
            _ => StoreErrorKind::Io,
        };
        Self::new(kind).because(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.store.as_deref().unwrap_or("the session store"))?;
        match &self.kind {
            StoreErrorKind::Locked => f.write_str(
                " is in use: end the other process or client that has it open, or give this one a store of its own",
            ),
            StoreErrorKind::OtherClientId { stored, asked } => write!(
                f,
                " has the session of client identifier {stored}, and {asked} was asked for: use that identifier, or another store"
            ),
            StoreErrorKind::OtherVersion { stored, asked } => write!(
                f,
                " has a session of MQTT {stored}, and MQTT {asked} was asked for: use that version, or another store"
            ),
            StoreErrorKind::OtherFormat { found, known } => write!(
                f,
                " has format {found}, and this version of the library reads format {known}: use the version that wrote it, or another store"
            ),
            StoreErrorKind::Damaged { set_aside: Some(path) } => write!(
                f,
                " is damaged and was set aside as {}: connect again to begin with an empty one, or restore a copy first",
                path.display()
            ),
            StoreErrorKind::Damaged { set_aside: None } => {
                f.write_str(" is damaged: move it away to begin with an empty one, or restore a copy")
            }
            StoreErrorKind::NotAStore => {
                f.write_str(" is something else and was not touched: choose another place for the store")
            }
            StoreErrorKind::NotUnsealed => {
                f.write_str(" cannot be unsealed: use the key that it was sealed with, or another store")
            }
            StoreErrorKind::Full => f.write_str(" cannot be written as no room is left: make room on its disk"),
            StoreErrorKind::ReadOnly => {
                f.write_str(" can only be read: make it writable, or choose another place for it")
            }
            StoreErrorKind::NotPermitted => f.write_str(
                " must not be opened by this user: change its permissions, or choose another place for it",
            ),
            StoreErrorKind::IsADirectory => {
                f.write_str(" is a directory: name a file in it, which will be made")
            }
            StoreErrorKind::NoFile => f.write_str(" does not exist"),
            StoreErrorKind::NoDirectory => {
                f.write_str(" cannot be made as its directory does not exist: make that first")
            }
            StoreErrorKind::Io => f.write_str(" cannot be read or written"),
            StoreErrorKind::NoThread => f.write_str(" cannot be used, as there is no thread for it"),
        }?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {}
