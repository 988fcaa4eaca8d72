//! `--store`: the file that a session is kept in, and what is found there before and after. Knows neither command.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bowline::Session;
use bowline::store::{DiskStore, StoreContents, StoreError, StoreErrorKind, StoreInspection};
use clap::Args;

use crate::exit::Failure;

#[derive(Args)]
#[command(next_help_heading = "Durable session")]
pub(super) struct StoreArguments {
    /// Keep the session in this file, made if it is not there: what a kill interrupts, the next run with the file goes on with. The
    /// client identifier is kept in it too; the broker keeps its side until -x says otherwise
    #[arg(long, value_name = "PATH", conflicts_with = "disable_clean_session")]
    store: Option<PathBuf>,
}

/// Ends of keyed publications that are remembered: more than there can be in flight at once, so that of lines the end of the last
/// one is never forgotten.
const OUTCOMES_KEPT: usize = 131_072;
/// How long the file may stay locked after the client is over.
const UNLOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The file that a command keeps its session in.
#[derive(Clone, Debug)]
pub(crate) struct StorePath(PathBuf);

impl StoreArguments {
    pub(super) fn path(&self) -> Option<StorePath> {
        self.store.clone().map(StorePath)
    }
}

impl StorePath {
    pub(super) fn session(&self) -> Session {
        Session::stored_in(self.store())
    }

    /// Looks into the file.
    pub(crate) fn inspect(&self) -> Result<StoreInspection, StoreError> {
        self.store().inspect()
    }

    /// What is in the file before a client has it open; `None` if it is not there.
    pub(crate) fn before(&self) -> Result<Option<StoreInspection>, Failure> {
        match self.inspect() {
            Ok(inspection) => Ok(Some(inspection)),
            Err(error) if *error.kind() == StoreErrorKind::NoFile => Ok(None),
            // A start says more, and sets a damaged store aside.
            Err(error) if matches!(error.kind(), StoreErrorKind::Damaged { .. }) => Ok(None),
            Err(error) => Err(Failure::new(error.to_string())),
        }
    }

    /// What is in the file once the client is over; `None` if that cannot be said.
    pub(crate) async fn after(&self) -> Option<StoreContents> {
        let started = Instant::now();
        loop {
            match self.inspect().and_then(|inspection| inspection.contents()) {
                Ok(contents) => return Some(contents),
                Err(error)
                    if *error.kind() == StoreErrorKind::Locked && started.elapsed() < UNLOCK_PATIENCE =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(_) => return None,
            }
        }
    }

    fn store(&self) -> DiskStore {
        DiskStore::new(&self.0).keeping(OUTCOMES_KEPT)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
