//! The sessions by client identifier: where each one's state is, and who waits for its queue. Knows no topics.

use std::collections::BTreeMap;

use bowline_proto::Timestamp;
use bowline_proto::packet::Will;
use bowline_proto::server::ServerSession;
use bowline_proto::types::Text;

use crate::core::conduct::Ledger;
use crate::core::keys::{ConnectionId, SessionKey};

/// What the broker keeps of a client between connections.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Text,
    pub(crate) place: Place,
    /// What the client has not finished, for the judge.
    pub(crate) ledger: Ledger,
    /// The will of its last connection, while it is delayed.
    pub(crate) will: Option<Will>,
    /// Since when its queue has been full, until it is half empty again.
    pub(crate) full_since: Option<Timestamp>,
    /// Publishers that wait for room in the queue, each once.
    pub(crate) waiters: Vec<ConnectionId>,
}

impl Session {
    /// Takes out those who wait for the queue.
    pub(crate) fn take_waiters(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.waiters)
    }
}

/// Where the protocol state of a session is.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the engine of its connection.
    Connected(ConnectionId),
    /// Here, until the client comes back.
    Away(Box<ServerSession>),
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_key: BTreeMap<SessionKey, Session>,
    by_client: BTreeMap<Text, SessionKey>,
    next: u64,
}

impl Sessions {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The session of a client.
    pub(crate) fn find(&self, client_id: &Text) -> Option<SessionKey> {
        self.by_client.get(client_id).copied()
    }

    pub(crate) fn at(&self, key: SessionKey) -> Option<&Session> {
        self.by_key.get(&key)
    }

    pub(crate) fn at_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.by_key.get_mut(&key)
    }

    /// Adds the session of a client that has none, on this connection.
    pub(crate) fn insert(&mut self, client_id: Text, connection: ConnectionId) -> SessionKey {
        self.next += 1;
        let key = SessionKey(self.next);
        self.by_client.insert(client_id.clone(), key);
        let place = Place::Connected(connection);
        let session = Session {
            client_id,
            place,
            ledger: Ledger::default(),
            will: None,
            full_since: None,
            waiters: Vec::new(),
        };
        self.by_key.insert(key, session);
        key
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.by_key.remove(&key)?;
        self.by_client.remove(&session.client_id);
        Some(session)
    }

    /// The client identifiers of all sessions that are connected, in order.
    pub(crate) fn connected(&self) -> impl Iterator<Item = (&Text, ConnectionId)> {
        self.by_client.iter().filter_map(|(client_id, key)| match self.by_key.get(key)?.place {
            Place::Connected(connection) => Some((client_id, connection)),
            Place::Away(_) => None,
        })
    }
}
