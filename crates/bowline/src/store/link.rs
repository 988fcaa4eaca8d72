//! A client's way to its store: hands it work on the store thread, and keeps the answers until the driver fetches them. Knows
//! no engine's state.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bowline_proto::client::Input;
use bowline_proto::session::{Batch, KeyState, KnownKey, PublicationId, Recovered};
use tokio::sync::oneshot;

use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::{SessionStore, thread};

/// An open store. When it is dropped, the store is closed, on its thread, after what it was given before.
pub(crate) struct StoreLink {
    slot: Arc<Slot>,
}

/// A store that was opened and what it has, or why it cannot be.
pub(crate) type Opening = Result<(StoreLink, Recovered), StoreError>;

/// What the thread and the client share.
struct Slot {
    /// Only the thread looks at it; `None` once it is closed.
    store: Mutex<Option<Box<dyn SessionStore>>>,
    answers: Mutex<Answers>,
    name: String,
}

#[derive(Default)]
struct Answers {
    inputs: Vec<Input>,
    /// What was written holds messages, which may be the application's: the driver drops it where that can do no harm.
    written: Vec<Batch>,
    error: Option<StoreError>,
}

impl StoreLink {
    /// Opens a store on its thread, and tells there what it has. If nobody wants to know any more, `tell` gives it back, and it is
    /// closed before anything else is done on the thread: the next to open it may be waiting for that already.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoThread`]: nobody is told anything then.
    pub(crate) fn open(
        store: Box<dyn SessionStore>,
        queue_bytes_max: usize,
        tell: impl FnOnce(Opening) -> Option<Opening> + Send + 'static,
    ) -> Result<(), StoreError> {
        let name = store.name();
        let slot = Slot { name: name.clone(), store: Mutex::new(Some(store)), answers: Mutex::default() };
        let link = Self { slot: Arc::new(slot) };
        let open = move || {
            let opened = link.slot.ask(|store| store.recover(queue_bytes_max));
            if let Some(Ok((link, _))) = tell(opened.map(|recovered| (link, recovered))) {
                link.slot.close();
            }
        };
        let no_thread = StoreError::new(StoreErrorKind::NoThread).of_store(name);
        thread::submit(Box::new(open)).map_err(|error| no_thread.because(error))
    }

    /// What people call the store.
    pub(crate) fn name(&self) -> &str {
        &self.slot.name
    }

    /// Makes a batch durable. `done` is called when the answer is there.
    ///
    /// # Errors
    /// The answer, if there is no thread to give it.
    pub(crate) fn persist(&self, batch: Batch, done: impl FnOnce() + Send + 'static) -> Result<(), Input> {
        let work = move |slot: &Slot| {
            let (input, error) = match slot.ask(|store| commit(store, &batch)) {
                Ok(known) => (Input::Persisted { last: batch.last, known }, None),
                Err(error) => (Input::PersistFailed, Some(error)),
            };
            (input, error, Some(batch))
        };
        self.submit(work, done).map_err(|()| Input::PersistFailed)
    }

    /// Reads the next page of the queue. `done` is called when the answer is there.
    ///
    /// # Errors
    /// The answer, if there is no thread to give it.
    pub(crate) fn load(
        &self,
        after: PublicationId,
        bytes_max: usize,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<(), Input> {
        let work = move |slot: &Slot| match slot.ask(|store| store.load(after, bytes_max)) {
            Ok(loaded) => (Input::Loaded(loaded), None, None),
            Err(error) => (Input::LoadFailed, Some(error), None),
        };
        self.submit(work, done).map_err(|()| Input::LoadFailed)
    }

    /// Asks what is known of a key, after everything that was given before is done.
    pub(crate) fn outcome(&self, key: String) -> oneshot::Receiver<Result<KeyState, StoreError>> {
        let (tell, told) = oneshot::channel();
        let slot = self.slot.clone();
        let ask = move || drop(tell.send(slot.ask(|store| store.outcome(&key))));
        // Without a thread the sender is dropped, and the receiver says so.
        let _no_thread = thread::submit(Box::new(ask));
        told
    }

    /// Closes the store after what it was given before. The receiver hears of it, or that it cannot be.
    pub(crate) fn close(&self) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let slot = self.slot.clone();
        let close = move || {
            slot.close();
            let _nobody_waits = tell.send(());
        };
        // Without a thread the sender is dropped.
        let _no_thread = thread::submit(Box::new(close));
        told
    }

    /// Takes what was answered since the last call. `written` is to be dropped without a lock.
    pub(crate) fn take_answers(&self, inputs: &mut Vec<Input>, written: &mut Vec<Batch>) {
        let mut answers = self.slot.answers();
        inputs.append(&mut answers.inputs);
        written.append(&mut answers.written);
    }

    /// Why the store failed last, if it did since the last call.
    pub(crate) fn take_error(&self) -> Option<StoreError> {
        self.slot.answers().error.take()
    }

    fn submit(
        &self,
        work: impl FnOnce(&Slot) -> (Input, Option<StoreError>, Option<Batch>) + Send + 'static,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<(), ()> {
        let slot = self.slot.clone();
        let job = move || {
            let (input, error, batch) = work(&slot);
            let mut answers = slot.answers();
            answers.inputs.push(input);
            answers.written.extend(batch);
            if error.is_some() {
                answers.error = error;
            }
            drop(answers);
            done();
        };
        thread::submit(Box::new(job)).map_err(|error| {
            let error = StoreError::new(StoreErrorKind::NoThread).of_store(self.name()).because(error);
            self.slot.answers().error = Some(error);
        })
    }
}

impl Drop for StoreLink {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl fmt::Debug for StoreLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreLink").field(&self.slot.name).finish()
    }
}

impl Slot {
    /// Asks the store. One that panics has failed; one that is closed too.
    fn ask<T>(
        &self,
        question: impl FnOnce(&mut dyn SessionStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failed = |problem: &str| StoreError::new(StoreErrorKind::Io).because(problem.to_owned());
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match &mut *store {
            Some(store) => catch_unwind(AssertUnwindSafe(|| question(&mut **store)))
                .unwrap_or_else(|_| Err(failed("the store panicked"))),
            None => Err(failed("the store is closed")),
        };
        answer.map_err(|error| if error.store().is_some() { error } else { error.of_store(&*self.name) })
    }

    fn close(&self) {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(store);
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a batch durable, but for the publications whose keys are known. These are returned.
fn commit(store: &mut dyn SessionStore, batch: &Batch) -> Result<Vec<KnownKey>, StoreError> {
    let known = batch.known_keys(|key| store.outcome(key.as_str()))?;
    if known.is_empty() {
        store.commit(&batch.entries)?;
        return Ok(known);
    }
    let rest = batch.without(&known);
    if !rest.is_empty() {
        store.commit(&rest)?;
    }
    Ok(known)
}
