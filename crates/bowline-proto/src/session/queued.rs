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
    /// It was sent in a session that is lost and goes out again as a new one: the peer may have it already.
    pub(crate) is_in_doubt: bool,
}
