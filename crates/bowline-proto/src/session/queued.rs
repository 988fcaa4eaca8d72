//! A publication that waits. Knows nothing of where it waits.

use crate::session::PublicationId;
use crate::time::Timestamp;
use crate::types::Message;

/// One waiting publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) publication: PublicationId,
    pub(crate) message: Message,
    /// When it expires, if it does.
    pub(crate) deadline: Option<Timestamp>,
}
