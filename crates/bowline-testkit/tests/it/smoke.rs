//! The shortest way through the client engine, in every version.

use bowline_proto::client::{ClientConfig, Outcome};
use bowline_proto::packet::{Ack, Packet};
use bowline_proto::types::{Message, QoS, Text, TopicName};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;

#[test]
fn a_qos_2_publication_runs_through_in_every_version() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(ClientConfig::new(version, Text::from_static("c").unwrap()));
        let message = Message::new(TopicName::from_static("a/b").unwrap(), "21").with_qos(QoS::ExactlyOnce);
        let publication = rig.engine.publish(message, rig.now).unwrap();
        rig.settle();
        let [Packet::Publish(publish)] = &rig.sent()[..] else { panic!("one PUBLISH") };
        assert!(!publish.dup);
        let id = publish.packet_id.unwrap();
        rig.broker(Packet::PubRec(Ack::success(id)));
        assert_eq!(rig.sent(), [Packet::PubRel(Ack::success(id))]);
        rig.broker(Packet::PubComp(Ack::success(id)));
        let ended = rig.outcomes();
        let acknowledged =
            Outcome::Acknowledged { reason: ReasonCode::Success, properties: None, downgraded: false };
        assert_eq!(ended, [(publication, acknowledged)]);
        assert_eq!(rig.engine.in_flight(), 0);
    }
}
