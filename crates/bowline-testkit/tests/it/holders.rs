//! Which of several independent brokers has a durable session: the store remembers it.

use bowline_proto::Version;
use bowline_proto::client::{Address, AddressSessions, ClientConfig, SessionPolicy};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_testkit::ClientRig;

use crate::script::{accepted, connect_sent, durable, text};

fn named(version: Version, names: &[&'static str]) -> ClientConfig {
    let mut config = durable(version);
    config.addresses.count = u16::try_from(names.len()).expect("a few names");
    config.addresses.sessions = AddressSessions::Independent;
    config.address_names = names.iter().map(|name| text(name)).collect();
    config
}

/// A client whose session is at "b", the second of two; killed.
fn killed_with_session_at_b() -> ClientRig {
    let mut rig = ClientRig::new(named(Version::V5, &["a", "b"]));
    rig.dial();
    rig.close();
    rig.broker(accepted(Version::V5, false));
    assert_eq!((rig.engine.state_name(), rig.engine.address()), ("Active", Address::Listed(1)));
    let identity = rig.store.recover(0).identity.expect("the session is established");
    assert_eq!(identity.holder, Some(text("b")));
    rig
}

/// The same client, started again with these addresses: where it goes first, and whether it says Clean Start there.
fn started_again(names: &[&'static str]) -> (Address, bool) {
    let killed = killed_with_session_at_b();
    let mut rig = ClientRig::resume(named(Version::V5, names), killed.store.after_crash(), killed.now);
    rig.dial();
    (rig.engine.address(), connect_sent(&mut rig).clean_start)
}

#[test]
fn after_a_restart_the_session_is_resumed_at_the_address_that_has_it_wherever_it_is_in_the_list() {
    assert_eq!(started_again(&["a", "b"]), (Address::Listed(1), false));
    assert_eq!(started_again(&["b", "a"]), (Address::Listed(0), false));
}

#[test]
fn after_a_restart_an_address_that_does_not_have_the_session_gets_a_clean_start() {
    assert_eq!(started_again(&["a", "c"]), (Address::Listed(0), true));
}

#[test]
fn on_its_way_back_to_an_earlier_address_a_restarted_client_starts_anew_there() {
    let killed = killed_with_session_at_b();
    let before = killed.store.recover(0).generation;
    let config = named(Version::V5, &["a", "b"]);
    let mut rig = ClientRig::resume(config, killed.store.after_crash(), killed.now);
    rig.dial();
    rig.close();
    rig.sent();
    assert_eq!(rig.engine.address(), Address::Listed(0));
    rig.broker(accepted(Version::V5, false));
    let holder = rig.store.recover(0).identity.and_then(|identity| identity.holder);
    assert_eq!(holder, Some(text("a")));
    assert!(rig.store.recover(0).generation > before, "the session at b counts as lost");
}

#[test]
fn addresses_of_one_cluster_have_no_holder() {
    let mut config = named(Version::V5, &["a", "b"]);
    config.addresses.sessions = AddressSessions::Shared;
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.broker(accepted(Version::V5, false));
    assert_eq!(rig.store.recover(0).identity.map(|identity| identity.holder), Some(None));
}

/// Found by the simulator: a message whose acknowledgement was stored was handed out again.
#[test]
fn a_session_that_was_given_up_for_another_address_is_not_taken_over_afterwards() {
    for version in Version::ALL {
        let mut config = named(version, &["a", "b"]);
        config.session = SessionPolicy::Durable { expiry_secs: EXPIRY_NEVER, adopt: true };
        let mut rig = ClientRig::new(config);
        rig.dial();
        assert!(!connect_sent(&mut rig).clean_start, "what the broker holds is taken over");
        rig.broker(accepted(version, true));
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.close();
        assert_eq!(rig.engine.address(), Address::Listed(1));
        assert!(connect_sent(&mut rig).clean_start, "what was known of the session at a is given up");
        rig.close();
        rig.wait_for_dial();
        assert_eq!(rig.engine.address(), Address::Listed(0));
        assert!(
            connect_sent(&mut rig).clean_start,
            "{version:?}: the identifiers of that session are forgotten"
        );
    }
}
