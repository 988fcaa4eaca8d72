//! How long a session lives.

use std::time::Duration;

use bowline_proto::client::SessionPolicy;
use bowline_proto::packet::connect::EXPIRY_NEVER;

/// How long the session lives, on both sides. Default: [`Session::clean`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Session {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Clean,
    InMemory { expiry: Option<Duration>, adopts: bool },
}

impl Session {
    /// It ends with the connection: the broker forgets subscriptions and messages, and subscriptions are made again after a
    /// reconnect.
    pub const fn clean() -> Self {
        Self { kind: Kind::Clean }
    }

    /// It outlives the connection, but not the program: after a reconnect nothing that was in flight is lost or doubled.
    ///
    /// What the broker holds for the client identifier from an earlier run is taken over, so that messages that arrived
    /// meanwhile are delivered; [`fresh`](Self::fresh) declines that. It never expires, unless [`expiry`](Self::expiry) says
    /// so.
    pub const fn in_memory() -> Self {
        Self { kind: Kind::InMemory { expiry: None, adopts: true } }
    }

    /// Takes over what the broker holds for the client identifier, although this program knows nothing of it. A deviation
    /// from the standard ([MQTT-3.2.2-4] of 5.0) that every other client has too. The default of
    /// [`in_memory`](Self::in_memory); without effect on a clean session.
    pub const fn adopt(self) -> Self {
        self.with_adoption(true)
    }

    /// Has the broker throw away what it holds for the client identifier before the first connection. Without effect on a
    /// clean session, which always does.
    pub const fn fresh(self) -> Self {
        self.with_adoption(false)
    }

    /// How long the broker keeps the session after the connection is lost (5.0): 1 s to 136 years, in seconds. Default: until
    /// the broker is told otherwise, which is all that 3.1 and 3.1.1 know. Without effect on a clean session.
    pub const fn expiry(self, expiry: Duration) -> Self {
        match self.kind {
            Kind::Clean => self,
            Kind::InMemory { adopts, .. } => Self { kind: Kind::InMemory { expiry: Some(expiry), adopts } },
        }
    }

    const fn with_adoption(self, adopts: bool) -> Self {
        match self.kind {
            Kind::Clean => self,
            Kind::InMemory { expiry, .. } => Self { kind: Kind::InMemory { expiry, adopts } },
        }
    }

    /// The engine's policy. An expiry beyond what can be said is never.
    pub(super) fn policy(self, has_generated_id: bool) -> SessionPolicy {
        match self.kind {
            Kind::Clean => SessionPolicy::Clean,
            Kind::InMemory { expiry, adopts } => {
                let secs = |expiry: Duration| u32::try_from(expiry.as_secs()).unwrap_or(EXPIRY_NEVER);
                SessionPolicy::InMemory {
                    expiry_secs: expiry.map_or(EXPIRY_NEVER, secs),
                    // Nobody can have a session under an identifier that was made up just now.
                    adopt: adopts || has_generated_id,
                }
            }
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::clean()
    }
}
