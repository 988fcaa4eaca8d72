//! Mosquitto's log read as packets, each with the number of its message, which the topic and the size of the payload tell. Judges
//! nothing.

use std::collections::BTreeMap;

use crate::crash::books::{LANES, Line};

/// The size of the payload of the first number of a lane, in bytes; that of each next is one more.
const PAYLOAD_BYTES: u64 = 100;

/// From here on sizes begin again, and the log no longer tells numbers apart.
pub(super) const NUMBERS_TOLD_APART: u64 = 2500 * LANES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// What the broker received from the publisher.
    Publisher,
    /// What it sent to the subscriber.
    Subscriber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A connection begins.
    Connection,
    Publish {
        number: u64,
        dup: bool,
    },
    /// The PUBREL of this number.
    Pubrel {
        number: u64,
    },
}

impl What {
    const fn number(self) -> Option<u64> {
        match self {
            Self::Connection => None,
            Self::Publish { number, .. } | Self::Pubrel { number } => Some(number),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) side: Side,
    pub(super) what: What,
}

/// The packets that matter here, in the order in which the broker received or sent them.
pub(super) fn read(log: &[Line]) -> Vec<Packet> {
    of_lines(log).map(|(_, packet)| packet).collect()
}

/// The lines about the PUBLISHes and PUBRELs of one number.
pub(super) fn lines_of(log: &[Line], number: u64) -> impl Iterator<Item = &Line> {
    of_lines(log).filter(move |(_, packet)| packet.what.number() == Some(number)).map(|(line, _)| line)
}

fn of_lines(log: &[Line]) -> impl Iterator<Item = (&Line, Packet)> {
    let mut ids = [BTreeMap::new(), BTreeMap::new()];
    log.iter().filter_map(move |line| Some((line, packet(&line.rest, &mut ids)?)))
}

fn packet(text: &str, ids: &mut [BTreeMap<u64, u64>; 2]) -> Option<Packet> {
    let sides = [
        (Side::Publisher, "crash-publisher", "Received", " from "),
        (Side::Subscriber, "crash-subscriber", "Sending", " to "),
    ];
    for ((side, name, verb, way), ids) in sides.into_iter().zip(ids) {
        let fields =
            |kind: &str| text.split_once(&format!("{verb} {kind}{way}{name} (")).map(|found| found.1);
        let what = if text.contains(&format!("Sending CONNACK to {name} (")) {
            What::Connection
        } else if let Some(fields) = fields("PUBLISH") {
            let number = number(fields)?;
            ids.insert(digits_after(fields, ", m")?, number);
            What::Publish { number, dup: fields.starts_with("d1") }
        } else if let Some(fields) = fields("PUBREL") {
            let id = digits_after(fields, "Mid: ").or_else(|| digits_after(fields, "m"))?;
            What::Pubrel { number: *ids.get(&id)? }
        } else {
            continue;
        };
        return Some(Packet { side, what });
    }
    None
}

/// The number of a message with this topic and size.
fn number(fields: &str) -> Option<u64> {
    let lane = digits_after(fields, "'crash/")?;
    let bytes = digits_after(fields, "... (")?;
    Some(lane + LANES * bytes.checked_sub(PAYLOAD_BYTES)?)
}

fn digits_after(text: &str, mark: &str) -> Option<u64> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_numbers_by_topic_and_size_and_those_of_pubrels_by_identifier() {
        let log = [
            "1: Sending CONNACK to crash-publisher (0, 0)",
            "1: Received PUBLISH from crash-publisher (d0, q2, r0, m7, 'crash/1', ... (103 bytes))",
            "1: Received PUBLISH from crash-publisher (d1, q1, r0, m77, 'crash/2', ... (100 bytes))",
            "1: Sending PUBREC to crash-publisher (m7, rc0)",
            "1: Received PUBREL from crash-publisher (Mid: 7)",
            "1: Sending PUBLISH to crash-subscriber (d0, q2, r0, m77, 'crash/1', ... (103 bytes))",
            "1: Sending PUBREL to crash-subscriber (m77)",
        ];
        let line =
            |text: &&str| Line { micros: 0, word: String::new(), number: None, rest: (*text).to_owned() };
        let publisher = |what| Packet { side: Side::Publisher, what };
        let subscriber = |what| Packet { side: Side::Subscriber, what };
        assert_eq!(
            read(&log.iter().map(line).collect::<Vec<_>>()),
            [
                publisher(What::Connection),
                publisher(What::Publish { number: 13, dup: false }),
                publisher(What::Publish { number: 2, dup: true }),
                publisher(What::Pubrel { number: 13 }),
                subscriber(What::Publish { number: 13, dup: false }),
                subscriber(What::Pubrel { number: 13 }),
            ]
        );
    }
}
