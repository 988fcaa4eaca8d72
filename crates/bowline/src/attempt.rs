//! An attempt to connect that is about to be made, and the hook that may change it. Knows no engine and opens nothing.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bowline_transport::Endpoint;

use crate::credentials::Credentials;
use crate::disconnection::Disconnection;

/// An attempt to connect that is about to be made.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) endpoint: Endpoint,
    pub(crate) last: Option<Disconnection>,
}

impl Attempt {
    /// Which attempt in a row this is since the last connection, from 1.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Where it would go.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Why the last attempt or connection is over; `None` before the first.
    pub const fn last_disconnection(&self) -> Option<&Disconnection> {
        self.last.as_ref()
    }
}

/// What an [`Attempt`] is to do differently. What is not set stays as it is.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AttemptChanges {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) endpoint: Option<Endpoint>,
}

impl AttemptChanges {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// What to say at CONNECT, from this attempt on.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Where to connect to, for this attempt. It stands for the address that it replaces and must know the same sessions.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }
}

/// What [`BeforeConnect::before_connect`] returns.
pub type BeforeConnectFuture<'a> =
    Pin<Box<dyn Future<Output = Result<AttemptChanges, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Is asked before every attempt to connect, the first included, and may change credentials and address.
///
/// Implemented for closures that return a future:
///
/// ```
/// use bowline::{Attempt, AttemptChanges, Client, Credentials};
///
/// let builder = Client::builder("mqtt://localhost")?.before_connect(|attempt: Attempt| async move {
///     let user = format!("meter at {}", attempt.endpoint().host());
///     Ok(AttemptChanges::none().credentials(Credentials::user_name(user)))
/// });
/// # Ok::<(), bowline::ConnectError>(())
/// ```
pub trait BeforeConnect: Send + Sync + 'static {
    /// What to do differently. The connect timeout runs meanwhile.
    ///
    /// # Errors
    /// The attempt fails; another one follows by the reconnect policy. The error's text is shown: it must not contain a
    /// secret.
    fn before_connect(&self, attempt: Attempt) -> BeforeConnectFuture<'_>;
}

impl<F, R> BeforeConnect for F
where
    F: Fn(Attempt) -> R + Send + Sync + 'static,
    R: Future<Output = Result<AttemptChanges, Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    fn before_connect(&self, attempt: Attempt) -> BeforeConnectFuture<'_> {
        Box::pin(self(attempt))
    }
}
