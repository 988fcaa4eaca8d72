//! SUBSCRIBE and UNSUBSCRIBE of the client that the broker has not answered. They die with the connection.

use alloc::collections::BTreeMap;

use crate::error::RequestError;
use crate::types::PacketId;

/// Beyond so many unanswered requests reading pauses, so that a client cannot pile them up.
pub(crate) const REQUESTS_MAX: usize = 64;

/// All unanswered requests of a connection, by packet identifier.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    unanswered: BTreeMap<PacketId, Request>,
}

/// One unanswered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) kind: RequestKind,
    /// How many reason codes the answer must have.
    pub(crate) filters: usize,
}

/// Which request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Subscribe,
    Unsubscribe,
}

impl Requests {
    /// Whether an identifier is in use for a request.
    pub(crate) fn contains(&self, packet_id: PacketId) -> bool {
        self.unanswered.contains_key(&packet_id)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.unanswered.len() >= REQUESTS_MAX
    }

    pub(crate) fn insert(&mut self, packet_id: PacketId, request: Request) {
        self.unanswered.insert(packet_id, request);
    }

    /// Checks an answer against its request.
    // [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-3.11.3-1] [MQTT-3.8.4-5 of 3.1.1]
    pub(crate) fn check(
        &self,
        packet_id: PacketId,
        kind: RequestKind,
        reasons: usize,
    ) -> Result<(), RequestError> {
        let request = self.unanswered.get(&packet_id).filter(|request| request.kind == kind);
        let expected = request.ok_or(RequestError::NotAsked { packet_id })?.filters;
        if reasons == expected { Ok(()) } else { Err(RequestError::ReasonCount { expected, found: reasons }) }
    }

    /// A request was answered.
    pub(crate) fn remove(&mut self, packet_id: PacketId) {
        self.unanswered.remove(&packet_id);
    }
}
