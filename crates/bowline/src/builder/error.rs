//! Why there is no client.

use std::error::Error;
use std::fmt;

use bowline_proto::ReasonCode;
use bowline_proto::error::RequestError;
use bowline_transport::EndpointError;

use crate::disconnection::Disconnection;
use crate::store::StoreError;

/// Why a client could not be made or connected. Nothing is left behind: no task, no socket.
///
/// `Debug` is the text of `Display`: it is what a program shows that returns this from `main`.
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL says nothing that can be connected to.
    Url(EndpointError),
    /// An option is out of its range or does not fit the version.
    Request(RequestError),
    /// A value given to the builder is not legal.
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It was not called within a tokio runtime, or the runtime has no time driver.
    NoRuntime,
    /// The operating system gives no thread for the connections of blocking clients.
    NoThread {
        /// What it says.
        problem: String,
    },
    /// The store of the durable session cannot be used; its text names it and says what to do.
    Store(StoreError),
    /// The first attempt failed.
    Failed(Disconnection),
}

impl ConnectError {
    /// Why the first attempt failed, if that is what happened.
    pub const fn disconnection(&self) -> Option<&Disconnection> {
        match self {
            Self::Failed(why) => Some(why),
            _ => None,
        }
    }

    /// The broker's reason, if it refused.
    pub fn reason(&self) -> Option<ReasonCode> {
        self.disconnection().and_then(Disconnection::reason)
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<EndpointError> for ConnectError {
    fn from(error: EndpointError) -> Self {
        Self::Url(error)
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RequestError> for ConnectError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Option { option, problem } => write!(f, "{option} {problem}"),
            Self::NoRuntime => f.write_str("a client must be made within a tokio runtime"),
            Self::NoThread { problem } => write!(f, "no thread for the connection: {problem}"),
            Self::Store(error) => error.fmt(f),
            Self::Failed(why) => why.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Option { .. } | Self::NoRuntime | Self::NoThread { .. } => None,
            // The text is its own, so its source comes next.
            Self::Failed(why) => why.source(),
        }
    }
}
