//! Takes a URL apart. Knows no scheme by name but that of sockets which are files, and does not look into a host.
//!
//! Own code instead of a URL crate: `http::Uri` neither splits nor decodes user names and passwords, does not check IPv6
//! addresses, and says only "invalid uri character" of whatever is wrong; `url` and `fluent-uri` bring more crates than
//! all the rest of a plain TCP client has. What is left after the standard library has parsed addresses and ports is below.

use bytes::Bytes;

use super::credentials::Credentials;
use super::error::EndpointError;
use super::host::Host;
use super::place::Place;
use super::scheme::Scheme;

/// What a URL says.
pub(super) struct Parts<'a> {
    pub(super) scheme: Scheme,
    pub(super) place: Place,
    pub(super) path_and_query: &'a str,
    pub(super) credentials: Option<Credentials>,
}

pub(super) fn parts(url: &str) -> Result<Parts<'_>, EndpointError> {
    if url.is_empty() {
        return Err(EndpointError::Empty);
    }
    let (scheme, rest) = match url.split_once("://") {
        Some((name, rest)) => (scheme(name)?, rest),
        None => (Scheme::Mqtt, url),
    };
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Whoever forgets to encode a `/` in a password would else dial the user name as a host.
    if path_and_query.contains('@') {
        return Err(EndpointError::AtAfterHost);
    }
    if path_and_query.contains('#') {
        return Err(EndpointError::Fragment);
    }
    // The last `@` is the divider, as in the browsers' rules: a host never has one, a hasty password may.
    let (user_info, host_and_port) = match authority.rsplit_once('@') {
        Some((user_info, host_and_port)) => (user_info, host_and_port),
        None => ("", authority),
    };
    let credentials = credentials_of(user_info)?;
    if scheme == Scheme::Unix {
        let place = socket_of(host_and_port, path_and_query)?;
        return Ok(Parts { scheme, place, path_and_query: "", credentials });
    }
    let (host, port) = host_and_port_of(host_and_port)?;
    let port = match port {
        Some(digits) => port_of(digits)?,
        None => scheme.default_port().ok_or(EndpointError::PortMissing)?,
    };
    Ok(Parts { scheme, place: Place::Host { host, port }, path_and_query, credentials })
}

fn socket_of(host_and_port: &str, path: &str) -> Result<Place, EndpointError> {
    if !host_and_port.is_empty() {
        return Err(EndpointError::SocketPath);
    }
    if path.contains('?') {
        return Err(EndpointError::SocketQuery);
    }
    Place::socket_of_bytes(percent_decoded(path)?)
}

fn scheme(name: &str) -> Result<Scheme, EndpointError> {
    let mut bytes = name.bytes();
    let is_well_formed = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_well_formed { Scheme::dialable(name) } else { Err(EndpointError::SchemeInvalid) }
}

fn host_and_port_of(text: &str) -> Result<(Host, Option<&str>), EndpointError> {
    if let Some(inside) = text.strip_prefix('[') {
        let (address, after) = inside.split_once(']').ok_or(EndpointError::Ipv6Invalid)?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port),
            None if after.is_empty() => None,
            None => return Err(EndpointError::Ipv6Invalid),
        };
        // RFC 6874 has the `%` before a zone percent-encoded; many people write it as it is.
        return Ok((Host::ipv6(&address.replacen("%25", "%", 1))?, port));
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(EndpointError::Ipv6NeedsBrackets),
        Some((name, port)) => Ok((Host::name(name)?, Some(port))),
        None => Ok((Host::name(text)?, None)),
    }
}

fn port_of(digits: &str) -> Result<u16, EndpointError> {
    // The standard library's numbers may begin with a plus sign; ports may not.
    let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>());
    match port {
        Some(Ok(port)) if port > 0 => Ok(port),
        _ => Err(EndpointError::PortInvalid),
    }
}

fn credentials_of(user_info: &str) -> Result<Option<Credentials>, EndpointError> {
    if user_info.is_empty() {
        return Ok(None);
    }
    let (user, password) = match user_info.split_once(':') {
        Some((user, password)) => (user, Some(Bytes::from(percent_decoded(password)?))),
        None => (user_info, None),
    };
    let user = String::from_utf8(percent_decoded(user)?).map_err(|_| EndpointError::UserNotUtf8)?;
    Ok(Some(Credentials::new(user.into(), password)))
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, EndpointError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (hex_digit(bytes.next())?, hex_digit(bytes.next())?);
        decoded.push(high << 4 | low);
    }
    Ok(decoded)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, EndpointError> {
    let value = byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(EndpointError::PercentInvalid)?;
    Ok(u8::try_from(value).expect("a hexadecimal digit is below 16"))
}
