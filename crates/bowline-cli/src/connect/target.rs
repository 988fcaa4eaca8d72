//! Where to connect to, from a URL with a topic or from host and port. Owns that no part of a URL gets into an error.

use std::path::Path;

use bowline::transport::{Endpoint, Scheme};

use crate::exit::Failure;

/// A broker, and perhaps a topic.
pub(crate) struct Target {
    /// Scheme, credentials, host and port.
    pub(crate) url: String,
    /// The same, parsed.
    pub(super) endpoint: Endpoint,
    /// What follows the first `/` after the host, as it was written.
    pub(crate) topic: Option<String>,
}

impl Target {
    /// Takes a URL apart: unlike other URLs it ends with a topic, which may have `#` and `?` in it.
    pub(super) fn of_url(url: &str) -> Result<Self, Failure> {
        let authority_at = url.find("://").map_or(0, |at| at + 3);
        let scheme = &url[..authority_at];
        // Elsewhere the path leads to the broker: it is a web server's or a socket's.
        let ends_with_topic =
            ["", "mqtt://", "tcp://", "mqtts://"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let path_at = url[authority_at..].find('/').map(|at| authority_at + at).filter(|_| ends_with_topic);
        let (broker, topic) = match path_at {
            // An `@` may be a part of a password that was not encoded: then nothing is what it seems to be, and the
            // library refuses the URL.
            Some(at) if !url[at..].contains('@') => (&url[..at], &url[at + 1..]),
            _ => (url, ""),
        };
        let endpoint =
            broker.parse().map_err(|error| Failure::usage(format!("the URL is wrong: {error}")))?;
        let topic = (!topic.is_empty()).then(|| topic.to_owned());
        Ok(Self { url: broker.to_owned(), endpoint, topic })
    }

    /// With a path it is WebSocket.
    pub(super) fn of_host(
        host: &str,
        port: Option<u16>,
        is_encrypted: bool,
        path: Option<&str>,
    ) -> Result<Self, Failure> {
        let wrong = |error| Failure::usage(format!("host, port or path is wrong: {error}"));
        let (scheme, default_port) = match (path, is_encrypted) {
            (None, false) => ("mqtt", 1883),
            (None, true) => ("mqtts", 8883),
            (Some(_), false) => ("ws", 80),
            (Some(_), true) => ("wss", 443),
        };
        let plain = Endpoint::tcp(host, port.unwrap_or(default_port)).map_err(wrong)?;
        // It prints as `mqtt://host:port`.
        let slash = if path.is_some_and(|path| !path.starts_with('/')) { "/" } else { "" };
        let url = format!("{}{slash}{}", plain.to_string().replacen("mqtt", scheme, 1), path.unwrap_or(""));
        let endpoint = url.parse().map_err(wrong)?;
        Ok(Self { url, endpoint, topic: None })
    }

    pub(super) fn of_socket(path: &Path) -> Result<Self, Failure> {
        let wrong =
            |error: String| Failure::usage(format!("the socket {} is wrong: {error}", path.display()));
        let absolute = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
        #[cfg(unix)]
        {
            let endpoint = Endpoint::unix(absolute).map_err(|error| wrong(error.to_string()))?;
            Ok(Self { url: endpoint.to_string(), endpoint, topic: None })
        }
        #[cfg(not(unix))]
        Err(wrong(format!("there are no Unix sockets here, so {} cannot be one", absolute.display())))
    }

    /// Whether WebSocket is spoken.
    pub(super) fn is_websocket(&self) -> bool {
        matches!(self.endpoint.scheme(), Scheme::Ws | Scheme::Wss)
    }

    /// Whether TLS is spoken.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.endpoint.scheme(), Scheme::Mqtts | Scheme::Wss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, Option<String>) {
        let target = Target::of_url(url).map_err(|failure| failure.text).unwrap();
        (target.endpoint.to_string(), target.topic)
    }

    #[test]
    fn a_url_ends_with_a_topic() {
        let broker = |address: &str| format!("mqtt://{address}");
        let topic = |topic: &str| Some(topic.to_owned());
        assert_eq!(parts("mqtt://host"), (broker("host:1883"), None));
        assert_eq!(parts("mqtt://host/"), (broker("host:1883"), None));
        assert_eq!(parts("host:7/a/b"), (broker("host:7"), topic("a/b")));
        assert_eq!(parts("mqtt://host:7/a/#"), (broker("host:7"), topic("a/#")));
        assert_eq!(parts("mqtt://u:p%2F@[::1]:7//a?"), (broker("[::1]:7"), topic("/a?")));
    }

    #[test]
    fn a_password_that_was_not_encoded_is_neither_a_topic_nor_in_the_error() {
        for url in ["mqtt://user:4711/secret@host", "mqtt://user:sec/ret@host/a", "mqtt://user:secret"] {
            let failure = Target::of_url(url).err().unwrap();
            assert_eq!(failure.code, crate::exit::USAGE);
            assert!(!failure.text.contains("sec") && !failure.text.contains("4711"), "{}", failure.text);
        }
    }

    #[test]
    fn a_host_may_be_an_address_of_either_kind() {
        let url = |host: &str| {
            Target::of_host(host, Some(7), false, None).map_err(|failure| failure.text).unwrap().url
        };
        assert_eq!(url("::1"), "mqtt://[::1]:7");
        assert_eq!(url("127.0.0.1"), "mqtt://127.0.0.1:7");
        assert!(Target::of_host("user@host", Some(7), false, None).is_err());
    }

    #[test]
    fn without_a_port_it_is_the_registered_one() {
        let url = |is_encrypted, path| {
            let target = Target::of_host("h", None, is_encrypted, path);
            target.map_err(|failure| failure.text).unwrap().url
        };
        assert_eq!(url(false, None), "mqtt://h:1883");
        assert_eq!(url(true, None), "mqtts://h:8883");
        assert_eq!(url(false, Some("/mqtt")), "ws://h:80/mqtt");
        assert_eq!(url(true, Some("a/b?c")), "wss://h:443/a/b?c");
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_has_a_path_and_no_topic() {
        assert_eq!(parts("unix:///run/broker.sock"), ("unix:///run/broker.sock".into(), None));
        let target = Target::of_socket(Path::new("/run/a b.sock")).map_err(|failure| failure.text).unwrap();
        assert_eq!(target.endpoint.unix_path(), Some(Path::new("/run/a b.sock")));
        let parsed: Endpoint = target.url.parse().unwrap();
        assert_eq!(parsed.unix_path(), target.endpoint.unix_path());
    }
}
