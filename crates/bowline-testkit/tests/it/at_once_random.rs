//! The short ways of the engine against the long ones, in random orders: what is sent, told and counted must be the same.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, Input, OnFull, Qos0Full, Qos0Limits, SessionPolicy};
use bowline_proto::packet::{ConnAckProperties, Packet};
use bowline_proto::retry::Retry;
use bowline_proto::types::{Message, QoS};
use bowline_proto::{ReasonCode, Timestamp, Version};
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{again, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2, topic};
use bowline_testkit::random::Random;
use bowline_testkit::{ClientRig, Commit, TestStore};

use crate::script::{clean, connect_durably, durable, expiring, kept};

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Two clients with one history: one is driven by the long ways, the other by the short ones.
struct Twins {
    long: ClientRig,
    short: ClientRig,
    limits: ConnAckProperties,
    random: Random,
    log: Vec<String>,
    published_at_once: usize,
    published_without_time: usize,
    /// The last command was given and the engine has not been asked what to do.
    has_turn_to_come: bool,
}

impl Twins {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = random.pick(&Version::ALL);
        let (config, limits) = (config(version, &mut random), limits(version, &mut random));
        let rig = || {
            let mut rig = ClientRig::resume(config.clone(), TestStore::new(Commit::AtOnce), Timestamp::ZERO);
            match config.session {
                SessionPolicy::Durable { .. } => connect_durably(&mut rig),
                _ => rig.connect_with(false, limits.clone()),
            }
            rig.subscribed_with("in", QoS::ExactlyOnce, Qos0Limits::new(2, Qos0Full::Pause));
            rig
        };
        let log = vec![format!("{seed}: {config:?} {limits:?}")];
        let (long, short) = (rig(), rig());
        let (published_at_once, published_without_time, has_turn_to_come) = (0, 0, false);
        Self { long, short, limits, random, log, published_at_once, published_without_time, has_turn_to_come }
    }

    fn both(&mut self, what: &str, act: impl Fn(&mut ClientRig)) {
        self.log.push(what.to_owned());
        act(&mut self.long);
        act(&mut self.short);
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0..=6 => self.publish(),
            7..=10 => self.receive(),
            11 => {
                let time = self.random.up_to(Duration::from_secs(6));
                self.both(&format!("{time:?} pass"), |rig| rig.advance(time));
            }
            12 => self.both("writing stalls", |rig| {
                rig.writes = false;
                rig.settle();
            }),
            13 => self.both("all is written", ClientRig::write_out),
            14 => self.both("one is written", |rig| {
                rig.write_one();
                rig.settle();
            }),
            _ => {
                let (is_present, limits) = (self.random.once_in(2), self.limits.clone());
                match self.long.engine.state_name() {
                    "Active" if self.random.once_in(3) => self.both("lost", ClientRig::lose),
                    "Backoff" => self.both("connected again", |rig| connect_again(rig, is_present, &limits)),
                    _ => self.both("turn", ClientRig::settle),
                }
            }
        }
    }

    fn publish(&mut self) {
        let (random, log) = (&mut self.random, &mut self.log);
        let (name, qos) = (random.pick(&["a", "b"]), random.pick(&ALL_QOS));
        let bytes = random.pick(&[1, 30, 70 * 1024, 200 * 1024]);
        let plain = Message::new(topic(name), vec![b'x'; bytes]).with_qos(qos);
        let message = if random.once_in(8) { expiring(plain, 1 + random.below(4) as u32) } else { plain };
        log.push(format!("publish {bytes} to {name} at {qos:?}, expiry {:?}", message.expiry_secs()));
        let long = self.long.engine.publish(message.clone(), self.long.now);
        let engine = &mut self.short.engine;
        let short = if let Some(publication) = engine.publish_at_once(&message) {
            self.published_at_once += 1;
            Ok(publication)
        } else if engine.is_timed(&message) {
            engine.publish(message, self.short.now)
        } else {
            self.published_without_time += 1;
            engine.publish(message, Timestamp::ZERO)
        };
        assert_eq!(long, short, "{:#?}", self.log);
        // Sometimes several commands are given before the driver has its turn.
        self.has_turn_to_come = self.random.once_in(3);
        if !self.has_turn_to_come {
            self.both("turn", ClientRig::settle);
        }
    }

    /// A batch that was read at once, some of it illegal.
    fn receive(&mut self) {
        let batch: Vec<Packet> = (0..=self.random.below(6)).map(|_| packet(&mut self.random)).collect();
        self.log.push(format!("receive {batch:?}"));
        let (long, now) = (&mut self.long.engine, self.long.now);
        let mut left = batch.clone().into_iter();
        while !long.is_reading_paused()
            && let Some(packet) = left.next()
        {
            long.handle_input(Input::Packet(packet), now);
        }
        let mut left_of_short = batch.into_iter();
        self.short.engine.handle_packets(&mut left_of_short, self.short.now);
        assert_eq!(left.len(), left_of_short.len(), "{:#?}", self.log);
        self.both("turn", ClientRig::settle);
    }

    fn compare(&mut self) {
        if core::mem::take(&mut self.has_turn_to_come) {
            return;
        }
        let Self { long, short, log, .. } = self;
        assert_eq!(long.sent(), short.sent(), "{log:#?}");
        assert_eq!(format!("{:?}", long.events()), format!("{:?}", short.events()), "{log:#?}");
        assert_eq!(long.stats(), short.stats(), "{log:#?}");
        let state = |rig: &ClientRig| {
            (rig.engine.state_name(), rig.engine.queued(), rig.engine.in_flight(), rig.until())
        };
        assert_eq!(state(long), state(short), "{log:#?}");
    }
}

fn config(version: Version, random: &mut Random) -> ClientConfig {
    let mut config = match random.below(3) {
        0 => clean(version),
        1 => kept(version),
        _ => durable(version),
    };
    config.queue.messages_max = 1 + random.below(6) as usize;
    config.queue.bytes_max = random.pick(&[64, 300 * 1024, 1 << 24]);
    let choices = [OnFull::Refuse, OnFull::DropNewest, OnFull::DropOldest, OnFull::KeepLastPerTopic];
    // A durable session drops nothing that it has accepted.
    let is_durable = matches!(config.session, SessionPolicy::Durable { .. });
    config.on_full = random.pick(if is_durable { &choices[..2] } else { &choices });
    config.queue_age_max = (!is_durable && random.once_in(4)).then(|| Duration::from_secs(2));
    let may_retry = version.rules().may_retry_on_timer && random.once_in(3);
    config.retry = may_retry.then(|| Retry::after(Duration::from_secs(5)));
    config.keep_alive_secs = random.pick(&[0, 5]);
    config
}

fn limits(version: Version, random: &mut Random) -> ConnAckProperties {
    let mut limits = ConnAckProperties::default();
    if version.rules().has_properties {
        limits.receive_maximum = core::num::NonZero::new(random.pick(&[1, 3, 100]));
        limits.maximum_packet_size = core::num::NonZero::new(random.pick(&[40, 100_000, 1 << 24]));
    }
    limits
}

fn packet(random: &mut Random) -> Packet {
    let id = 1 + random.below(4) as u16;
    match random.below(24) {
        0..=6 => puback(id, ReasonCode::Success),
        7..=9 => pubrec(id, ReasonCode::Success),
        10..=12 => pubcomp(id, ReasonCode::Success),
        13 | 14 => qos0("in", "0"),
        15 | 16 => qos1("in", "1", id),
        17 => again(qos2("in", "2", id)),
        18 => qos2("in", "2", id),
        19 | 20 => pubrel(id, ReasonCode::Success),
        21 | 22 => Packet::PingResp,
        _ if random.once_in(4) => Packet::PingReq,
        _ => Packet::PingResp,
    }
}

fn connect_again(rig: &mut ClientRig, is_present: bool, limits: &ConnAckProperties) {
    rig.writes = true;
    rig.wait_for_dial();
    rig.broker(connack(rig.version(), is_present, ReasonCode::Success, limits.clone()));
}

#[test]
fn the_short_ways_do_what_the_long_ones_do_in_any_order() {
    let (mut at_once, mut without_time) = (0, 0);
    for seed in 0..300 {
        let mut twins = Twins::new(seed);
        for _ in 0..60 {
            twins.step();
            twins.compare();
        }
        at_once += twins.published_at_once;
        without_time += twins.published_without_time;
    }
    assert!(at_once > 500 && without_time > 500, "{at_once} and {without_time}");
}
