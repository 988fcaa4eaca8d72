//! Opening a transport, with fresh credentials. Knows no engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bowline_transport::{Connector, Endpoint, Stream};

use crate::credentials::{Credentials, CredentialsProvider};
use crate::disconnection::TransportError;

/// How transports are opened.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
}

/// An attempt under way.
pub(super) type Dial = Pin<Box<dyn Future<Output = Result<Dialed, Box<TransportError>>> + Send>>;

/// An open transport, and what to say at CONNECT if a provider was asked.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    pub(super) credentials: Option<Credentials>,
}

impl Dialer {
    /// Starts an attempt. Credentials are asked for first, so that no open connection waits for them.
    pub(super) fn dial(&self) -> Dial {
        let dialer = self.clone();
        Box::pin(async move {
            let credentials = match &dialer.credentials {
                Some(provider) => Some(provider.credentials().await?),
                None => None,
            };
            let stream = dialer.connector.connect(&dialer.endpoint).await?;
            Ok(Dialed { stream, credentials })
        })
    }
}
