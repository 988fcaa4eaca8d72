//! User name and password, and where fresh ones come from. Owns that neither is printed.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// A user name and a password. `Debug` shows neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Bytes>,
}

impl Credentials {
    /// Neither of them.
    pub const fn none() -> Self {
        Self { user_name: None, password: None }
    }

    /// This user name; at most 65,535 bytes, no NUL.
    pub fn user_name(user_name: impl Into<String>) -> Self {
        Self { user_name: Some(user_name.into()), password: None }
    }

    /// The same with this password: any bytes, at most 65,535. 3.1 and 3.1.1 need a user name with it.
    #[must_use]
    pub fn password(mut self, password: impl Into<Bytes>) -> Self {
        self.password = Some(password.into());
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

/// What [`CredentialsProvider::credentials`] returns.
pub type CredentialsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Credentials, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Is asked before every CONNECT, the first included: for tokens that expire.
///
/// Implemented for closures that return a future:
///
/// ```
/// # async fn fresh_token() -> Result<String, std::io::Error> { Ok("token".into()) }
/// let builder = bowline::Client::builder("mqtt://localhost")?
///     .credentials_provider(|| async { Ok(bowline::Credentials::user_name("meter").password(fresh_token().await?)) });
/// # Ok::<(), bowline::ConnectError>(())
/// ```
pub trait CredentialsProvider: Send + Sync + 'static {
    /// What to say at the next CONNECT.
    ///
    /// # Errors
    /// The attempt to connect fails; another one follows by the reconnect policy. The error's text is shown: it must not
    /// contain a secret.
    fn credentials(&self) -> CredentialsFuture<'_>;
}

impl<F, R> CredentialsProvider for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Credentials, Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(self())
    }
}
