//! How long a session lives, and where it is kept.

use std::fmt;
use std::time::Duration;

use bowline_proto::client::SessionPolicy;
use bowline_proto::packet::connect::EXPIRY_NEVER;

use crate::store::SessionStore;

/// How long the session lives, on both sides. Default: [`Session::clean`].
#[must_use]
pub struct Session {
    kind: Kind,
    expiry: Option<Duration>,
    adopts: bool,
}

enum Kind {
    Clean,
    InMemory,
    Durable(Box<dyn SessionStore>),
}

impl Session {
    /// It ends with the connection: the broker forgets subscriptions and messages, and subscriptions are made again after a
    /// reconnect.
    pub const fn clean() -> Self {
        Self { kind: Kind::Clean, expiry: None, adopts: false }
    }

    /// It outlives the connection, but not the program: after a reconnect nothing that was in flight is lost or doubled.
    ///
    /// What the broker holds for the client identifier from an earlier run is taken over, so that messages that arrived
    /// meanwhile are delivered; [`fresh`](Self::fresh) declines that. It never expires, unless [`expiry`](Self::expiry) says
    /// so.
    pub const fn in_memory() -> Self {
        Self { kind: Kind::InMemory, expiry: None, adopts: true }
    }

    /// It outlives the program, in this store: a QoS 1 or 2 message is accepted once it is stored, and after a restart everything
    /// goes on where it was. One store is for one client identifier and one version of MQTT; without a
    /// [`client_id`](crate::Builder::client_id) the one in the store is used.
    ///
    /// The broker is made to start anew exactly if the store knows no session; [`adopt`](Self::adopt) has it keep what it has.
    /// The session never expires, unless [`expiry`](Self::expiry) says so.
    ///
    /// The store is used on one thread for all stores of the process, and opened when the client is made; it is closed when the
    /// client is over.
    pub fn stored_in(store: impl SessionStore) -> Self {
        Self { kind: Kind::Durable(Box::new(store)), expiry: None, adopts: false }
    }

    /// It outlives the program, in a file with this path, which is made if it is not there: [`stored_in`](Self::stored_in) a
    /// [`DiskStore`](crate::store::DiskStore) with its defaults. For how often to sync, how much to remember and sealing, make that
    /// one yourself.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use bowline::{Client, QoS, Session};
    ///
    /// let session = Session::durable("/var/lib/meter/session.bowline");
    /// let client = Client::builder("mqtt://broker.example")?.client_id("meter-7").session(session).connect_lazy()?;
    /// // On the disk when `send` returns, and delivered even if the program is killed now.
    /// let receipt = client.publish("meter/7/kwh", "21.5").qos(QoS::ExactlyOnce).send().await?;
    /// # drop(receipt);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "durable")]
    pub fn durable(path: impl Into<std::path::PathBuf>) -> Self {
        Self::stored_in(crate::store::DiskStore::new(path))
    }

    /// Takes over what the broker holds for the client identifier, although this program (or the store) knows nothing of it. A
    /// deviation from the standard ([MQTT-3.2.2-4] of 5.0) that every other client has too. The default of
    /// [`in_memory`](Self::in_memory); without effect on a clean session.
    pub const fn adopt(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Has the broker throw away what it holds for the client identifier before the first connection. The default of a durable
    /// session, for a store without a session. Without effect on a clean session, which always does.
    pub const fn fresh(mut self) -> Self {
        self.adopts = false;
        self
    }

    /// How long the broker keeps the session after the connection is lost (5.0): 1 s to 136 years, in seconds. Default: until
    /// the broker is told otherwise, which is all that 3.1 and 3.1.1 know. Without effect on a clean session.
    pub const fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// The engine's policy, and the store of a durable session. An expiry beyond what can be said is never.
    pub(super) fn into_parts(self, has_generated_id: bool) -> (SessionPolicy, Option<Box<dyn SessionStore>>) {
        let secs = |expiry: Duration| u32::try_from(expiry.as_secs()).unwrap_or(EXPIRY_NEVER);
        let expiry_secs = self.expiry.map_or(EXPIRY_NEVER, secs);
        match self.kind {
            Kind::Clean => (SessionPolicy::Clean, None),
            // Nobody can have a session under an identifier that was made up just now.
            Kind::InMemory => {
                (SessionPolicy::InMemory { expiry_secs, adopt: self.adopts || has_generated_id }, None)
            }
            Kind::Durable(store) => (SessionPolicy::Durable { expiry_secs, adopt: self.adopts }, Some(store)),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::clean()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Clean => "clean".to_owned(),
            Kind::InMemory => "in memory".to_owned(),
            Kind::Durable(store) => store.name(),
        };
        f.debug_struct("Session")
            .field("kind", &kind)
            .field("expiry", &self.expiry)
            .field("adopts", &self.adopts)
            .finish()
    }
}
