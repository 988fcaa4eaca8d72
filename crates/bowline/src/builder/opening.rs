//! Opening the store of a durable session, and whether its session may be gone on with. Makes no client.

use std::sync::mpsc;

use bowline_proto::client::ClientConfig;
use bowline_proto::session::Recovered;
use tokio::sync::oneshot;

use crate::builder::error::ConnectError;
use crate::builder::options::{Builder, Role};
use crate::store::{StoreError, StoreErrorKind, StoreLink};

/// A builder whose options are checked and whose store, if it has one, is open.
pub(super) struct Opened<R> {
    pub(super) builder: Builder<R>,
    pub(super) recovered: Recovered,
    pub(super) store: Option<StoreLink>,
}

impl<R: Role> Opened<R> {
    /// Opens the store without holding up the caller's thread.
    pub(super) async fn open(builder: Builder<R>) -> Result<Self, ConnectError> {
        let mut builder = builder.finish()?;
        let Some(store) = builder.store.take() else { return Ok(Self::without_store(builder)) };
        let (tell, told) = oneshot::channel();
        let tell = move |opened| tell.send(opened).err();
        StoreLink::open(store, builder.config.queue.memory_bytes_max, tell)?;
        let opened = told.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::NoThread)));
        Self::of(builder, opened)
    }

    /// Opens the store and waits for it on the caller's thread.
    pub(super) fn open_now(builder: Builder<R>) -> Result<Self, ConnectError> {
        let mut builder = builder.finish()?;
        let Some(store) = builder.store.take() else { return Ok(Self::without_store(builder)) };
        let (tell, told) = mpsc::sync_channel(1);
        let tell = move |opened| tell.send(opened).err().map(|not_told| not_told.0);
        StoreLink::open(store, builder.config.queue.memory_bytes_max, tell)?;
        let opened = told.recv().unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::NoThread)));
        Self::of(builder, opened)
    }

    fn without_store(builder: Builder<R>) -> Self {
        Self { builder, recovered: Recovered::default(), store: None }
    }

    fn of(
        mut builder: Builder<R>,
        opened: Result<(StoreLink, Recovered), StoreError>,
    ) -> Result<Self, ConnectError> {
        let (store, recovered) = opened?;
        if builder.has_generated_id
            && let Some(owner) = &recovered.client_id
        {
            builder.config.client_id = owner.clone();
        }
        check_owner(&builder.config, &recovered)
            .map_err(|kind| StoreError::new(kind).of_store(store.name()))?;
        Ok(Self { builder, recovered, store: Some(store) })
    }
}

/// Whether a session may be gone on with as this client.
fn check_owner(config: &ClientConfig, recovered: &Recovered) -> Result<(), StoreErrorKind> {
    if let Some(owner) = &recovered.client_id
        && !config.client_id.is_empty()
        && config.client_id != *owner
    {
        let (stored, asked) = (owner.clone(), config.client_id.clone());
        return Err(StoreErrorKind::OtherClientId { stored, asked });
    }
    let Some(identity) = &recovered.identity else { return Ok(()) };
    // With a fallback the session keeps the version that it was made in.
    let oldest = config.version_fallback.map_or(config.version, |fallback| fallback.oldest);
    if identity.version < oldest || identity.version > config.version {
        return Err(StoreErrorKind::OtherVersion { stored: identity.version, asked: config.version });
    }
    Ok(())
}
