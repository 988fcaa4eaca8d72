//! User name and password of a URL. Owns that neither is ever printed.

use std::fmt;

use bytes::Bytes;

/// The user name and password of an [`Endpoint`](crate::Endpoint), percent-decoded. `Debug` shows neither: some brokers
/// take a token for a user name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    user: Box<str>,
    password: Option<Bytes>,
}

impl Credentials {
    pub(super) const fn new(user: Box<str>, password: Option<Bytes>) -> Self {
        Self { user, password }
    }

    /// The user name; empty if the URL has a password alone.
    pub const fn user(&self) -> &str {
        &self.user
    }

    /// The password, which need not be text. None if the URL has no colon after the user name.
    pub const fn password(&self) -> Option<&Bytes> {
        self.password.as_ref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}
