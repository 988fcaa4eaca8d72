//! Whose fault it is when messages come in another order: the publisher's packets as the broker received them, and what the
//! subscriber was given compared with what the broker sent. Knows no process.

use std::collections::{BTreeMap, BTreeSet};

use crate::crash::books::{Breach, LANES, Line};
use crate::crash::packets::{NUMBERS_TOLD_APART, Packet, Side, What};

/// Everything about order that is not the broker's doing.
pub(super) fn judge(received: &[Line], packets: &[Packet]) -> Vec<Breach> {
    let of = |side| packets.iter().filter(move |packet| packet.side == side).map(|packet| packet.what);
    let mut breaches = of_publisher(of(Side::Publisher));
    breaches.extend(of_subscriber(received, &of(Side::Subscriber).collect::<Vec<_>>()));
    breaches.extend(unread(received, of(Side::Publisher)));
    breaches
}

/// What came must be in the log as published, and if it was of QoS 2 as released: else the log was not understood, and proves
/// nothing.
fn unread(received: &[Line], packets: impl Iterator<Item = What>) -> Vec<Breach> {
    let (mut published, mut released) = (BTreeSet::new(), BTreeSet::new());
    for packet in packets {
        match packet {
            What::Publish { number, .. } => _ = published.insert(number),
            What::Pubrel { number } => _ = released.insert(number),
            What::Connection => {}
        }
    }
    let got = received.iter().filter(|line| line.word == "got");
    let got = got.filter_map(|line| Some((line.number?, line.rest.starts_with('2'))));
    got.filter(|(number, is_qos2)| !published.contains(number) || (*is_qos2 && !released.contains(number)))
        .map(|(number, _)| breach(number, "came, and is not in the log as published and released"))
        .collect()
}

fn breach(number: u64, what: impl Into<String>) -> Breach {
    Breach { number, what: what.into(), is_double: false }
}

/// First PUBLISHes of a lane come in the order of their numbers. In each connection all come in the order in which they first
/// came [MQTT-4.6.0-1], none twice, and so do PUBRELs [MQTT-4.6.0-4], as this broker sends PUBRECs in that order.
fn of_publisher(packets: impl Iterator<Item = What>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut places = BTreeMap::new();
    let mut last_of_lane = BTreeMap::new();
    let mut released = BTreeSet::new();
    let (mut published_to, mut released_to) = (None, None);
    for packet in packets {
        match packet {
            What::Connection => (published_to, released_to) = (None, None),
            What::Publish { number, dup } => {
                let next = places.len();
                let is_first = !places.contains_key(&number);
                let place = *places.entry(number).or_insert(next);
                if is_first {
                    let last = last_of_lane.insert(number % LANES, number);
                    if let Some(later) = last.filter(|last| *last > number) {
                        breaches.push(breach(number, format!("was published after {later}")));
                    }
                } else if !dup {
                    breaches.push(breach(number, "was published again without DUP"));
                }
                if published_to.is_some_and(|to| place <= to) {
                    breaches.push(breach(number, "was published again out of order"));
                }
                published_to = Some(place);
            }
            What::Pubrel { number } => {
                let place = places.get(&number).copied();
                let is_first = released.insert(place);
                if (is_first && released.last() != Some(&place)) || released_to.is_some_and(|to| place <= to)
                {
                    breaches.push(breach(number, "was released out of order"));
                }
                released_to = Some(place);
            }
        }
    }
    breaches
}

/// What was handed out is, in this order, part of what the broker sent: so nothing is handed out more often than it was sent.
/// And nothing waits behind a later one of its lane that was behind it in every connection.
fn of_subscriber(received: &[Line], sent: &[What]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut at = 0;
    let mut seen = BTreeSet::new();
    for number in received.iter().filter(|line| line.word == "got").filter_map(|line| line.number) {
        if number >= NUMBERS_TOLD_APART {
            breaches.push(breach(number, "is too large to be told from others in the log"));
            continue;
        }
        let is_it = |what: &What| matches!(what, What::Publish { number: sent, .. } if *sent == number);
        let Some(further) = sent[at..].iter().position(is_it) else {
            breaches.push(breach(number, "was handed out more often, or later, than the broker sent it"));
            continue;
        };
        at += further + 1;
        if !seen.insert(number) {
            continue;
        }
        let later = seen.range(number + 1..).filter(|later| **later % LANES == number % LANES);
        for later in later {
            if !is_sent_without(&sent[..at], *later, number) {
                breaches.push(breach(number, format!("was sent before {later} and handed out after it")));
            }
        }
    }
    breaches
}

/// Whether `later` was sent in a connection in which `earlier` had not been sent by then.
fn is_sent_without(sent: &[What], later: u64, earlier: u64) -> bool {
    let mut has_earlier = false;
    for packet in sent {
        match packet {
            What::Connection => has_earlier = false,
            What::Publish { number, .. } if *number == earlier => has_earlier = true,
            What::Publish { number, .. } if *number == later && !has_earlier => return true,
            What::Publish { .. } | What::Pubrel { .. } => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `c` is a connection, `1` a PUBLISH, `1d` one with DUP and `1r` a PUBREL.
    fn packets(side: Side, text: &str) -> Vec<Packet> {
        let number = |text: &str| text.parse().expect("it is a number");
        let what = |text: &str| match (text, text.strip_suffix('d'), text.strip_suffix('r')) {
            ("c", ..) => What::Connection,
            (_, Some(text), _) => What::Publish { number: number(text), dup: true },
            (.., Some(text)) => What::Pubrel { number: number(text) },
            _ => What::Publish { number: number(text), dup: false },
        };
        text.split(' ').map(|text| Packet { side, what: what(text) }).collect()
    }

    fn of_publisher(text: &str) -> Vec<u64> {
        judge(&[], &packets(Side::Publisher, text)).into_iter().map(|breach| breach.number).collect()
    }

    fn of_subscriber(sent: &str, got_text: &str) -> Vec<u64> {
        let sent = packets(Side::Subscriber, sent).into_iter().map(|packet| packet.what);
        let breaches = super::of_subscriber(&got(got_text, 2), &sent.collect::<Vec<_>>());
        breaches.into_iter().map(|breach| breach.number).collect()
    }

    fn got(numbers: &str, qos: u8) -> Vec<Line> {
        let lines = numbers.split(' ').map(|number| Line::read(&format!("0 got {number} {qos}")));
        lines.map(|line| line.expect("it is a line")).collect()
    }

    #[test]
    fn a_log_without_what_came_proves_nothing() {
        let breaches = |published: &str, qos| {
            let published = packets(Side::Publisher, published).into_iter().map(|packet| packet.what);
            unread(&got("1", qos), published).len()
        };
        assert_eq!((breaches("c 1", 1), breaches("c 1 1r", 2)), (0, 0));
        assert_eq!((breaches("c 5", 1), breaches("c 1", 2)), (1, 1));
    }

    #[test]
    fn first_publishes_are_in_the_order_of_their_lane() {
        assert_eq!(of_publisher("c 1 2 5 c 1d 5d 9d 6"), []);
        assert_eq!(of_publisher("c 5 1"), [1]);
        assert_eq!(of_publisher("c 5 c 5d 1d"), [1]);
    }

    #[test]
    fn what_is_published_again_is_so_in_its_first_order_before_all_that_is_new_and_with_dup() {
        assert_eq!(of_publisher("c 1 2 c 2d 1d"), [1]);
        assert_eq!(of_publisher("c 1 c 5 1d"), [1]);
        assert_eq!(of_publisher("c 1 1d"), [1]);
        assert_eq!(of_publisher("c 1 c 1"), [1]);
    }

    #[test]
    fn pubrels_are_in_the_order_of_their_publishes() {
        assert_eq!(of_publisher("c 1 5 9 1r 5r c 1r 5r 9d 9r"), []);
        assert_eq!(of_publisher("c 1 5 5r 1r"), [1]);
        assert_eq!(of_publisher("c 1 5 5r c 1r"), [1]);
        assert_eq!(of_publisher("c 1 5 1r 5r c 5r 1r"), [1]);
    }

    #[test]
    fn what_is_handed_out_is_so_in_the_order_in_which_it_was_sent_and_no_more_often() {
        assert_eq!(of_subscriber("c 1 5 c 5d 9", "1 5 5 9"), []);
        assert_eq!(of_subscriber("c 1 5 2", "1 2 5"), [5]);
        assert_eq!(of_subscriber("c 1 c 1d", "1 1 1"), [1]);
        assert_eq!(of_subscriber("c 1 10000", "1 10000"), [10000]);
    }

    #[test]
    fn a_message_comes_after_a_later_one_only_if_the_broker_sent_it_so() {
        assert_eq!(of_subscriber("c 1 5 c 5d 1d", "5 1"), []);
        assert_eq!(of_subscriber("c 5 c 1 5d", "5 1"), []);
        assert_eq!(of_subscriber("c 1 5 c 1d", "5 1"), [1]);
        assert_eq!(of_subscriber("c 1 5 c 1d 5d", "5 1 5"), [1]);
    }

    #[test]
    fn what_came_in_its_turn_may_come_again_and_lanes_do_not_wait_for_each_other() {
        assert_eq!(of_subscriber("c 1 5 c 1d", "1 5 1"), []);
        assert_eq!(of_subscriber("c 1 2 c 1d", "2 1"), []);
    }

    #[test]
    fn both_sides_of_the_log_are_judged_and_that_all_is_in_it() {
        let judged = |published: &str, sent: &str, came: &str| -> Vec<u64> {
            let log = [packets(Side::Publisher, published), packets(Side::Subscriber, sent)].concat();
            judge(&got(came, 1), &log).into_iter().map(|breach| breach.number).collect()
        };
        assert_eq!(judged("c 1 5", "c 1 5", "1 5"), []);
        assert_eq!(judged("c 5 1", "c 1 5", "1 5"), [1]);
        assert_eq!(judged("c 1 5", "c 1 5", "5 1"), [1]);
        assert_eq!(judged("c 1", "c 1 5", "1 5"), [5]);
    }
}
