//! The rules for what arrives (docs/inbound.md), as an application and its broker see them. Knows no reason why.

mod abandoning;
mod bounds;
mod ending;
mod handlers;
mod roles;
mod sharing;
mod stalling;
mod unrouted;
mod unsubscribing;

use std::time::Duration;

use bowline::proto::packet::Packet;
use bowline::{Backoff, Builder, Client, Event, Events, ReasonCode, Session, Version};

use crate::peer::{Harbour, Peer, within};

pub(crate) const KIB_64: usize = 64 * 1024;

/// The versions in which a broker can say that it has kept a session.
const KEEPING: [Version; 2] = [Version::V3_1_1, Version::V5];

/// A client whose session the broker keeps, and that is back at once when its connection is lost.
pub(crate) fn kept(harbour: &Harbour, version: Version) -> Builder<Client> {
    quick(harbour, version).client_id("meter").session(Session::in_memory())
}

/// A client that is back at once when its connection is lost.
fn quick(harbour: &Harbour, version: Version) -> Builder<Client> {
    let soon = Duration::from_millis(10);
    harbour.builder(version).reconnect(Backoff::full_jitter(soon, soon).expect("a legal delay"))
}

/// The client's next connection, on which the broker still has the session, or not.
async fn comes_back(harbour: &Harbour, version: Version, session_present: bool) -> Peer {
    let mut peer = harbour.accept(version).await;
    peer.connect().await;
    peer.connack(session_present).await;
    peer
}

/// The identifier and the reason of the next packet, which is PUBACK or PUBREC.
async fn acknowledged(peer: &mut Peer) -> (u16, ReasonCode) {
    match peer.packet().await {
        Packet::PubAck(ack) | Packet::PubRec(ack) => (ack.packet_id.as_u16(), ack.reason),
        other => panic!("an acknowledgement was expected: {other:?}"),
    }
}

/// The next event that is of interest.
async fn told<T>(events: &mut Events, mut which: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = within(events.next()).await.expect("the client goes on");
        if let Some(found) = which(event) {
            return found;
        }
    }
}
