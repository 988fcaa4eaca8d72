//! What can go wrong below a store, and what of it people are told. Knows no store.

use std::io;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

use crate::store::disk::fields::BadRecord;
use crate::store::disk::seal::SealError;
use crate::store::{StoreError, StoreErrorKind};

/// Why something could not be done with the file.
#[derive(Debug)]
pub(super) enum Failure {
    Locked,
    NotAStore(String),
    OtherFormat {
        found: u32,
        known: u32,
    },
    Damaged(String),
    Seal(SealError),
    /// It is sealed and no seal was given, or the other way round.
    SealMissing(&'static str),
    ReadOnly,
    Gone,
    /// Nothing is there, and nothing is to be made.
    NoFile,
    TooLong,
    Io(io::Error),
}

impl Failure {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    pub(super) fn record(place: &[u8], error: BadRecord) -> Self {
        let table = place.first().map_or('?', |byte| char::from(*byte));
        Self::Damaged(format!("a record of kind `{table}` is wrong: {}", error.0))
    }

    pub(super) const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// What was found, for those who look into it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Damaged(what) | Self::NotAStore(what) => what.clone(),
            other => format!("{other:?}"),
        }
    }

    pub(super) fn into_error(self, store: String) -> StoreError {
        let error = match self {
            Self::Locked => StoreError::new(StoreErrorKind::Locked),
            Self::NotAStore(what) => StoreError::new(StoreErrorKind::NotAStore).because(what),
            Self::OtherFormat { found, known } => {
                StoreError::new(StoreErrorKind::OtherFormat { found, known })
            }
            Self::Damaged(what) => StoreError::new(StoreErrorKind::Damaged { set_aside: None }).because(what),
            Self::Seal(error) => StoreError::new(StoreErrorKind::NotUnsealed).because(error),
            Self::SealMissing(what) => StoreError::new(StoreErrorKind::NotUnsealed).because(what),
            Self::ReadOnly => StoreError::new(StoreErrorKind::ReadOnly),
            Self::Gone => {
                StoreError::new(StoreErrorKind::Io).because("its file was removed while it was in use")
            }
            Self::NoFile => StoreError::new(StoreErrorKind::NoFile),
            Self::TooLong => StoreError::new(StoreErrorKind::Io).because("a message is too long to be kept"),
            Self::Io(error) => StoreError::from(error),
        };
        error.of_store(store)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Both mean that the file is not what its header says: a read behind the end, and a header without its mark.
            io::ErrorKind::UnexpectedEof => Self::damaged("the file is shorter than it was"),
            io::ErrorKind::InvalidData => Self::NotAStore(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) => Self::from(error),
            StorageError::Corrupted(what) => Self::Damaged(what),
            StorageError::ValueTooLarge(_) => Self::TooLong,
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::Locked,
            DatabaseError::UpgradeRequired(version) => {
                Self::NotAStore(format!("it is a file of redb with the old format {version}"))
            }
            DatabaseError::Storage(error) => Self::from(error),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => Self::from(error),
            other => Self::NotAStore(other.to_string()),
        }
    }
}

impl From<TransactionError> for Failure {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => Self::from(error),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => Self::from(error),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}
