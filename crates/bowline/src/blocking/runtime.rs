//! The thread on which the connections of all blocking clients run. Owns the one runtime; knows no client.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::builder::ConnectError;

/// Started by the first blocking client. It is never stopped: it sleeps when there is nothing to do, and a client that was
/// dropped just now still says goodbye on it.
static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Does something as if on the runtime's thread: what it starts runs there.
pub(super) fn on_runtime<T>(start: impl FnOnce() -> T) -> Result<T, ConnectError> {
    let handle = handle().map_err(|error| ConnectError::NoThread { problem: error.to_string() })?;
    let _entered = handle.enter();
    Ok(start())
}

fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*runtime {
        return Ok(handle.clone());
    }
    let started = Builder::new_current_thread().enable_all().build()?;
    let handle = started.handle().clone();
    // A task that panics ends alone: nothing of it reaches this future.
    let run = move || started.block_on(std::future::pending::<()>());
    thread::Builder::new().name("bowline".to_owned()).spawn(run)?;
    *runtime = Some(handle.clone());
    Ok(handle)
}
