//! Commands that come while a connection is being closed or was never made.

use bowline_proto::client::{ClientConfig, Qos0Limits, SessionPolicy};
use bowline_proto::packet::{Disconnect, Packet, Subscription};
use bowline_proto::types::{QoS, SubscriptionOptions, Text, TopicFilter};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;

fn config(version: Version) -> ClientConfig {
    ClientConfig::new(version, Text::from_static("c").expect("a legal client identifier"))
}

#[test]
fn connect_while_a_connection_is_being_closed_dials_once_it_is_closed() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(config(version));
        rig.writes = false;
        rig.engine.disconnect(Disconnect::new(ReasonCode::Success), rig.now).unwrap();
        rig.settle();
        assert_eq!(rig.engine.state_name(), "Closing");
        rig.engine.connect(rig.now);
        rig.settle();
        assert_eq!(rig.dials(), 1);
        rig.write_out();
        assert_eq!((rig.dials(), rig.engine.state_name()), (2, "AwaitConnack"));
    }
}

#[test]
fn disconnect_while_the_old_session_is_being_discarded_stops() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut config = config(version);
        config.session = SessionPolicy::InMemory { expiry_secs: u32::MAX, adopt: false };
        let mut rig = ClientRig::new(config);
        rig.dial();
        rig.writes = false;
        rig.broker(bowline_testkit::client_rig::connack(
            version,
            false,
            ReasonCode::Success,
            bowline_proto::packet::ConnAckProperties::default(),
        ));
        assert_eq!(rig.engine.state_name(), "Closing");
        rig.engine.disconnect(Disconnect::new(ReasonCode::Success), rig.now).unwrap();
        rig.write_out();
        assert_eq!((rig.dials(), rig.engine.state_name()), (1, "Stopped"));
    }
}

#[test]
fn a_filter_asked_for_before_the_connection_is_subscribed_once() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(config(version));
        let filter = TopicFilter::from_static("a/+").unwrap();
        let subscription = Subscription { filter, options: SubscriptionOptions::new(QoS::AtLeastOnce) };
        rig.engine.subscribe(vec![subscription], Qos0Limits::default(), Vec::new()).unwrap();
        rig.connect(false);
        let subscribes = rig.sent().into_iter().filter(|packet| matches!(packet, Packet::Subscribe(_)));
        assert_eq!(subscribes.count(), 1, "{version}");
    }
}
