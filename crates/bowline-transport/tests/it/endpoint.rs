//! URLs, good and bad, and that no secret of theirs is printed.

use std::net::SocketAddr;

use bowline_transport::{Endpoint, EndpointError, Scheme};
use proptest::prelude::{ProptestConfig, proptest};
use proptest::{prop_assert, prop_assert_eq};

fn parse(url: &str) -> Result<Endpoint, EndpointError> {
    url.parse()
}

#[test]
fn a_good_url_says_where_to_connect() {
    let table = [
        ("mqtt://localhost", "localhost", 1883, ""),
        ("MQTT://Broker.Example:1884", "Broker.Example", 1884, ""),
        ("tcp://10.0.0.1:65535", "10.0.0.1", 65535, ""),
        ("localhost", "localhost", 1883, ""),
        ("localhost:1", "localhost", 1, ""),
        ("my_broker-7.:1885", "my_broker-7.", 1885, ""),
        ("mqtt://[::1]", "::1", 1883, ""),
        ("[::1]:1884", "::1", 1884, ""),
        ("mqtt://[0:0::0:1]:1884/", "::1", 1884, "/"),
        ("mqtt://[fe80::1%25eth0]:1884", "fe80::1%eth0", 1884, ""),
        ("mqtt://[fe80::1%eth0]", "fe80::1%eth0", 1883, ""),
        ("mqtt://[fe80::1%2525]", "fe80::1%25", 1883, ""),
        ("mqtt://host:1883/mqtt?a=b:c", "host", 1883, "/mqtt?a=b:c"),
        ("mqtt://host?a=b", "host", 1883, "?a=b"),
        ("mqtt://@host", "host", 1883, ""),
    ];
    for (url, host, port, path) in table {
        let endpoint = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(endpoint.scheme(), Scheme::Mqtt, "{url}");
        assert_eq!(
            (endpoint.host(), endpoint.port(), endpoint.path_and_query()),
            (host, port, path),
            "{url}"
        );
        assert_eq!(endpoint.credentials(), None, "{url}");
    }
}

#[test]
fn user_name_and_password_are_percent_decoded() {
    let table: [(&str, &str, Option<&[u8]>); 8] = [
        ("mqtt://meter@host", "meter", None),
        ("mqtt://meter:@host", "meter", Some(b"")),
        ("mqtt://meter:tide@host:1883", "meter", Some(b"tide")),
        ("meter:tide@host", "meter", Some(b"tide")),
        ("mqtt://:tide@host", "", Some(b"tide")),
        ("mqtt://m%C3%A9ter%3A7:%2F%3f%23%40%25@host", "méter:7", Some(b"/?#@%")),
        ("mqtt://meter:a:b@c@host", "meter", Some(b"a:b@c")),
        ("mqtt://meter:%00%ff+@host", "meter", Some(b"\x00\xff+")),
    ];
    for (url, user, password) in table {
        let endpoint = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let credentials = endpoint.credentials().expect("the url has credentials");
        assert_eq!(credentials.user(), user, "{url}");
        assert_eq!(credentials.password().map(|password| &password[..]), password, "{url}");
        assert_eq!(endpoint.host(), "host", "{url}");
    }
}

#[test]
fn a_bad_url_is_refused_for_what_is_wrong_with_it() {
    use EndpointError as E;
    let long = "a".repeat(254);
    let table = [
        ("", E::Empty),
        ("://host", E::SchemeInvalid),
        ("7mqtt://host", E::SchemeInvalid),
        ("user:a://b@host", E::SchemeInvalid),
        ("http://host", E::SchemeUnknown { scheme: "http".to_owned() }),
        ("mqtt://", E::HostMissing),
        ("mqtt://:1883", E::HostMissing),
        ("mqtt://user:tide@", E::HostMissing),
        ("mqtt:///path", E::HostMissing),
        ("local host", E::HostCharacter { character: ' ' }),
        ("localhost\n", E::HostCharacter { character: '\n' }),
        ("mqtt://bröker", E::HostCharacter { character: 'ö' }),
        ("mqtt://a%20b", E::HostCharacter { character: '%' }),
        (&long, E::HostTooLong { length: 254, limit: 253 }),
        ("mqtt://host:", E::PortInvalid),
        ("mqtt://host:0", E::PortInvalid),
        ("mqtt://host:65536", E::PortInvalid),
        ("mqtt://host:+1883", E::PortInvalid),
        ("mqtt:host", E::PortInvalid),
        ("mqtt://::1", E::Ipv6NeedsBrackets),
        ("::1:1883", E::Ipv6NeedsBrackets),
        ("mqtt://[::1", E::Ipv6Invalid),
        ("mqtt://[::g]", E::Ipv6Invalid),
        ("mqtt://[127.0.0.1]", E::Ipv6Invalid),
        ("mqtt://[::1]1883", E::Ipv6Invalid),
        ("mqtt://[fe80::1%]", E::Ipv6Invalid),
        ("mqtt://[fe80::1%25]", E::Ipv6Invalid),
        ("mqtt://host#part", E::Fragment),
        ("mqtt://user:a/b@host", E::AtAfterHost),
        ("mqtt://user:12/b@host", E::AtAfterHost),
        ("mqtt://user:a#b@host", E::AtAfterHost),
        ("mqtt://user:a%@host", E::PercentInvalid),
        ("mqtt://user:a%2@host", E::PercentInvalid),
        ("mqtt://us%zzer@host", E::PercentInvalid),
        ("mqtt://%ff@host", E::UserNotUtf8),
    ];
    for (url, expected) in table {
        assert_eq!(parse(url), Err(expected), "{url}");
    }
}

#[test]
fn a_scheme_that_this_version_cannot_dial_is_said_to_be_so() {
    let error = parse("quic://host").unwrap_err();
    assert_eq!(error, EndpointError::SchemeNotBuilt { scheme: "quic", feature: None });
    assert_eq!(error.to_string(), "this version cannot connect to quic:// yet: use mqtt://");
    let error = EndpointError::SchemeNotBuilt { scheme: "mqtts", feature: Some("tls") };
    assert_eq!(error.to_string(), "mqtts:// needs the feature `tls`: build with it, or use mqtt://");
    #[cfg(not(feature = "tls"))]
    assert_eq!(parse("mqtts://host"), Err(error));
    #[cfg(not(feature = "websocket"))]
    for scheme in ["ws", "wss"] {
        let feature = Some("websocket");
        assert_eq!(
            parse(&format!("{scheme}://host")),
            Err(EndpointError::SchemeNotBuilt { scheme, feature })
        );
    }
    #[cfg(all(feature = "websocket", not(feature = "tls")))]
    assert_eq!(
        parse("wss://host"),
        Err(EndpointError::SchemeNotBuilt { scheme: "wss", feature: Some("tls") })
    );
}

#[cfg(feature = "websocket")]
#[test]
fn a_url_of_mqtt_over_websocket_keeps_its_path_and_query() {
    let endpoint = parse("ws://broker.example/mqtt?token=a%20b").unwrap();
    assert_eq!((endpoint.scheme(), endpoint.port()), (Scheme::Ws, 80));
    assert_eq!(endpoint.path_and_query(), "/mqtt?token=a%20b");
    assert_eq!(endpoint.to_string(), "ws://broker.example:80");
    #[cfg(feature = "tls")]
    assert_eq!(parse("wss://broker.example").unwrap().port(), 443);
}

#[cfg(feature = "tls")]
#[test]
fn a_url_of_mqtt_over_tls_has_a_port_of_its_own() {
    let endpoint = parse("mqtts://broker.example").unwrap();
    assert_eq!(
        (endpoint.scheme(), endpoint.host(), endpoint.port()),
        (Scheme::Mqtts, "broker.example", 8883)
    );
    assert_eq!(endpoint.to_string(), "mqtts://broker.example:8883");
}

#[cfg(unix)]
#[test]
fn the_url_of_a_unix_socket_is_its_path_percent_encoded() {
    use std::path::Path;

    let endpoint = parse("unix:///run/mosquitto/a%20b.sock").unwrap();
    assert_eq!(endpoint.scheme(), Scheme::Unix);
    assert_eq!(endpoint.unix_path(), Some(Path::new("/run/mosquitto/a b.sock")));
    assert_eq!((endpoint.host(), endpoint.port(), endpoint.path_and_query()), ("", 0, ""));
    assert_eq!(endpoint.to_string(), "unix:///run/mosquitto/a%20b.sock");
    assert_eq!(parse(&endpoint.to_string()), Ok(endpoint));
    let endpoint = parse("unix://zuser:zword@/run/x.sock").unwrap();
    assert_eq!(endpoint.credentials().map(|credentials| credentials.user()), Some("zuser"));
    assert_eq!(printed("unix://zuser:zword@/run/x.sock").matches('z').count(), 0);
    assert_eq!(parse("mqtt://host").unwrap().unix_path(), None);
    let table = [
        ("unix://run/x.sock", EndpointError::SocketPath),
        ("unix://localhost/x.sock", EndpointError::SocketPath),
        ("unix://", EndpointError::SocketPath),
        ("unix:///x.sock?a=b", EndpointError::SocketQuery),
        ("unix:///x.sock#a", EndpointError::Fragment),
        ("unix:///x%00.sock", EndpointError::SocketPathNul),
        ("unix:///x%.sock", EndpointError::PercentInvalid),
    ];
    for (url, expected) in table {
        assert_eq!(parse(url), Err(expected), "{url}");
    }
    assert_eq!(Endpoint::unix("x.sock"), Err(EndpointError::SocketPath));
}

#[test]
fn an_endpoint_is_made_of_host_and_port_or_of_an_address() {
    let endpoint = Endpoint::tcp("::1", 1884).unwrap();
    assert_eq!(endpoint, parse("mqtt://[::1]:1884").unwrap());
    assert_eq!(Endpoint::tcp("fe80::1%25", 1).unwrap(), parse("mqtt://[fe80::1%2525]:1").unwrap());
    assert_eq!(Endpoint::tcp("host", 0), Err(EndpointError::PortInvalid));
    assert_eq!(
        Endpoint::tcp("mqtt://host", 1883).unwrap_err(),
        EndpointError::Ipv6Invalid,
        "a colon says that it is to be an address"
    );
    for text in ["127.0.0.1:1883", "[::1]:1884", "[fe80::1%3]:1885"] {
        let addr: SocketAddr = text.parse().unwrap();
        assert_eq!(Endpoint::from(addr), parse(text).unwrap(), "{text}");
    }
}

#[test]
fn a_password_is_never_printed_whether_the_url_is_good_or_bad() {
    let urls = [
        "mqtt://zuser:zword@host",
        "mqtt://zuser:zword@host:1883/zpath?token=zword",
        "zuser:zword@host:x",
        "mqtt://zuser:zword",
        "mqtt://zuser:471123456",
        "mqtt://zuser:zword/4711@host",
        "mqtt://zuser:4711/zword@host",
        "mqtt://zuser:zwo?rd@host",
        "mqtt://zuser:zw#ord@host",
        "mqtt://zuser:zword%@host",
        "mqtt://%ff%FFzuser:zword@host",
        "mqtt://zuser:zword@",
        "mqtt://zuser:zword@[::1",
        "mqtt://zuser:zword@ho st",
        "zuser:zword://4711@host",
        "mqtts://zuser:zword@host",
        "http://zuser:zword@host",
        "mqtt://zuser:zw:ord@host:1:2",
    ];
    for url in urls {
        let printed = printed(url);
        // None of the texts has a `z` of its own; the endpoint of a good URL shows host and port only.
        assert!(!printed.contains('z') && !printed.contains("4711"), "{url} prints {printed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}", url in "[a-z:/@%\\[\\]?#.0-9]{0,40}") {
        let _ = parse(&text).is_ok();
        let _ = parse(&url).is_ok();
    }

    #[test]
    fn what_an_endpoint_prints_leads_to_the_same_place(
        url in "(mqtt://)?(host\\.[a-z]{1,9}|\\[fe80::[1-9](%25[a-z0-9]{1,5})?\\])(:[1-9][0-9]{0,3})?",
    ) {
        let endpoint = parse(&url).unwrap();
        prop_assert_eq!(parse(&endpoint.to_string()).unwrap(), endpoint);
    }

    #[test]
    fn any_password_comes_back_from_its_percent_encoding(password: Vec<u8>) {
        let encoded: String = password.iter().map(|byte| format!("%{byte:02x}")).collect();
        let endpoint = parse(&format!("mqtt://user:{encoded}@host")).unwrap();
        let decoded = endpoint.credentials().and_then(|credentials| credentials.password()).unwrap();
        prop_assert_eq!(&decoded[..], &password[..]);
    }

    #[test]
    fn no_delimiter_inside_a_password_brings_it_into_the_text(
        password in "Z{3}[:/?#@%\\[\\].0-9]{0,6}Z{3}",
    ) {
        let url = format!("mqtt://user:{password}@host");
        prop_assert!(!printed(&url).contains("ZZZ"), "{url} prints {}", printed(&url));
    }
}

/// All that can be printed of a URL, once it is parsed or refused.
fn printed(url: &str) -> String {
    match parse(url) {
        Ok(endpoint) => format!("{endpoint} {endpoint:?} {endpoint:#?} {:?}", endpoint.credentials()),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}
