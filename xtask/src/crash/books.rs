//! What publisher and subscriber wrote down, reconciled by the definitions of QoS 1 and 2. Knows no process and no broker.

use std::collections::{BTreeMap, BTreeSet};

use crate::crash::counts::Counts;

/// Numbers of one topic and QoS go up in steps of this size; the publisher's number of lanes.
pub(super) const LANES: u64 = 4;

/// A line of a ledger: `TIME WORD NUMBER REST`, or without a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) micros: u64,
    pub(super) word: String,
    pub(super) number: Option<u64>,
    pub(super) rest: String,
}

impl Line {
    /// `None` if it is none: a ledger that its writer could not complete.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let micros = parts.next()?.parse().ok()?;
        let word = parts.next()?.to_owned();
        let rest = parts.next().unwrap_or_default();
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(match first.parse() {
            Ok(number) => Self { micros, word, number: Some(number), rest: after.to_owned() },
            Err(_) => Self { micros, word, number: None, rest: rest.to_owned() },
        })
    }
}

/// A message that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) number: u64,
    pub(super) what: String,
    /// It came again, which a broker may have caused.
    pub(super) is_double: bool,
}

#[derive(Debug, Default)]
struct Message {
    qos: u8,
    is_accepted: bool,
    is_acknowledged: bool,
    times_got: u64,
    life_of_last: u64,
    /// The subscriber was told that the acknowledgement is stored.
    is_acked: bool,
}

#[derive(Default)]
struct Books {
    messages: BTreeMap<u64, Message>,
    breaches: Vec<Breach>,
    counts: Counts,
}

/// Adds up what was written down, and says who broke a rule; the counts of kills are left at 0.
pub(super) fn reconcile(published: &[Line], received: &[Line]) -> (Counts, Vec<Breach>) {
    let mut books = Books::default();
    for line in published {
        books.on_published(line);
    }
    books.on_received(received);
    books.close();
    (books.counts, books.breaches)
}

/// By which packet identifiers a number came.
pub(super) fn packet_ids(received: &[Line], number: u64) -> Vec<String> {
    let got = received.iter().filter(|line| line.word == "got" && line.number == Some(number));
    let id = |line: &Line| {
        let (_, id) = line.rest.split_once("PacketId(")?;
        Some(id.split(')').next()?.to_owned())
    };
    got.filter_map(id).collect()
}

/// Whether all that was accepted has come, and all that the subscriber got in its present life is acknowledged.
pub(super) fn is_caught_up(published: &[Line], received: &[Line]) -> bool {
    let numbers = |lines: &[Line], word: &str| {
        lines.iter().filter(|line| line.word == word).filter_map(|line| line.number).collect::<Vec<_>>()
    };
    let mut got = numbers(received, "got");
    got.sort_unstable();
    let life = received.iter().rposition(|line| line.word == "started").unwrap_or_default();
    let present = &received[life..];
    let dealt_with = numbers(present, "acked").len() + numbers(present, "stale").len();
    numbers(published, "accepted").iter().all(|number| got.binary_search(number).is_ok())
        && numbers(present, "got").len() == dealt_with
}

impl Books {
    fn breach(&mut self, number: u64, what: impl Into<String>) {
        self.breaches.push(Breach { number, what: what.into(), is_double: false });
    }

    fn double(&mut self, number: u64, when: &str) {
        let what = format!("of QoS 2 came again {when}");
        self.breaches.push(Breach { number, what, is_double: true });
    }

    fn on_published(&mut self, line: &Line) {
        let Some(number) = line.number else { return };
        if line.word == "trying" {
            let qos = if line.rest == "2" { 2 } else { 1 };
            if self.messages.insert(number, Message { qos, ..Message::default() }).is_some() {
                self.breach(number, "was tried twice: the ledger is wrong");
            }
            return;
        }
        let Some(message) = self.messages.get_mut(&number) else {
            return self.breach(number, "was never tried: the ledger is wrong");
        };
        match line.word.as_str() {
            "accepted" if message.is_accepted => self.breach(number, "was accepted twice"),
            // Its key was known: an earlier life has had it accepted.
            "accepted" | "known" => {
                message.is_accepted = true;
                self.counts.known += u64::from(line.word == "known");
            }
            "again" => {}
            "acknowledged" => message.is_acknowledged = true,
            word => self.breach(number, format!("was {word}: {}", line.rest)),
        }
    }

    fn on_received(&mut self, received: &[Line]) {
        let mut life = 0;
        let mut last_of_lane = BTreeMap::new();
        let mut open = BTreeSet::new();
        for line in received {
            if line.word == "started" {
                life += 1;
                self.counts.unreturned += open.len() as u64;
                open.clear();
            }
            let Some(number) = line.number else { continue };
            match line.word.as_str() {
                "got" => {
                    if self.messages.get(&number).is_some_and(|message| message.qos == 2) {
                        open.insert(number);
                    }
                    if self.on_got(number, life, &line.rest) == Some(1) {
                        let last = last_of_lane.entry(number % LANES).or_insert(number);
                        self.counts.overtaken += u64::from(number < *last);
                        *last = number.max(*last);
                    }
                }
                "acked" => {
                    open.remove(&number);
                    if let Some(message) = self.messages.get_mut(&number) {
                        message.is_acked = true;
                    }
                }
                _ => {}
            }
        }
    }

    /// How many times it has come now, if it is one of ours.
    fn on_got(&mut self, number: u64, life: u64, rest: &str) -> Option<u64> {
        let Some(message) = self.messages.get_mut(&number) else {
            self.breach(number, "came, and was never published");
            return None;
        };
        message.times_got += 1;
        let times = message.times_got;
        let in_one_life = message.life_of_last == life;
        message.life_of_last = life;
        let (qos, is_acked) = (message.qos, message.is_acked);
        if !rest.starts_with(&qos.to_string()) {
            self.breach(number, format!("of QoS {qos} came with QoS {rest}"));
        }
        if times == 1 {
            return Some(times);
        }
        match qos {
            2 if is_acked => self.double(number, "after its acknowledgement was stored"),
            2 if in_one_life => self.double(number, "in one life of the subscriber"),
            2 => self.counts.doubled[1] += 1,
            _ => self.counts.doubled[0] += 1,
        }
        Some(times)
    }

    fn close(&mut self) {
        let mut lost = Vec::new();
        for (&number, message) in &self.messages {
            let index = usize::from(message.qos == 2);
            self.counts.accepted[index] += u64::from(message.is_accepted);
            self.counts.acknowledged[index] += u64::from(message.is_acknowledged);
            let has_come = message.times_got > 0;
            if !message.is_accepted {
                self.counts.unsure += 1;
                self.counts.unsure_arrived += u64::from(has_come);
            } else if !has_come {
                let then = if message.is_acknowledged { "and acknowledged " } else { "" };
                lost.push((number, format!("of QoS {} was accepted {then}and never came", message.qos)));
            }
        }
        for (number, what) in lost {
            self.breach(number, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let numbered = text.split(", ").enumerate().map(|(at, line)| format!("{at} {line}"));
        numbered.map(|line| Line::read(&line).expect("it is a line")).collect()
    }

    fn counts(published: &str, received: &str) -> Counts {
        let (counts, breaches) = reconcile(&lines(published), &lines(received));
        assert_eq!(breaches, []);
        counts
    }

    fn breaches(published: &str, received: &str) -> Vec<u64> {
        reconcile(&lines(published), &lines(received)).1.into_iter().map(|breach| breach.number).collect()
    }

    #[test]
    fn a_message_that_was_accepted_and_never_came_is_a_breach() {
        assert_eq!(breaches("trying 1 1, accepted 1, trying 5 1", "started, subscribed"), [1]);
        assert_eq!(breaches("trying 2 2, accepted 2, acknowledged 2", "started"), [2]);
    }

    #[test]
    fn a_qos2_message_that_comes_again_is_a_breach_unless_a_kill_came_before_its_acknowledgement() {
        let published = "trying 2 2, accepted 2";
        assert_eq!(breaches(published, "started, got 2 2, acked 2, started, got 2 2"), [2]);
        assert_eq!(breaches(published, "started, got 2 2, got 2 2, acked 2"), [2]);
        let counts = counts(published, "started, got 2 2, started, got 2 2 dup, acked 2");
        assert_eq!((counts.doubled, counts.unreturned), ([0, 1], 1));
    }

    #[test]
    fn only_what_came_again_is_a_double() {
        let doubles = |published: &str, received: &str| -> Vec<bool> {
            let (_, breaches) = reconcile(&lines(published), &lines(received));
            breaches.into_iter().map(|breach| breach.is_double).collect()
        };
        let published = "trying 2 2, accepted 2";
        assert_eq!(doubles(published, "started, got 2 2, got 2 2, acked 2"), [true]);
        assert_eq!(doubles(published, "started, got 2 2, acked 2, started, got 2 2"), [true]);
        assert_eq!(doubles(published, "started"), [false]);
    }

    #[test]
    fn a_ledger_of_the_publisher_that_cannot_be_is_a_breach() {
        assert_eq!(breaches("trying 1 1, trying 1 1", "started"), [1]);
        assert_eq!(breaches("accepted 1", "started"), [1]);
    }

    #[test]
    fn a_qos1_message_may_come_again_and_again() {
        let counts = counts("trying 1 1, accepted 1", "started, got 1 1, acked 1, got 1 1");
        assert_eq!((counts.doubled, counts.accepted), ([1, 0], [1, 0]));
    }

    #[test]
    fn a_message_that_was_only_tried_may_come_or_not_and_twice_not_either() {
        let counts = counts("trying 2 2, trying 6 2", "started, got 2 2, acked 2");
        assert_eq!((counts.unsure, counts.unsure_arrived), (2, 1));
        assert_eq!(breaches("trying 2 2", "started, got 2 2, acked 2, started, got 2 2"), [2]);
    }

    #[test]
    fn a_message_whose_key_was_known_was_accepted_and_must_not_be_accepted_again() {
        let published = "trying 1 1, started, again 1, known 1 pending";
        assert_eq!(counts(published, "started, got 1 1, acked 1").known, 1);
        assert_eq!(breaches(published, "started"), [1]);
        let twice = "trying 1 1, accepted 1, started, again 1, accepted 1";
        assert_eq!(breaches(twice, "started, got 1 1, acked 1"), [1]);
    }

    #[test]
    fn failures_and_strangers_are_breaches() {
        assert_eq!(breaches("trying 2 2, accepted 2, failed 2 why", "started, got 2 2, acked 2"), [2]);
        assert_eq!(breaches("trying 2 2, refused 2 why", "started"), [2]);
        assert_eq!(breaches("trying 2 2, accepted 2", "started, got 2 1, acked 2"), [2]);
        assert_eq!(breaches("started", "started, got 3 1"), [3]);
    }

    #[test]
    fn the_subscriber_has_caught_up_when_all_has_come_and_nothing_of_its_life_is_open() {
        let published = lines("trying 1 1, accepted 1, trying 5 1");
        assert!(!is_caught_up(&published, &lines("started")));
        assert!(!is_caught_up(&published, &lines("started, got 1 1")));
        assert!(is_caught_up(&published, &lines("started, got 1 1, started")));
        assert!(is_caught_up(&published, &lines("started, got 1 1, acked 1")));
        assert!(is_caught_up(&published, &lines("started, got 1 1, stale 1")));
    }

    #[test]
    fn overtaking_is_counted_within_a_lane() {
        let published = "trying 1 1, accepted 1, trying 5 1, accepted 5, trying 2 2, accepted 2";
        let received = "started, got 5 1, acked 5, got 2 2, acked 2, got 1 1, acked 1";
        assert_eq!(counts(published, received).overtaken, 1);
    }
}
