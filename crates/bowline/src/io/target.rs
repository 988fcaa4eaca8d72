//! Where an attempt goes: an address of the list, or where a server has sent us. Opens nothing.

use std::fmt;

use bowline_proto::Text;
use bowline_proto::client::Address;
use bowline_transport::{Endpoint, EndpointError};

use crate::disconnection::Disconnection;

/// What the engine's wish to dial comes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: Address,
    /// What the server named that has sent us there.
    pub(super) reference: Option<Text>,
    pub(super) number: u32,
    pub(super) last: Option<Disconnection>,
}

impl Target {
    /// The endpoint, which for a redirection has the scheme of the one `before` it: nobody is sent from an encrypted
    /// transport to a plain one.
    pub(super) fn endpoint(
        &self,
        listed: &[Endpoint],
        before: &Endpoint,
    ) -> Result<Endpoint, ReferenceRefused> {
        match (self.address, &self.reference) {
            (Address::Listed(place), _) => Ok(listed[usize::from(place)].clone()),
            (Address::Redirected(_), Some(reference)) => referred(reference.as_str(), before),
            (Address::Redirected(_), None) => Err(ReferenceRefused::Empty),
        }
    }
}

/// The first of the servers that a reference names which can be followed.
fn referred(reference: &str, before: &Endpoint) -> Result<Endpoint, ReferenceRefused> {
    let mut refused = ReferenceRefused::Empty;
    for name in reference.split_whitespace() {
        match named(name, before) {
            Ok(endpoint) => return Ok(endpoint),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn named(name: &str, before: &Endpoint) -> Result<Endpoint, ReferenceRefused> {
    // Whom we are to the other server is not for this one to say.
    if name.contains('@') {
        return Err(ReferenceRefused::Credentials);
    }
    let scheme = before.scheme();
    let url = match name {
        url if url.contains("://") => url.to_owned(),
        // Who names a host alone means the same service there, and with WebSocket that has a path.
        host if !host.contains('/') => format!("{scheme}://{host}{}", before.path_and_query()),
        host => format!("{scheme}://{host}"),
    };
    let endpoint = url.parse::<Endpoint>().map_err(ReferenceRefused::Endpoint)?;
    if endpoint.scheme() == scheme { Ok(endpoint) } else { Err(ReferenceRefused::Scheme(endpoint)) }
}

/// Why a server's reference to another one is not followed.
#[derive(Debug)]
pub(super) enum ReferenceRefused {
    Empty,
    Credentials,
    Scheme(Endpoint),
    Endpoint(EndpointError),
}

impl fmt::Display for ReferenceRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's reference to another one is not followed: ")?;
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Credentials => f.write_str("it contains credentials"),
            Self::Scheme(endpoint) => write!(f, "{endpoint} is another transport"),
            Self::Endpoint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReferenceRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Endpoint(error) => Some(error),
            Self::Empty | Self::Credentials | Self::Scheme(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_path_means_the_path_of_the_server_before() {
        let before = "mqtt://broker.example/mqtt?a".parse().unwrap();
        for (reference, path) in [("other:1884", "/mqtt?a"), ("other/x", "/x"), ("mqtt://other", "")] {
            assert_eq!(referred(reference, &before).unwrap().path_and_query(), path, "{reference}");
        }
    }

    fn followed(reference: &str) -> Result<String, String> {
        let before = "mqtt://broker.example".parse().unwrap();
        referred(reference, &before).map(|endpoint| endpoint.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_reference_is_a_host_with_or_without_a_port_or_several_of_them() {
        let cases = [
            ("other", "mqtt://other:1883"),
            ("other:1884", "mqtt://other:1884"),
            ("10.0.0.7:1884", "mqtt://10.0.0.7:1884"),
            ("[fe80::1]:1884", "mqtt://[fe80::1]:1884"),
            ("mqtt://other", "mqtt://other:1883"),
            ("!! second third", "mqtt://second:1883"),
        ];
        for (reference, expected) in cases {
            assert_eq!(followed(reference).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_reference_that_changes_the_transport_or_brings_credentials_is_not_followed() {
        for reference in ["", "  ", "user:secret@other", "mqtt://user@other", "http://other", "other:0"] {
            let error = followed(reference).unwrap_err();
            assert!(error.contains("not followed") && !error.contains("secret"), "{reference}: {error}");
        }
    }
}
