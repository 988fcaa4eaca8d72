//! What happens in a run: chosen by hand, or all of it from one seed.

use std::time::Duration;

use bowline_proto::{QoS, Timestamp, Version};

use crate::link::{Shape, Split};
use crate::random::Random;

/// Everything that a run depends on. Two runs of equal scenarios are equal.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by tests")]
pub struct Scenario {
    /// Decides everything that is not decided below.
    pub seed: u64,
    /// The version that is spoken.
    pub version: Version,
    /// Whether the client has a store.
    pub is_durable: bool,
    /// What both directions do to bytes.
    pub shape: Shape,
    /// The longest that anything else takes: writing, storing, taking, deciding.
    pub pause_max: Duration,
    /// The longest payload.
    pub payload_bytes_max: u64,
    /// When the client publishes, and how.
    pub publications: Vec<(Timestamp, QoS)>,
    /// What goes wrong.
    pub troubles: Vec<(Timestamp, Trouble)>,
    /// The broker's Receive Maximum on the first connection, the second and so on; the last one stays.
    pub receive_maximums: Vec<u16>,
    /// The client's Receive Maximum.
    pub client_receive_maximum: u16,
    /// Cuts the first connection right before a byte of one direction.
    pub cut: Option<(Direction, u64)>,
    /// Crashes the client at a batch for its store.
    pub crash: Option<CrashPoint>,
}

/// Something that goes wrong at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "built by tests")]
pub enum Trouble {
    /// The connection is cut after so many more bytes of one direction.
    Cut(Direction, u64),
    /// One direction stands still for so long.
    Stall(Direction, Duration),
    /// The reader of one direction sees its end; the other direction goes on for a while.
    HalfClose(Direction),
    /// The client crashes and starts again; one without a store is only cut off.
    Crash,
    /// The broker loses its session before the next CONNECT. Without effect in a version that could not tell.
    LoseSession,
    /// The next attempt to dial fails.
    DialFails,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a link has two")]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

/// A moment of a store's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "built by tests")]
pub enum CrashPoint {
    /// When it is given this batch, from 1, which is lost.
    Before(usize),
    /// When it has committed this batch, from 1, and has not said so.
    After(usize),
}

impl Scenario {
    /// Nothing goes wrong, everything is immediate; the client publishes one message of each of these QoS.
    pub fn calm(version: Version, publications: &[QoS]) -> Self {
        let at = Timestamp::from_secs(1);
        Self {
            seed: 1,
            version,
            is_durable: false,
            shape: Shape { split: Split::Whole, delay_max: Duration::ZERO },
            pause_max: Duration::ZERO,
            payload_bytes_max: 10,
            publications: publications.iter().map(|&qos| (at, qos)).collect(),
            troubles: Vec::new(),
            receive_maximums: vec![100],
            client_receive_maximum: 100,
            cut: None,
            crash: None,
        }
    }

    /// Everything from one seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = random.pick(&Version::ALL);
        let is_durable = random.once_in(2);
        let split = random.pick(&[Split::Whole, Split::EveryByte, Split::Anywhere]);
        let delay_max = Duration::from_millis(random.pick(&[0, 1, 50, 2_000]));
        let pause_max = Duration::from_millis(random.pick(&[0, 1, 100, 3_000]));
        let span = Duration::from_secs(random.pick(&[1, 60, 600]));
        let at = |random: &mut Random| Timestamp::ZERO + random.up_to(span);
        let every_qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let mut publications: Vec<(Timestamp, QoS)> =
            (0..random.below(40)).map(|_| (at(&mut random), random.pick(&every_qos))).collect();
        publications.sort_by_key(|(at, _)| *at);
        let troubles = (0..random.below(12)).map(|_| (at(&mut random), trouble(&mut random))).collect();
        let maximums = [1, 2, 3, 10, 100, u16::MAX];
        Self {
            seed,
            version,
            is_durable,
            shape: Shape { split, delay_max },
            pause_max,
            payload_bytes_max: random.pick(&[0, 20, 10_000]),
            publications,
            troubles,
            receive_maximums: (0..4).map(|_| random.pick(&maximums)).collect(),
            client_receive_maximum: random.pick(&maximums),
            cut: None,
            crash: None,
        }
    }
}

fn trouble(random: &mut Random) -> Trouble {
    let direction = random.pick(&Direction::BOTH);
    match random.below(10) {
        0..=3 => Trouble::Cut(direction, random.below(60)),
        4 => Trouble::Stall(direction, random.up_to(Duration::from_secs(120))),
        5 => Trouble::HalfClose(direction),
        6 | 7 => Trouble::Crash,
        8 => Trouble::LoseSession,
        _ => Trouble::DialFails,
    }
}
