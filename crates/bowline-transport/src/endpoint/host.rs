//! The host of an endpoint: a name or an address, valid once it exists. Knows no port and resolves nothing.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::error::EndpointError;

/// The longest name that DNS can carry, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// A host name or an address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// A name, or an IPv4 address: the resolver reads both.
    Name(Box<str>),
    /// An IPv6 address, with its zone after a `%` if it has one.
    Ipv6(Box<str>),
}

impl Host {
    /// A host that stands alone, so that an IPv6 address needs no brackets.
    pub(super) fn bare(text: &str) -> Result<Self, EndpointError> {
        if text.contains(':') { Self::ipv6(text) } else { Self::name(text) }
    }

    /// A name or an IPv4 address.
    pub(super) fn name(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::HostMissing);
        }
        let is_allowed =
            |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        if let Some(character) = text.chars().find(|character| !is_allowed(character)) {
            return Err(EndpointError::HostCharacter { character });
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(EndpointError::HostTooLong { length: text.len(), limit: NAME_BYTES_MAX });
        }
        Ok(Self::Name(text.into()))
    }

    /// An IPv6 address, with its zone after a `%` if it has one.
    pub(super) fn ipv6(text: &str) -> Result<Self, EndpointError> {
        let (address, zone) = match text.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (text, None),
        };
        let is_zone = |zone: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !zone.is_empty() && zone.bytes().all(is_allowed)
        };
        let address: Ipv6Addr = address.parse().map_err(|_| EndpointError::Ipv6Invalid)?;
        match zone {
            None => Ok(Self::Ipv6(address.to_string().into())),
            Some(zone) if is_zone(zone) => Ok(Self::Ipv6(format!("{address}%{zone}").into())),
            Some(_) => Err(EndpointError::Ipv6Invalid),
        }
    }

    /// The host of an address that is known.
    pub(super) fn of(addr: SocketAddr) -> Self {
        match (addr, addr.ip()) {
            (SocketAddr::V6(addr), ip) if addr.scope_id() != 0 => {
                Self::Ipv6(format!("{ip}%{}", addr.scope_id()).into())
            }
            (_, IpAddr::V6(ip)) => Self::Ipv6(ip.to_string().into()),
            (_, IpAddr::V4(ip)) => Self::Name(ip.to_string().into()),
        }
    }

    pub(super) const fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Ipv6(text) => text,
        }
    }
}

impl fmt::Display for Host {
    /// As it stands in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv6(address) => match address.split_once('%') {
                Some((address, zone)) => write!(f, "[{address}%25{zone}]"),
                None => write!(f, "[{address}]"),
            },
        }
    }
}
