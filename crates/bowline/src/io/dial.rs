//! Opening a transport where the attempt goes, with fresh credentials. Knows no engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bowline_proto::Version;
use bowline_transport::{Connector, Endpoint, Stream, SubProtocol};

use crate::attempt::{Attempt, BeforeConnect};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::disconnection::TransportError;
use crate::io::target::Target;

/// How transports are opened.
#[derive(Clone)]
pub(crate) struct Dialer {
    /// At least one.
    pub(crate) endpoints: Arc<[Endpoint]>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
    pub(crate) hook: Option<Arc<dyn BeforeConnect>>,
}

/// An attempt under way.
pub(super) type Dial = Pin<Box<dyn Future<Output = Result<Dialed, Box<TransportError>>> + Send>>;

/// An open transport, and what to say at CONNECT if somebody was asked.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Option<Credentials>,
}

impl Dialer {
    /// Starts an attempt that will speak this version; `before` is where the last one went. Provider and hook are asked first, so that no open connection
    /// waits for them.
    pub(super) fn dial(&self, target: &Target, version: Version, before: &Endpoint) -> Dial {
        let dialer = self.clone();
        let endpoint = target.endpoint(&self.endpoints, before);
        let (number, last) = (target.number, target.last.clone());
        Box::pin(async move {
            let mut endpoint = endpoint?;
            let mut credentials = match &dialer.credentials {
                Some(provider) => Some(provider.credentials().await?),
                None => None,
            };
            if let Some(hook) = &dialer.hook {
                let attempt = Attempt { number, endpoint: endpoint.clone(), last };
                let changes = hook.before_connect(attempt).await?;
                credentials = changes.credentials.or(credentials);
                endpoint = changes.endpoint.unwrap_or(endpoint);
            }
            let stream = dialer.connector.connect_as(&endpoint, sub_protocol_of(version)).await?;
            Ok(Dialed { stream, endpoint, credentials })
        })
    }
}

/// What transports call the version.
const fn sub_protocol_of(version: Version) -> SubProtocol {
    match version {
        Version::V3_1 => SubProtocol::MqttV31,
        _ => SubProtocol::Mqtt,
    }
}
