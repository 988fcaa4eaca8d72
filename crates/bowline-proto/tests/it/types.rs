//! The vocabulary: what exists, and what cannot be made.

use bowline_proto::Version;
use bowline_proto::client::ClientConfig;
use bowline_proto::types::text::TEXT_BYTES_MAX;
use bowline_proto::types::{
    Message, QoS, RetainHandling, SubscriptionOptions, Text, TextError, TopicError, TopicFilter, TopicName,
};

fn name(text: &str) -> Result<TopicName, TopicError> {
    TopicName::try_from(text)
}

fn filter(text: &str) -> Result<TopicFilter, TopicError> {
    TopicFilter::try_from(text)
}

// [MQTT-1.5.4-1] [MQTT-1.5.3-1 of 3.1.1]
#[test]
fn ill_formed_utf8_is_no_text() {
    let bad: [(&'static [u8], usize); 5] =
        [(b"\xff", 0), (b"ab\xc3", 2), (b"\xc0\x80", 0), (b"x\xed\xa0\x80", 1), (b"\xf4\x90\x80\x80", 0)];
    for (bytes, offset) in bad {
        let text = Text::try_from(bowline_proto::Bytes::from_static(bytes));
        assert_eq!(text, Err(TextError::NotUtf8 { offset }), "{bytes:x?}");
    }
}

// [MQTT-1.5.4-2] [MQTT-1.5.3-2 of 3.1.1] [MQTT-4.7.3-2] [MQTT-4.7.3-2 of 3.1.1]
#[test]
fn a_text_a_topic_and_a_filter_have_no_nul() {
    assert_eq!(Text::try_from("a\0b"), Err(TextError::Nul { offset: 1 }));
    let error = TopicError::Text(TextError::Nul { offset: 2 });
    assert_eq!(name("a/\0"), Err(error));
    assert_eq!(filter("+/\0"), Err(error));
}

// [MQTT-1.5.4-3] [MQTT-1.5.3-3 of 3.1.1]
#[test]
fn a_byte_order_mark_is_neither_added_nor_taken_away() {
    let text = Text::try_from("\u{feff}a").unwrap();
    assert_eq!(text.as_bytes(), b"\xef\xbb\xbfa");
    assert!(!filter("a").unwrap().matches(&name("\u{feff}a").unwrap()));
}

// [MQTT-4.7.3-3] [MQTT-4.7.3-3 of 3.1.1]
#[test]
fn a_text_of_65_535_bytes_exists_and_a_longer_one_does_not() {
    assert_eq!(name(&"t".repeat(TEXT_BYTES_MAX)).map(|name| name.len()), Ok(65_535));
    let too_long = TextError::TooLong { bytes: 65_536 };
    assert_eq!(Text::try_from("t".repeat(65_536)), Err(too_long));
    assert_eq!(filter(&"t".repeat(65_536)), Err(TopicError::Text(too_long)));
    assert_eq!(too_long.to_string(), "has 65536 bytes, the limit is 65535");
}

// [MQTT-4.7.3-1] [MQTT-4.7.3-1 of 3.1.1]
#[test]
fn an_empty_topic_or_filter_does_not_exist() {
    assert_eq!(name(""), Err(TopicError::Empty));
    assert_eq!(filter(""), Err(TopicError::Empty));
    assert_eq!(name("/").map(|name| name.len()), Ok(1), "a level may be empty, a topic may not");
}

// [MQTT-4.7.0-1] [MQTT-3.3.2-2] [MQTT-4.7.1-1 of 3.1.1] [MQTT-3.3.2-2 of 3.1.1]
#[test]
fn a_topic_name_has_no_wildcards() {
    assert_eq!(name("a/+/b"), Err(TopicError::WildcardInName { offset: 2 }));
    assert_eq!(name("#"), Err(TopicError::WildcardInName { offset: 0 }));
    assert_eq!(name("a+"), Err(TopicError::WildcardInName { offset: 1 }));
}

// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-3.8.3-1] [MQTT-3.10.3-1]
#[test]
fn a_wildcard_fills_its_level_and_a_multi_level_one_is_the_last() {
    for good in ["#", "+", "a/#", "+/+", "/+", "a/+/b/#", "+/#", "//"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    for (bad, offset) in
        [("a#", 1), ("#a", 0), ("a/#/b", 2), ("#/a", 0), ("a+", 1), ("+a/b", 0), ("a/b+", 3), ("##", 0)]
    {
        assert_eq!(filter(bad), Err(TopicError::MisplacedWildcard { offset }), "{bad}");
    }
}

// [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1] [MQTT-3.8.3-1 of 3.1.1] [MQTT-3.10.3-1 of 3.1.1]
#[test]
fn a_filter_is_checked_the_same_way_in_every_version() {
    assert!(filter("sport/+/player1").is_ok());
    assert!(filter("sport/tennis#").is_err());
    assert!(filter("sport+").is_err());
}

// [MQTT-4.7.2-1] [MQTT-4.7.3-4] [MQTT-4.7.2-1 of 3.1.1] [MQTT-4.7.3-4 of 3.1.1]
#[test]
fn matching_goes_level_by_level_and_byte_by_byte() {
    let table = [
        ("#", "a/b", true),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("a/#", "ab", false),
        ("+", "a", true),
        ("+", "/a", false),
        ("/+", "/a", true),
        ("+/+", "/a", true),
        ("a/+", "a/", true),
        ("a/+", "a", false),
        ("a/+/c", "a/b/c", true),
        ("a/B", "a/b", false),
        ("#", "$SYS/x", false),
        ("+/x", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/+", "$SYS/x", true),
        ("\u{e9}", "e\u{301}", false),
    ];
    for (pattern, topic, matches) in table {
        assert_eq!(filter(pattern).unwrap().matches(&name(topic).unwrap()), matches, "{pattern} {topic}");
    }
}

// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn a_shared_filter_has_a_name_without_wildcards_and_a_filter_behind_it() {
    for bad in ["$share/", "$share//a", "$share/g", "$share/g/", "$share/g+/a", "$share/#/a"] {
        assert_eq!(filter(bad), Err(TopicError::BadShare), "{bad}");
    }
    assert_eq!(filter("$share/g/a/#/b"), Err(TopicError::MisplacedWildcard { offset: 11 }));
    let shared = TopicFilter::shared("g", "a/+").unwrap();
    assert_eq!((shared.as_str(), shared.share_name()), ("$share/g/a/+", Some("g")));
    assert!(shared.matches(&name("a/b").unwrap()));
    assert!(!shared.matches(&name("$share/g/a/b").unwrap()));
    assert_eq!(
        TopicFilter::shared("g/h", "a"),
        Err(TopicError::BadShare),
        "it would be group g and filter h/a"
    );
}

// [MQTT-3.1.2-12] [MQTT-3.3.1-4] [MQTT-3.8.3-5] [MQTT-3.1.2-14 of 3.1.1] [MQTT-3.3.1-4 of 3.1.1]
#[test]
fn there_is_no_qos_3_and_no_fourth_retain_handling() {
    assert_eq!((0..=2).map(QoS::from_u8).filter(Option::is_some).count(), 3);
    assert_eq!(QoS::from_u8(3), None);
    assert_eq!(RetainHandling::from_u8(3), None);
}

// [MQTT-3.1.3-4] [MQTT-3.1.3-5] [MQTT-3.1.3-12] [MQTT-3.1.3-4 of 3.1.1] [MQTT-3.1.3-5 of 3.1.1]
#[test]
fn a_client_id_is_a_text_of_any_length_but_in_3_1() {
    let long = Text::try_from("c".repeat(TEXT_BYTES_MAX)).unwrap();
    for version in [Version::V3_1_1, Version::V5] {
        assert_eq!(ClientConfig::new(version, long.clone()).check(), Ok(()), "{version}");
    }
    let error =
        ClientConfig::new(Version::V3_1, Text::try_from("c".repeat(24)).unwrap()).check().unwrap_err();
    assert_eq!(error.to_string(), "client_id (bytes) is 24, allowed are 1 to 23");
}

// [MQTT-3.1.3-11 of 3.1.1] [MQTT-3.3.1-6] [MQTT-3.8.3-3]
#[test]
fn a_user_name_is_a_text_a_retained_message_may_be_empty_and_no_local_can_be_asked_for() {
    assert!(Text::try_from("user\0").is_err());
    let cleared = Message::new(name("a").unwrap(), "").with_retain(true);
    assert!(cleared.payload.is_empty() && cleared.retain);
    let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
    options.no_local = true;
    assert!(options.needs_version_5());
}
