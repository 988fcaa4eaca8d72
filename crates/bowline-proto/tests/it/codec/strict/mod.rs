//! What the decoder refuses, one rule per test, with the reason code that the connection is closed with.

mod connect;
mod exchange;
mod framing;
mod properties;
mod publish;
mod subscribe;

use bowline_proto::codec::{DecodeErrorKind, Decoder};
use bowline_proto::{ReasonCode, Role, Version};

use crate::codec::{NO_LIMIT, drain, hex, refused};

/// Bytes that a server sends on 5.0 are refused in this way.
fn server_5(text: &str, kind: DecodeErrorKind, reason: ReasonCode) {
    assert_eq!(refused(Version::V5, Role::Server, text), (kind, reason), "{text}");
}

/// Bytes that a client sends on 5.0, after CONNECT, are refused in this way.
fn client_5(text: &str, kind: DecodeErrorKind, reason: ReasonCode) {
    assert_eq!(refused(Version::V5, Role::Client, text), (kind, reason), "{text}");
}

/// Bytes that either side sends are refused in this way by 3.1 and 3.1.1.
fn older(sender: Role, text: &str, kind: DecodeErrorKind, reason: ReasonCode) {
    for version in [Version::V3_1, Version::V3_1_1] {
        assert_eq!(refused(version, sender, text), (kind, reason), "{version}: {text}");
    }
}

/// The first bytes of a client are refused in this way.
fn first(text: &str, kind: DecodeErrorKind, reason: ReasonCode) {
    let mut decoder = Decoder::for_server(NO_LIMIT);
    decoder.feed(&hex(text));
    let error = drain(&mut decoder).expect_err("not a legal packet");
    assert_eq!((*error.kind(), error.reason()), (kind, reason), "{text}");
}
