//! Why a text is no endpoint. Owns that no part of a URL that may hold a secret gets into an error.

use std::error::Error;
use std::fmt;

/// Why a URL was refused. It never repeats what may be part of a password: not the URL, not the port, not the path.
/// `mqtt://user:4711` with a forgotten host would otherwise print a password as a port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is empty.
    Empty,
    /// What stands before `://` is no scheme.
    SchemeInvalid,
    /// Nobody knows this scheme.
    SchemeUnknown {
        /// The scheme as it was written.
        scheme: String,
    },
    /// The scheme is known, but this build cannot dial it.
    SchemeNotBuilt {
        /// The scheme.
        scheme: &'static str,
        /// The feature that brings it; none if this version has it not.
        feature: Option<&'static str>,
    },
    /// A `%` in user name, password or the path of a Unix socket is not followed by two hexadecimal digits.
    PercentInvalid,
    /// The user name, decoded, is not UTF-8.
    UserNotUtf8,
    /// An `@` stands behind the first `/`, `?` or `#`.
    AtAfterHost,
    /// There is a `#`.
    Fragment,
    /// There is no host.
    HostMissing,
    /// A host name has a character that none may have.
    HostCharacter {
        /// The first such character.
        character: char,
    },
    /// A host name is too long.
    HostTooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest there is.
        limit: usize,
    },
    /// What stands in brackets is no IPv6 address, or something else than a port follows the brackets.
    Ipv6Invalid,
    /// There are several colons without brackets, so host and port cannot be told apart.
    Ipv6NeedsBrackets,
    /// The port is no number from 1 to 65535.
    PortInvalid,
    /// The scheme has no default port, and there is none in the URL.
    PortMissing,
    /// The URL of a Unix socket has a host, or no path, or the path does not begin at the root.
    SocketPath,
    /// The URL of a Unix socket has a `?`.
    SocketQuery,
    /// The path of a Unix socket has a NUL.
    SocketPathNul,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the broker's url is empty: write it as mqtt://host:1883"),
            Self::SchemeInvalid => f.write_str(
                "what stands before `://` is no scheme: begin with mqtt://, and percent-encode user name and password",
            ),
            Self::SchemeUnknown { scheme } => {
                write!(f, "the scheme `{scheme}` is unknown: use mqtt, mqtts, ws, wss or unix")
            }
            Self::SchemeNotBuilt { scheme, feature: Some(feature) } => {
                write!(f, "{scheme}:// needs the feature `{feature}`: build with it, or use mqtt://")
            }
            Self::SchemeNotBuilt { scheme, feature: None } => {
                write!(f, "this version cannot connect to {scheme}:// yet: use mqtt://")
            }
            Self::PercentInvalid => f.write_str(
                "a `%` in user name, password or socket path is not followed by two hexadecimal digits: write `%25` for `%`",
            ),
            Self::UserNotUtf8 => f.write_str("the user name is not utf-8 once it is percent-decoded"),
            Self::AtAfterHost => f.write_str(
                "an `@` stands after the end of the host: in user name and password write %2F for `/`, %3F for `?`, %23 for `#`",
            ),
            Self::Fragment => {
                f.write_str("the url has a fragment: remove what begins with `#`, or write %23 if the password has one")
            }
            Self::HostMissing => f.write_str("the url has no host: write it as mqtt://host:1883"),
            Self::HostCharacter { character } => write!(
                f,
                "the host has the character {character:?}: letters, digits, `-`, `_` and `.` may stand there; international names start with xn--"
            ),
            Self::HostTooLong { length, limit } => {
                write!(f, "the host has {length} bytes, more than the {limit} that a name can have")
            }
            Self::Ipv6Invalid => {
                f.write_str("what stands in brackets is no ipv6 address, or more than a port follows: write [::1]:1883")
            }
            Self::Ipv6NeedsBrackets => {
                f.write_str("there are several colons in host and port: put an ipv6 address in brackets, as in [::1]:1883")
            }
            Self::PortInvalid => f.write_str(
                "the port is no number from 1 to 65535: correct it, or add `@host` if it was meant as a password",
            ),
            Self::PortMissing => f.write_str("this scheme has no default port: write one, as in host:14567"),
            Self::SocketPath => f.write_str(
                "a unix socket has an absolute path and no host: write unix:///run/mosquitto.sock, with three slashes",
            ),
            Self::SocketQuery => f.write_str("a unix socket has no query: write %3F if its path has a `?`"),
            Self::SocketPathNul => f.write_str("the path of the unix socket has a nul character: remove it"),
        }
    }
}

impl Error for EndpointError {}
