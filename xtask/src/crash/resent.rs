//! A defect of Mosquitto 2.0.11, read off its own log: after a connection that ended between CONNECT and its PUBREL it sends
//! the PUBLISH again, although it had sent the PUBREL before. The receiver has forgotten the identifier by then.

use std::collections::{BTreeMap, BTreeSet};

use crate::crash::books::Breach;
use crate::crash::packets::{Packet, Side, What};

/// Takes out what the log proves to be the broker's fault, and says how much that was. Of each message so many doubles are
/// proven as PUBLISHes with DUP were sent after a PUBREL, which no broker may [MQTT-4.3.3-6].
pub(super) fn take_out(breaches: Vec<Breach>, packets: &[Packet]) -> (Vec<Breach>, u64) {
    let mut resent = resent(packets);
    let before = breaches.len();
    let left: Vec<Breach> = breaches
        .into_iter()
        .filter(|breach| {
            let times = resent.get_mut(&breach.number).filter(|times| breach.is_double && **times > 0);
            times.map(|times| *times -= 1).is_none()
        })
        .collect();
    let taken = (before - left.len()) as u64;
    (left, taken)
}

/// How many times each number was sent again after its PUBREL.
fn resent(packets: &[Packet]) -> BTreeMap<u64, u64> {
    let mut released = BTreeSet::new();
    let mut resent = BTreeMap::new();
    for packet in packets.iter().filter(|packet| packet.side == Side::Subscriber) {
        match packet.what {
            What::Pubrel { number } => _ = released.insert(number),
            What::Publish { number, dup: true } if released.contains(&number) => {
                *resent.entry(number).or_default() += 1;
            }
            What::Publish { .. } | What::Connection => {}
        }
    }
    resent
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: What = What::Publish { number: 5, dup: true };
    const PUBREL: What = What::Pubrel { number: 5 };

    /// How many of so many doubles are taken out, with this in the log.
    fn taken(doubles: usize, sent: &[What]) -> u64 {
        let breach = Breach { number: 5, what: String::new(), is_double: true };
        let packet = |what: &What| Packet { side: Side::Subscriber, what: *what };
        take_out(vec![breach; doubles], &sent.iter().map(packet).collect::<Vec<_>>()).1
    }

    #[test]
    fn only_a_publish_again_after_its_pubrel_is_the_brokers_fault() {
        let publish = What::Publish { number: 5, dup: false };
        assert_eq!(taken(1, &[publish, PUBREL, What::Connection, AGAIN]), 1);
        for innocent in [
            &[][..],
            &[publish, AGAIN, PUBREL],
            &[publish, What::Pubrel { number: 9 }, AGAIN],
            &[publish, PUBREL, What::Connection, publish],
        ] {
            assert_eq!(taken(1, innocent), 0, "{innocent:?}");
        }
    }

    #[test]
    fn no_more_doubles_are_excused_than_were_sent_again() {
        assert_eq!(taken(2, &[PUBREL, AGAIN]), 1);
        assert_eq!(taken(2, &[PUBREL, AGAIN, PUBREL, AGAIN]), 2);
        assert_eq!(taken(3, &[PUBREL, AGAIN, AGAIN]), 2);
    }

    #[test]
    fn what_the_publisher_sent_again_excuses_nothing() {
        let breach = Breach { number: 5, what: String::new(), is_double: true };
        let packets = [PUBREL, AGAIN].map(|what| Packet { side: Side::Publisher, what });
        assert_eq!(take_out(vec![breach], &packets).1, 0);
    }

    #[test]
    fn a_loss_is_never_excused() {
        let breach = Breach { number: 5, what: String::new(), is_double: false };
        let packets = [PUBREL, AGAIN].map(|what| Packet { side: Side::Subscriber, what });
        assert_eq!(take_out(vec![breach], &packets).1, 0);
    }
}
