//! What a client does with a broker, whoever wrote it: every test runs against ours and against a real Mosquitto, in every
//! version. Knows no packet.

#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod connecting;
mod publishing;
mod sessions;
mod subscribing;

use bowline::Version;

use crate::counterpart::{Counterpart, Kind};

/// Runs a behaviour in every version at the same time, each with a broker, a runtime and a thread of its own.
fn in_every_version(kind: Kind, behaviour: impl AsyncFn(&mut Counterpart, Version) + Sync) {
    let alone = &|version| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut counterpart = Counterpart::start(kind).await;
            behaviour(&mut counterpart, version).await;
            counterpart.finish().await;
        });
    };
    std::thread::scope(|scope| {
        for version in Version::ALL {
            // A panic names its thread.
            let name = format!("{kind:?}, MQTT {version}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, move || alone(version)).unwrap();
        }
    });
}

/// Makes two tests of each behaviour. A macro, because only it can name them.
macro_rules! behaviours {
    ($($part:ident::$name:ident),* $(,)?) => {
        mod embedded {
            $(#[test]
            fn $name() {
                super::in_every_version(super::Kind::Embedded, super::$part::$name);
            })*
        }

        mod mosquitto {
            $(#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
            #[test]
            fn $name() {
                super::in_every_version(super::Kind::Mosquitto, super::$part::$name);
            })*
        }
    };
}

behaviours! {
    connecting::a_connection_is_made_and_ended_without_a_complaint,
    connecting::a_login_is_refused_with_the_brokers_reason_or_accepted,
    connecting::an_idle_connection_is_kept_alive_with_pings,
    connecting::a_will_is_published_when_the_connection_is_lost_and_not_when_it_is_ended,
    publishing::messages_of_every_qos_come_back_as_they_were_sent,
    publishing::qos2_round_trip_is_exactly_once,
    publishing::a_retained_message_is_there_for_later_subscribers_until_it_is_cleared,
    publishing::a_payload_of_a_megabyte_goes_there_and_back,
    publishing::five_thousand_pipelined_messages_of_qos_2_keep_their_order_both_ways,
    publishing::flush_and_drain_wait_for_every_acknowledgement,
    subscribing::many_filters_are_granted_one_by_one_and_end_in_one_stream,
    subscribing::wildcards_match_what_they_should,
    subscribing::nothing_comes_after_unsubscribing,
    subscribing::acknowledgements_by_hand_may_be_given_in_any_order,
    subscribing::a_handler_gets_every_message_and_may_publish,
    sessions::a_resumed_session_loses_and_doubles_nothing_however_often_it_is_cut,
    sessions::what_came_while_the_client_was_away_is_delivered,
    sessions::a_new_program_adopts_the_session_and_the_unrouted_stream_gets_its_messages,
    sessions::messages_that_were_not_acknowledged_are_delivered_to_the_next_program,
    sessions::a_fresh_session_gets_nothing_of_the_old_one,
    sessions::everything_is_made_anew_at_a_restarted_broker,
}
