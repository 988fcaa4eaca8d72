//! The history of a run: printed while it happens, or not even made. Decides nothing.

use bowline_proto::Timestamp;
use bowline_proto::client::Event;
use bowline_proto::packet::Packet;

/// Where the history goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) is_printed: bool,
}

impl Log {
    /// Something happened.
    pub(super) fn note(self, now: Timestamp, line: impl FnOnce() -> String) {
        if self.is_printed {
            println!("{now} {}", line());
        }
    }
}

/// A packet in few words.
pub(super) fn packet(packet: &Packet) -> String {
    match packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id.map_or(0, |id| id.as_u16());
            let dup = if publish.dup { " again" } else { "" };
            let number = crate::sim::wire::number_of(&publish.payload);
            format!("PUBLISH {id} of QoS {}{dup}, message {number}", publish.qos)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{} {} {}", packet.packet_type(), ack.packet_id, ack.reason)
        }
        Packet::Connect(connect) => format!("CONNECT, clean start {}", connect.clean_start),
        Packet::ConnAck(connack) => {
            format!("CONNACK {}, session present {:?}", connack.reason, connack.session_present)
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<&str> = subscribe.subscriptions.iter().map(|one| one.filter.as_str()).collect();
            format!("SUBSCRIBE {} {filters:?}", subscribe.packet_id)
        }
        other => other.packet_type().to_string(),
    }
}

/// An event in few words.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Message(delivery) => {
            let number = crate::sim::wire::number_of(&delivery.message.payload);
            let streams: Vec<_> = delivery.streams.iter().collect();
            format!("gets message {number} as {:?} for {streams:?}", delivery.delivery)
        }
        Event::Connected(connected) => format!("connected, session present {:?}", connected.session_present),
        Event::Disconnected(cause) => format!("disconnected, {cause}"),
        other => {
            let text = format!("{other:?}");
            text.chars().take(200).collect()
        }
    }
}
