//! Who keeps a client alive.

use std::ops::Deref;
use std::sync::Arc;

use crate::shared::Shared;

/// Held, in an `Arc`, by every handle and stream of the application. When the last is dropped, what is encoded is sent, then
/// DISCONNECT, and the client is over.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
}

impl Lease {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Deref for Lease {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.command(|inner, now| inner.disconnect(now));
    }
}

/// What a stream and the acknowledgements of its messages hold.
#[derive(Clone, Debug)]
pub(crate) enum Hold {
    /// The application's: keeps the client alive.
    Alive(Arc<Lease>),
    /// A task's of our own: does not.
    Loose(Arc<Shared>),
}

impl Hold {
    /// The same, without keeping the client alive.
    pub(crate) fn loosen(&mut self) {
        *self = Self::Loose(self.shared().clone());
    }

    fn shared(&self) -> &Arc<Shared> {
        match self {
            Self::Alive(lease) => lease.shared(),
            Self::Loose(shared) => shared,
        }
    }
}

impl Deref for Hold {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.shared()
    }
}
