//! Acknowledgements.

use bowline_proto::codec::DecodeErrorKind as Kind;
use bowline_proto::{ReasonCode, Role, Version};

use super::{client_5, older, server_5};
use crate::codec::{decoded, hex};

const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
#[test]
fn puback_and_pubrec_take_only_their_codes() {
    let listed = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    only_listed(&["40", "50"], &listed);
}

// [MQTT-3.6.2-1] [MQTT-3.7.2-1]
#[test]
fn pubrel_and_pubcomp_take_only_their_codes() {
    only_listed(&["62", "70"], &[0x00, 0x92]);
}

fn only_listed(first_bytes: &[&str], listed: &[u8]) {
    for first in first_bytes {
        for code in 0..=0xFF {
            let text = format!("{first} 03 0001 {code:02X}");
            if listed.contains(&code) {
                decoded(Version::V5, Role::Server, &hex(&text)).expect("a listed code");
                decoded(Version::V5, Role::Client, &hex(&text)).expect("a listed code");
            } else {
                server_5(&text, Kind::ReasonNotAllowed { code }, PROTOCOL);
                client_5(&text, Kind::ReasonNotAllowed { code }, PROTOCOL);
            }
        }
    }
}

// [MQTT-3.9.3-2] [MQTT-3.9.3-2 of 3.1.1]
#[test]
fn suback_takes_only_its_codes() {
    for code in [0x03, 0x11, 0x81, 0x92, 0xFF] {
        server_5(&format!("90 04 0001 00 {code:02X}"), Kind::ReasonNotAllowed { code }, PROTOCOL);
    }
    for code in [0x03, 0x7F, 0x81, 0x87] {
        older(Role::Server, &format!("90 03 0001 {code:02X}"), Kind::ReasonNotAllowed { code }, PROTOCOL);
    }
}

// [MQTT-3.11.3-2]
#[test]
fn unsuback_takes_only_its_codes() {
    for code in [0x01, 0x02, 0x92, 0x97] {
        server_5(&format!("B0 04 0001 00 {code:02X}"), Kind::ReasonNotAllowed { code }, PROTOCOL);
    }
}

// [MQTT-3.8.4-6] [MQTT-3.8.4-5 of 3.1.1]
#[test]
fn suback_and_unsuback_answer_at_least_one_filter() {
    server_5("90 03 0001 00", Kind::EmptyList { field: "reason codes" }, PROTOCOL);
    server_5("B0 03 0001 00", Kind::EmptyList { field: "reason codes" }, PROTOCOL);
    older(Role::Server, "90 02 0001", Kind::EmptyList { field: "return codes" }, PROTOCOL);
}
