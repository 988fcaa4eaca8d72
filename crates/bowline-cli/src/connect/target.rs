//! Where to connect to, from a URL with a topic or from host and port. Owns that no part of a URL gets into an error.

use bowline::transport::Endpoint;

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
        let path_at = url[authority_at..].find('/').map(|at| authority_at + at);
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

    pub(super) fn of_host(host: &str, port: u16) -> Result<Self, Failure> {
        let endpoint = Endpoint::tcp(host, port)
            .map_err(|error| Failure::usage(format!("host or port is wrong: {error}")))?;
        Ok(Self { url: endpoint.to_string(), endpoint, topic: None })
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
        let url = |host: &str| Target::of_host(host, 7).map_err(|failure| failure.text).unwrap().url;
        assert_eq!(url("::1"), "mqtt://[::1]:7");
        assert_eq!(url("127.0.0.1"), "mqtt://127.0.0.1:7");
        assert!(Target::of_host("user@host", 7).is_err());
    }
}
