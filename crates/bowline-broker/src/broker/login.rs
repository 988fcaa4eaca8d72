//! What a broker asks the program about a client that wants to connect.

use std::fmt;

use bowline_proto::ReasonCode;
use bowline_proto::packet::{Connect, Secret};
use bowline_proto::types::Text;

/// Who wants to connect.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Login<'a> {
    /// The client identifier; empty if the broker is to assign one.
    pub client_id: &'a str,
    /// The user name. None and empty differ.
    pub user_name: Option<&'a str>,
    /// The password. None and empty differ.
    pub password: Option<&'a [u8]>,
}

impl fmt::Debug for Login<'_> {
    /// Prints whether there is a password, never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("has_password", &self.password.is_some())
            .finish()
    }
}

/// The program's decision about logins.
pub(crate) struct Authenticate(Box<Decide>);

type Decide = dyn Fn(Login<'_>) -> Result<(), ReasonCode> + Send + Sync;

impl Authenticate {
    pub(crate) fn new(decide: impl Fn(Login<'_>) -> Result<(), ReasonCode> + Send + Sync + 'static) -> Self {
        Self(Box::new(decide))
    }

    pub(crate) fn ask(&self, connect: &Connect) -> Result<(), ReasonCode> {
        let Connect { client_id, user_name, password, .. } = connect;
        (self.0)(Login {
            client_id: client_id.as_str(),
            user_name: user_name.as_ref().map(Text::as_str),
            password: password.as_ref().map(|Secret(bytes)| &bytes[..]),
        })
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticate(..)")
    }
}
