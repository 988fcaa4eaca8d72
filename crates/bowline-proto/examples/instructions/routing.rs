//! The scenarios of routing: the streams of one topic are found among few filters and among many.

use std::hint::black_box;

use bowline_proto::routing::{Routes, StreamId};
use bowline_proto::{TopicFilter, TopicName};

use crate::{Scenario, TOPIC};

/// Routing, by the number of filters and how they match.
pub(crate) const SCENARIOS: [Scenario; 5] = [
    ("route 1 wildcard filter", |repetitions| route(&["site/+/line/#"], 0, repetitions)),
    ("route 1 exact filter", |repetitions| route(&[TOPIC], 0, repetitions)),
    ("route 10 filters", |repetitions| route(&APART, 0, repetitions)),
    ("route 10 overlapping filters", |repetitions| route(&OVERLAPPING, 0, repetitions)),
    ("route 100k overlapping filters", |repetitions| route(&OVERLAPPING, 100_000, repetitions)),
];

/// What one program may subscribe to; one of them matches.
const APART: [&str; 10] = [
    "command/7",
    "config/7/interval",
    "clock",
    "alarm/+/+",
    "plant/#",
    "site/+/line/#",
    "door/+/state",
    "update/7/+/file",
    "$share/workers/job/+",
    "$SYS/broker/uptime",
];

/// Filters with much in common; three of them match, each in another way.
const OVERLAPPING: [&str; 10] = [
    "site/+/line/#",
    "site/7/line/3/temp/value",
    "site/7/+/3/temp/+",
    "site/7/line/4/temp/value",
    "site/8/line/3/temp/value",
    "site/+/door/+",
    "plant/#",
    "alarm/+/+",
    "command/7",
    "$share/workers/job/+",
];

/// One operation: the streams of the topic are found. Every filter has a stream of its own. Further filters begin like
/// the topic but do not match it.
fn route(filters: &[&str], further: u32, repetitions: u32) {
    // Site 7 is not among them, so that as many filters match.
    let further = (8..8 + further).map(|number| match number % 3 {
        0 => format!("site/{number}/line/3/temp/value"),
        1 => format!("site/{number}/line/+/temp/#"),
        _ => format!("fleet/+/vehicle/{number}/#"),
    });
    let filters = further.chain(filters.iter().map(|filter| (*filter).to_owned()));
    let mut routes = Routes::with_seed(1);
    for (stream, filter) in (0..).zip(filters) {
        routes.insert(&TopicFilter::try_from(filter).expect("it is valid"), StreamId::new(stream));
    }
    let topic = black_box(TopicName::from_static(TOPIC).expect("it is valid"));
    let mut out = Vec::new();
    for _ in 0..repetitions {
        routes.matches(black_box(&topic), &mut out);
        assert!(!black_box(&out).is_empty());
    }
}
