//! Both engines against each other, over a link that splits, delays, stalls, ends and breaks.

use std::time::Duration;

use bowline_proto::{QoS, Timestamp, Version};
use bowline_testkit::link::{Shape, Split};
use bowline_testkit::pair::{CrashPoint, Direction, Scenario, Summary, Trouble, replay, run};

const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// How often messages arrived at broker and client.
fn arrivals(summary: &Summary) -> [u32; 2] {
    [summary.at_broker, summary.at_client]
}

// [MQTT-4.3.1-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-3.3.4-1 of 3.1.1]
#[test]
fn every_qos_runs_through_both_ways_however_the_bytes_are_split() {
    for version in Version::ALL {
        for split in [Split::Whole, Split::EveryByte, Split::Anywhere] {
            let mut scenario = Scenario::calm(version, &EVERY_QOS);
            scenario.shape.split = split;
            let summary = run(scenario);
            assert_eq!((arrivals(&summary), summary.connections), ([3, 3], 1), "{version} {split:?}");
        }
    }
}

/// Cuts the first connection at every byte of an exchange with one message each way, in either direction, and looks at
/// each run. The bytes after the exchange are not cut.
fn cut_everywhere(qos: QoS, look: impl Fn(&Summary)) {
    for version in Version::ALL {
        let calm = Scenario::calm(version, &[qos]);
        let bytes = run(calm.clone()).first_connection_bytes;
        for (direction, total) in Direction::BOTH.into_iter().zip(bytes) {
            for offset in 0..=total {
                for pause_max in [Duration::ZERO, Duration::from_millis(200)] {
                    let cut = Some((direction, offset));
                    let summary = run(Scenario { cut, pause_max, ..calm.clone() });
                    // A cut behind the last byte is not noticed before the run is over.
                    assert!(summary.connections == 2 || offset == total, "{direction:?} {offset}");
                    look(&summary);
                }
            }
        }
    }
}

// [MQTT-4.4.0-1] [MQTT-4.3.3-10] [MQTT-4.3.3-6] [MQTT-4.4.0-1 of 3.1.1] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_qos_2_message_arrives_exactly_once_wherever_the_connection_is_cut() {
    cut_everywhere(QoS::ExactlyOnce, |summary| assert_eq!(arrivals(summary), [1, 1]));
}

// [MQTT-4.4.0-1] [MQTT-4.3.2-3] [MQTT-4.4.0-1 of 3.1.1] [MQTT-4.3.2-1 of 3.1.1]
#[test]
fn a_qos_1_message_arrives_at_least_once_wherever_the_connection_is_cut() {
    cut_everywhere(QoS::AtLeastOnce, |summary| {
        let [at_broker, at_client] = arrivals(summary);
        assert!(at_broker >= 1 && at_client >= 1);
    });
}

// [MQTT-3.2.2-5] [MQTT-3.1.2-6] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn when_the_broker_loses_the_session_nothing_arrives_twice_and_the_client_says_what_it_cannot_know() {
    for version in [Version::V3_1_1, Version::V5] {
        for cut in 0..120 {
            let mut scenario = Scenario::calm(version, &[QoS::ExactlyOnce, QoS::AtLeastOnce]);
            scenario.cut = Some((Direction::ToServer, cut));
            scenario.troubles = vec![(Timestamp::ZERO, Trouble::LoseSession)];
            run(scenario.clone());
            scenario.cut = Some((Direction::ToClient, cut));
            run(scenario);
        }
    }
}

#[test]
fn a_durable_client_keeps_its_promises_if_it_crashes_at_any_batch() {
    for version in Version::ALL {
        for pause_max in [Duration::ZERO, Duration::from_millis(50)] {
            let mut calm = Scenario::calm(version, &EVERY_QOS);
            calm.is_durable = true;
            calm.pause_max = pause_max;
            let batches = run(calm.clone()).batches;
            assert!(batches > 5, "the session is stored");
            for batch in 1..=batches {
                for crash in [CrashPoint::Before(batch), CrashPoint::After(batch)] {
                    run(Scenario { crash: Some(crash), ..calm.clone() });
                }
            }
        }
    }
}

#[test]
fn a_durable_client_keeps_its_promises_if_it_crashes_at_any_time() {
    for version in Version::ALL {
        for millis in (0..3_000).step_by(50) {
            let mut scenario =
                Scenario::calm(version, &[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
            scenario.is_durable = true;
            scenario.pause_max = Duration::from_millis(300);
            let at = Timestamp::from_micros(millis * 1_000);
            scenario.troubles = vec![(at, Trouble::Crash)];
            run(scenario);
        }
    }
}

// [MQTT-3.3.4-7] [MQTT-3.3.4-9] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
#[test]
fn a_receive_maximum_that_was_lowered_meanwhile_is_kept_on_the_next_connection() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for cut in (0..2_000).step_by(25) {
            let mut scenario = Scenario::calm(Version::V5, &[qos; 20]);
            scenario.receive_maximums = vec![20, 1, 3];
            scenario.client_receive_maximum = 2;
            scenario.pause_max = Duration::from_millis(20);
            scenario.cut = Some((Direction::ToClient, cut));
            let summary = run(scenario);
            assert!(summary.at_broker >= 20);
        }
    }
}

#[test]
fn a_link_that_stalls_in_one_direction_is_given_up_and_nothing_is_lost() {
    for version in Version::ALL {
        for direction in Direction::BOTH {
            let mut scenario = Scenario::calm(version, &EVERY_QOS);
            let stall = Trouble::Stall(direction, Duration::from_secs(600));
            scenario.troubles = vec![(Timestamp::from_secs(1), stall)];
            let summary = run(scenario);
            assert!(summary.connections >= 2, "the client does not wait ten minutes");
            assert!(summary.ended_at < Timestamp::from_secs(600));
        }
    }
}

#[test]
fn a_half_closed_link_is_replaced() {
    for version in Version::ALL {
        for direction in Direction::BOTH {
            let mut scenario = Scenario::calm(version, &[QoS::ExactlyOnce; 5]);
            scenario.shape = Shape { split: Split::Anywhere, delay_max: Duration::from_millis(100) };
            let at = Timestamp::from_micros(1_050_000);
            scenario.troubles = vec![(at, Trouble::HalfClose(direction))];
            let summary = run(scenario);
            assert_eq!((arrivals(&summary), summary.connections), ([5, 5], 2));
        }
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    for seed in 0..5 {
        assert_eq!(replay(seed), replay(seed));
    }
}

#[test]
fn whatever_a_seed_brings_no_invariant_is_broken() {
    for seed in 0..400 {
        replay(seed);
    }
}
