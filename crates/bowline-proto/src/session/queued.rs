//! A publication that waits. Knows nothing of where it waits.

use crate::session::{PublicationId, SessionLoss};
use crate::time::Timestamp;
use crate::types::Message;

/// One waiting publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) publication: PublicationId,
    pub(crate) message: Message,
    /// When it expires, if it does.
    pub(crate) deadline: Option<Timestamp>,
    /// It was sent in a session that is lost and goes out again as a new one: the peer may have it already.
    pub(crate) is_in_doubt: bool,
    /// What becomes of it if its session is lost once it was sent.
    pub(crate) on_session_loss: SessionLoss,
}

impl Queued {
    /// One that was never sent, and ends with its session once it is.
    pub(crate) const fn new(
        publication: PublicationId,
        message: Message,
        deadline: Option<Timestamp>,
    ) -> Self {
        let on_session_loss = SessionLoss::Indeterminate;
        Self { publication, message, deadline, is_in_doubt: false, on_session_loss }
    }
}
