//! Behaviour of the server engine, and what its tests share.

mod connecting;
mod ending;
mod limits;
mod publishing;
mod receiving;
mod requesting;
mod resuming;

use bowline_proto::ReasonCode;
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{Disconnect, Packet};
use bowline_proto::server::EndCause;
use bowline_testkit::ServerRig;

/// What a server says when it closes for this reason.
fn goodbye(reason: ReasonCode) -> Packet {
    Packet::Disconnect(Box::new(Disconnect::new(reason)))
}

/// The client broke the protocol: a 5.0 client is told this reason and nothing else, an older one nothing; then the
/// transport is closed.
#[track_caller]
fn assert_closed_with(rig: &mut ServerRig, reason: ReasonCode) -> ProtocolError {
    let sent = rig.sent();
    let EndCause::Protocol(error) = rig.ended().cause else { panic!("a protocol error") };
    assert_eq!(error.reason(), reason);
    let tells = rig.version().rules().has_disconnect_reason;
    assert_eq!(sent, if tells { vec![goodbye(reason)] } else { vec![] });
    assert_eq!((rig.closes(), rig.engine.state_name()), (1, "Ended"));
    error
}
