//! What Mosquitto's log says of messages that it has sent again although it must not. Knows no client and no test.

use std::collections::HashMap;

/// Where the delivery of a QoS 2 message to one client is.
#[derive(PartialEq)]
enum Delivery {
    Published,
    Released,
}

/// How often a PUBLISH of QoS 2 was sent to this client again after its PUBREL. The client has perhaps seen that PUBREL, and then
/// the PUBLISH is a new message to it (section 4.3.3 of MQTT 5.0).
///
/// Mosquitto 2.0.11 does this when a connection ends while it sends PUBRELs again: on the next one it sends PUBLISH instead of
/// those that had not had their turn.
pub(super) fn published_after_release(log: &str, client: &str) -> usize {
    let mut deliveries: HashMap<&str, Delivery> = HashMap::new();
    let mut repeats = 0;
    for line in log.lines() {
        let Some((_, rest)) = line.split_once(": ") else { continue };
        let identifier = |marker: &str| {
            let (_, behind) = rest.split_once(marker)?;
            behind.split([',', ')']).next()
        };
        if rest.starts_with(&format!("Sending PUBLISH to {client} (")) && rest.contains(", q2, ") {
            let identifier = identifier(", m").expect("it has one");
            let before = deliveries.insert(identifier, Delivery::Published);
            repeats += usize::from(before == Some(Delivery::Released));
        } else if rest.starts_with(&format!("Sending PUBREL to {client} (")) {
            deliveries.insert(identifier("(m").expect("it has one"), Delivery::Released);
        } else if rest.starts_with(&format!("Received PUBCOMP from {client} (")) {
            deliveries.remove(identifier("(Mid: ").expect("it has one"));
        }
    }
    repeats
}

#[test]
fn a_publish_after_its_pubrel_is_counted_and_one_with_a_used_identifier_is_not() {
    let publish = "1: Sending PUBLISH to s (d0, q2, r0, m7, 'faults/2', ... (24 bytes))";
    let (again, of_qos_1) = (publish.replace("d0", "d1"), publish.replace("q2", "q1"));
    let (pubrel, pubcomp) = ("1: Sending PUBREL to s (m7)", "1: Received PUBCOMP from s (Mid: 7, RC:0)");
    let count = |lines: &[&str]| published_after_release(&lines.join("\n"), "s");
    assert_eq!(count(&[publish, &again, pubrel, pubrel, pubcomp, publish]), 0);
    assert_eq!(count(&[publish, pubrel, &again, pubrel, &again, pubrel, pubcomp]), 2);
    assert_eq!(count(&[publish, pubrel, &of_qos_1, &again.replace("m7", "m8")]), 0);
    assert_eq!(count(&[publish, pubrel, &again.replace("to s", "to t")]), 0);
}
