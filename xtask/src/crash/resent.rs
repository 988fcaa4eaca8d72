//! A defect of Mosquitto 2.0.11, read off its own log: after a connection that ended between CONNECT and its PUBREL it sends
//! the PUBLISH again, although it had sent the PUBREL before. The receiver has forgotten the identifier by then.

use crate::crash::books::{Breach, Line, packet_ids};

/// Takes out what the log proves to be the broker's fault, and says how much that was. A double is proven if for its packet
/// identifier a PUBLISH with DUP was sent after a PUBREL, which no broker may [MQTT-4.3.3-6].
pub(super) fn take_out(breaches: Vec<Breach>, received: &[Line], log: &[Line]) -> (Vec<Breach>, u64) {
    let before = breaches.len();
    let left: Vec<Breach> = breaches
        .into_iter()
        .filter(|breach| {
            !breach.is_double || !packet_ids(received, breach.number).iter().any(|id| is_resent(log, id))
        })
        .collect();
    let taken = (before - left.len()) as u64;
    (left, taken)
}

fn is_resent(log: &[Line], id: &str) -> bool {
    let (closed, followed) = (format!("(m{id})"), format!("(m{id},"));
    let publish = format!(", m{id}, ");
    let mut is_released = false;
    for line in log {
        let text = &line.rest;
        if text.contains("Sending PUBREL to crash-subscriber")
            && (text.contains(&closed) || text.contains(&followed))
        {
            is_released = true;
        }
        if text.contains("Sending PUBLISH to crash-subscriber") && text.contains(&publish) {
            if is_released && text.contains("(d1, q2,") {
                return true;
            }
            is_released = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> Vec<Line> {
        let line =
            |text: &&str| Line { micros: 0, word: String::new(), number: None, rest: (*text).to_owned() };
        lines.iter().map(line).collect()
    }

    #[test]
    fn only_a_publish_again_after_its_pubrel_is_the_brokers_fault() {
        let publish = "1: Sending PUBLISH to crash-subscriber (d0, q2, r0, m7, 'crash/0', ... (104 bytes))";
        let again = "1: Sending PUBLISH to crash-subscriber (d1, q2, r0, m7, 'crash/0', ... (104 bytes))";
        let pubrel = "1: Sending PUBREL to crash-subscriber (m7)";
        let other = "1: Sending PUBREL to crash-subscriber (m77)";
        assert!(is_resent(&log(&[publish, pubrel, again]), "7"));
        for innocent in
            [&[publish, again, pubrel][..], &[publish, other, again], &[publish, pubrel, publish, again]]
        {
            assert!(!is_resent(&log(innocent), "7"), "{innocent:?}");
        }
    }

    #[test]
    fn a_loss_and_a_double_without_proof_stay() {
        let received = Line::read("1 got 5 2 dup Some(PacketId(7))").expect("it is a line");
        let proof = log(&[
            "1: Sending PUBREL to crash-subscriber (m7)",
            "1: Sending PUBLISH to crash-subscriber (d1, q2, r0, m7, 'crash/1', ... (104 bytes))",
        ]);
        let breach = |is_double| Breach { number: 5, what: String::new(), is_double };
        let taken = |breach, log: &[Line]| take_out(vec![breach], std::slice::from_ref(&received), log).1;
        assert_eq!(taken(breach(true), &proof), 1);
        assert_eq!(taken(breach(true), &[]), 0);
        assert_eq!(taken(breach(false), &proof), 0);
    }
}
