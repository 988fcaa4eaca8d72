//! Stopped: there is no connection and none is wanted. Next: `Dialing`, on `connect`.

/// No connection and no plan to make one.
#[derive(Debug)]
pub(crate) struct Stopped;
