//! Why a connection is over, with what the transport said. Knows no engine state and no socket.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use bowline_proto::ReasonCode;
use bowline_proto::client::{DisconnectCause, LossClass};
use bowline_transport::{ConnectError, ConnectErrorKind};

/// Why a connection, or an attempt to make one, is over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Disconnection {
    cause: DisconnectCause,
    transport: Option<Arc<TransportError>>,
}

/// What a connector, a stream or a provider of credentials said.
pub(crate) type TransportError = dyn Error + Send + Sync;

impl Disconnection {
    pub(crate) const fn new(cause: DisconnectCause, transport: Option<Arc<TransportError>>) -> Self {
        Self { cause, transport }
    }

    /// What the transport said.
    pub(crate) fn into_transport_error(self) -> Option<Arc<TransportError>> {
        self.transport
    }

    /// The runtime that carried the connection is gone.
    pub(crate) fn of_ended_runtime() -> Self {
        let error: Box<TransportError> = "the runtime that carried the connection was shut down".into();
        Self { cause: DisconnectCause::TransportFailed, transport: Some(Arc::from(error)) }
    }

    /// What happened, as the protocol sees it.
    pub const fn cause(&self) -> &DisconnectCause {
        &self.cause
    }

    /// Whether it was asked for: by `disconnect`, by `drain`, or by dropping the last handle.
    pub const fn is_requested(&self) -> bool {
        matches!(self.cause, DisconnectCause::Requested)
    }

    /// What it means for the next attempt.
    pub fn class(&self) -> LossClass {
        self.cause.class()
    }

    /// Whether another attempt with the same settings could go better.
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable()
    }

    /// What the transport's error comes down to, if the transport had one: whether a name was not found, a port refused, a
    /// certificate is out of its time. It also tells who was connected to and is no MQTT broker, or says nothing.
    pub fn transport_error_kind(&self) -> Option<ConnectErrorKind> {
        let error = self.transport.as_deref()?;
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return Some(error.kind());
        }
        // What comes after the transport was opened is an error of reading or writing, which may contain one of TLS.
        let inside = error.downcast_ref::<io::Error>()?.get_ref()?;
        #[cfg(feature = "tls")]
        if let Some(error) = inside.downcast_ref::<bowline_transport::TlsError>() {
            return Some(ConnectErrorKind::Tls(error.kind()));
        }
        inside.downcast_ref::<ConnectError>().map(ConnectError::kind)
    }

    /// What the broker said: the reason code of its CONNACK or DISCONNECT. The return codes of 3.1 and 3.1.1 are mapped
    /// onto reason codes, [`ReasonCode::as_connect_return_code`] maps them back.
    pub fn reason(&self) -> Option<ReasonCode> {
        match &self.cause {
            DisconnectCause::Refused(connack) => Some(connack.reason),
            DisconnectCause::ByBroker(disconnect) => Some(disconnect.reason),
            _ => None,
        }
    }
}

impl fmt::Display for Disconnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.transport) {
            (DisconnectCause::DialFailed, Some(error)) => error.fmt(f),
            // An error with a kind says all of it.
            (
                DisconnectCause::TransportFailed
                | DisconnectCause::ClosedBeforeConnack
                | DisconnectCause::ConnectTimeout,
                Some(error),
            ) if self.transport_error_kind().is_some() => error.fmt(f),
            (cause, Some(error)) => write!(f, "{cause}: {error}"),
            (cause, None) => cause.fmt(f),
        }
    }
}

impl Error for Disconnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Its text is in ours already.
        self.transport.as_deref().and_then(Error::source)
    }
}
