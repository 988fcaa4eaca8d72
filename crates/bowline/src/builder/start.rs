//! From the builder to a running client.

use std::fmt;
use std::sync::Arc;

use bowline_proto::Timestamp;
use bowline_proto::client::ClientEngine;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::builder::error::ConnectError;
use crate::builder::id::random_seed;
use crate::builder::opening::Opened;
use crate::builder::options::{Builder, Role};
use crate::connection::Connection;
use crate::io::{Dialer, Driver};
use crate::shared::{Hold, Lease, Shared, wall_clock};
use crate::subscribe::Unrouted;

impl<R: Role> Builder<R> {
    /// Connects, and resolves when the broker has accepted. Later losses are mended by the reconnect policy.
    ///
    /// # Errors
    /// [`ConnectError`] if an option is not legal or the first attempt failed, at every address if there are several, whatever
    /// the reconnect policy. It says why the last of them failed. Nothing is left behind.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up and leaves nothing behind.
    pub async fn connect(self) -> Result<R, ConnectError> {
        let opened = Opened::open(self).await?;
        let (connection, driver) = start(opened, true, |_| {})?;
        first_attempt(&connection, driver).await?;
        Ok(Self::handle(connection))
    }

    /// Makes a client that connects in the background, again and again by the reconnect policy. Messages can be published and
    /// subscriptions asked for at once.
    ///
    /// With a durable session it blocks the thread until the store is open: the client begins with what is in it. That may take a
    /// second if a long queue is read after a kill; [`start`](Self::start) does the same and waits without holding up the thread.
    ///
    /// # Errors
    /// [`ConnectError`] if an option is not legal, or the store of a durable session cannot be used.
    pub fn connect_lazy(self) -> Result<R, ConnectError> {
        let (connection, _driver) = start(Opened::open_now(self)?, false, |_| {})?;
        Ok(Self::handle(connection))
    }

    /// Makes a client that connects in the background, as [`connect_lazy`](Self::connect_lazy) does, and resolves when the store of its
    /// durable session is open. Without one there is nothing to wait for.
    ///
    /// # Errors
    /// As [`connect_lazy`](Self::connect_lazy).
    ///
    /// # Cancel safety
    /// Dropping the future closes the store again, at the latest when it is open, and leaves nothing else behind.
    pub async fn start(self) -> Result<R, ConnectError> {
        let (connection, _driver) = start(Opened::open(self).await?, false, |_| {})?;
        Ok(Self::handle(connection))
    }

    /// Opens a stream of the messages that no other stream wants, before CONNECT is sent: a resumed session loses nothing.
    /// `messages_max` bounds QoS 0: beyond it reading pauses. It must be at least 1.
    pub const fn unrouted(self, messages_max: usize) -> BuilderWithUnrouted<R> {
        BuilderWithUnrouted { builder: self, messages_max }
    }
}

/// A [`Builder`] whose client comes with the stream of [`Unrouted`] messages.
#[must_use = "nothing happens until it is connected"]
pub struct BuilderWithUnrouted<R> {
    builder: Builder<R>,
    messages_max: usize,
}

impl<R: Role> BuilderWithUnrouted<R> {
    /// As [`Builder::connect`].
    ///
    /// # Errors
    /// As [`Builder::connect`].
    ///
    /// # Cancel safety
    /// As [`Builder::connect`].
    pub async fn connect(self) -> Result<(R, Unrouted), ConnectError> {
        let opened = Opened::open(self.builder).await?;
        let (connection, unrouted, driver) = start_with_unrouted(opened, self.messages_max, true)?;
        first_attempt(&connection, driver).await?;
        Ok((Builder::<R>::handle(connection), unrouted))
    }

    /// As [`Builder::connect_lazy`].
    ///
    /// # Errors
    /// As [`Builder::connect_lazy`].
    pub fn connect_lazy(self) -> Result<(R, Unrouted), ConnectError> {
        let opened = Opened::open_now(self.builder)?;
        let (connection, unrouted, _driver) = start_with_unrouted(opened, self.messages_max, false)?;
        Ok((Builder::<R>::handle(connection), unrouted))
    }

    /// As [`Builder::start`].
    ///
    /// # Errors
    /// As [`Builder::start`].
    ///
    /// # Cancel safety
    /// As [`Builder::start`].
    pub async fn start(self) -> Result<(R, Unrouted), ConnectError> {
        let opened = Opened::open(self.builder).await?;
        let (connection, unrouted, _driver) = start_with_unrouted(opened, self.messages_max, false)?;
        Ok((Builder::<R>::handle(connection), unrouted))
    }
}

fn start_with_unrouted<R: Role>(
    opened: Opened<R>,
    messages_max: usize,
    must_connect: bool,
) -> Result<(Connection, Unrouted, JoinHandle<()>), ConnectError> {
    let mut unrouted = None;
    let (connection, driver) = start(opened, must_connect, |lease| {
        unrouted = Some(Unrouted::open(Hold::Alive(lease.clone()), messages_max));
    })?;
    Ok((connection, unrouted.expect("it was opened on the way"), driver))
}

impl<R> fmt::Debug for BuilderWithUnrouted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuilderWithUnrouted")
            .field("builder", &self.builder)
            .field("messages_max", &self.messages_max)
            .finish()
    }
}

/// Makes the engine, prepares it, and starts its driver.
fn start<R: Role>(
    opened: Opened<R>,
    must_connect: bool,
    prepare: impl FnOnce(&Arc<Lease>),
) -> Result<(Connection, JoinHandle<()>), ConnectError> {
    let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
    let Opened { builder, recovered, store } = opened;
    let dialer = Dialer {
        endpoints: builder.endpoints.clone().into(),
        connector: builder.connector_or_default(),
        credentials: builder.provider.clone(),
        hook: builder.hook.clone(),
    };
    let (queue, waits_for_room) = (builder.config.queue, builder.waits_for_room);
    let (start, wall) = (Instant::now(), wall_clock());
    let engine = ClientEngine::resume(builder.config, recovered, random_seed(), Timestamp::ZERO, wall)?;
    let shared =
        Arc::new(Shared::new(engine, start, queue, dialer.endpoints[0].clone(), runtime.clone(), store));
    let lease = Arc::new(Lease::new(shared.clone()));
    prepare(&lease);
    lease.command(|inner, now| {
        inner.must_connect = must_connect;
        inner.waits_for_room = waits_for_room;
        if let Some(engine) = &mut inner.engine {
            engine.connect(now);
        }
    });
    let driver = runtime.spawn(Driver::new(shared, dialer));
    Ok((Connection::new(lease), driver))
}

/// Waits for the first attempt, and if it failed until the driver is gone.
async fn first_attempt(connection: &Connection, driver: JoinHandle<()>) -> Result<(), ConnectError> {
    match connection.connection().connected().await {
        Ok(_) => Ok(()),
        Err(why) => {
            // It has ended by itself; there is nothing to learn from how.
            let _ended = driver.await;
            Err(ConnectError::Failed(why))
        }
    }
}
