//! A broker for one client: acknowledges, and sends back what matches the client's own subscriptions. Just enough of one.

use std::collections::VecDeque;

use bowline::proto::packet::{Ack, AckProperties, Packet, Publish, SubAck, UnsubAck};
use bowline::{PacketId, QoS, ReasonCode, TopicFilter};

use crate::peer::Peer;

/// Most QoS 1 and 2 messages that it sends without an acknowledgement.
const WINDOW: usize = 20;

/// Serves the client until it is gone.
pub(crate) async fn serve(mut peer: Peer) {
    let mut broker = Echo::default();
    while let Some(packet) = peer.next().await {
        if matches!(packet, Packet::Disconnect(_)) {
            return;
        }
        let answers = broker.answer(packet);
        if peer.send_all(&answers).await.is_err() {
            return;
        }
    }
}

#[derive(Default)]
struct Echo {
    subscriptions: Vec<(TopicFilter, QoS)>,
    next_id: u16,
    in_flight: usize,
    waiting: VecDeque<Publish>,
}

impl Echo {
    fn answer(&mut self, packet: Packet) -> Vec<Packet> {
        let mut answers = Vec::new();
        match packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.packet_id {
                    answers.push(match publish.qos {
                        QoS::ExactlyOnce => Packet::PubRec(Ack::success(id)),
                        _ => Packet::PubAck(Ack::success(id)),
                    });
                }
                self.echo(&publish);
            }
            Packet::PubRel(ack) => answers.push(Packet::PubComp(Ack::success(ack.packet_id))),
            Packet::PubRec(ack) => answers.push(Packet::PubRel(Ack::success(ack.packet_id))),
            Packet::PubAck(_) | Packet::PubComp(_) => self.in_flight -= 1,
            Packet::Subscribe(subscribe) => {
                let mut reasons = Vec::new();
                for asked in subscribe.subscriptions {
                    let granted = match asked.options.qos {
                        QoS::AtMostOnce => ReasonCode::Success,
                        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
                        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
                    };
                    reasons.push(granted);
                    self.subscriptions.push((asked.filter, asked.options.qos));
                }
                let properties = AckProperties::default();
                let suback = SubAck { packet_id: subscribe.packet_id, reasons, properties };
                answers.push(Packet::SubAck(Box::new(suback)));
            }
            Packet::Unsubscribe(unsubscribe) => {
                let reasons = vec![ReasonCode::Success; unsubscribe.filters.len()];
                self.subscriptions.retain(|(filter, _)| !unsubscribe.filters.contains(filter));
                let properties = AckProperties::default();
                let unsuback = UnsubAck { packet_id: unsubscribe.packet_id, reasons, properties };
                answers.push(Packet::UnsubAck(Box::new(unsuback)));
            }
            Packet::PingReq => answers.push(Packet::PingResp),
            other => panic!("the client sent {other:?}"),
        }
        self.send_waiting(&mut answers);
        answers
    }

    /// One copy, with the highest QoS of the subscriptions that match.
    fn echo(&mut self, publish: &Publish) {
        let topic = publish.topic.as_ref().expect("the client sends no aliases");
        let granted =
            self.subscriptions.iter().filter(|(filter, _)| filter.matches(topic)).map(|(_, qos)| *qos);
        if let Some(granted) = granted.max() {
            let qos = granted.min(publish.qos);
            let copy = Publish { dup: false, qos, packet_id: None, ..publish.clone() };
            self.waiting.push_back(copy);
        }
    }

    fn send_waiting(&mut self, answers: &mut Vec<Packet>) {
        while let Some(next) = self.waiting.front_mut() {
            if next.qos != QoS::AtMostOnce {
                if self.in_flight == WINDOW {
                    return;
                }
                self.in_flight += 1;
                self.next_id = self.next_id % u16::MAX + 1;
                next.packet_id = PacketId::new(self.next_id);
            }
            answers.extend(self.waiting.pop_front().map(Packet::Publish));
        }
    }
}
