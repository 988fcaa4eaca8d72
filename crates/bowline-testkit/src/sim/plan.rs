//! What a run is made of: clients, sessions, traffic, faults and when they stop, all from one seed. Knows no engine.

use std::time::Duration;

use bowline_proto::client::{AddressOrder, OnFull, Qos0Full, Unmatched};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::{QoS, TopicFilter, Version};

use crate::link::{Shape, Split};
use crate::random::Random;
use crate::sim::manners::{Manners, Numbering};

/// Everything that is decided before a run begins. Equal plans run equally.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) clients: Vec<ClientPlan>,
    /// How long there are publications and faults; then everything works.
    pub(super) span: Duration,
    pub(super) shape: Shape,
    /// The longest that writing, taking and connecting take.
    pub(super) pause_max: Duration,
    /// The longest that a commit takes.
    pub(super) commit_max: Duration,
    pub(super) payload_bytes_max: u64,
    pub(super) faults: Faults,
    pub(super) limits: Vec<BrokerLimits>,
    pub(super) manners: Manners,
    pub(super) places: Places,
}

/// What the clients' addresses lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// One address, one broker.
    One,
    /// Two addresses of one broker.
    Shared,
    /// Two brokers that know nothing of each other.
    Independent,
}

impl Places {
    pub(super) const fn brokers(self) -> usize {
        match self {
            Self::One | Self::Shared => 1,
            Self::Independent => 2,
        }
    }
}

/// One client: it publishes and subscribes.
#[derive(Clone, Debug)]
pub(super) struct ClientPlan {
    pub(super) version: Version,
    pub(super) session: Session,
    pub(super) publications: u64,
    pub(super) subscription_qos: QoS,
    /// Indexes into [`FILTERS`].
    pub(super) filters: Vec<usize>,
    /// The longest until the application takes a message, and until it has finished with one that it took; in any order.
    pub(super) takes_within: Duration,
    pub(super) in_flight_max: u16,
    pub(super) inbound_max: u16,
    /// How many bytes of a durable queue are kept in memory.
    pub(super) queue_memory: usize,
    /// Whether some messages expire.
    pub(super) expires: bool,
    pub(super) cancels: bool,
    /// Whether some QoS 2 messages are to be published again when their session is lost.
    pub(super) publishes_again: bool,
    pub(super) unsubscribes: u64,
    pub(super) rejects: bool,
    /// How often streams are opened and dropped while it runs.
    pub(super) stream_changes: u64,
    /// Whether some messages that were taken by hand are never acknowledged.
    pub(super) abandons: bool,
    /// How many QoS 0 messages a stream holds, and what happens beyond.
    pub(super) qos0: (usize, Qos0Full),
    pub(super) unmatched: Unmatched,
    /// How many publications may wait, and what happens beyond.
    pub(super) queue_max: usize,
    pub(super) on_full: OnFull,
    /// To how many messages it publishes another one while it is handed them.
    pub(super) replies: u64,
    pub(super) address_order: AddressOrder,
}

/// Where a session lives, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    Clean,
    Memory { expiry_secs: u32, adopt: bool },
    Durable { expiry_secs: u32, adopt: bool },
}

/// How often each kind of fault comes; 0 is never.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) cuts: u64,
    pub(super) stalls: u64,
    pub(super) half_closes: u64,
    pub(super) failed_dials: u64,
    pub(super) client_kills: u64,
    pub(super) client_stops: u64,
    pub(super) restarts_with_sessions: u64,
    pub(super) restarts_without_sessions: u64,
    pub(super) full_disks: u64,
    pub(super) new_limits: u64,
    /// Only where there are several addresses.
    pub(super) outages: u64,
    pub(super) sleeps: u64,
    pub(super) set_clocks: u64,
    /// One commit in so many fails.
    pub(super) commit_fails_once_in: Option<u64>,
    /// One batch in so many kills the client: before, in the middle of, or after its commit.
    pub(super) batch_kills_once_in: Option<u64>,
    pub(super) load_fails_once_in: Option<u64>,
}

/// What the broker grants on connections from some time on.
#[derive(Clone, Copy, Debug)]
pub(super) struct BrokerLimits {
    pub(super) receive_maximum: u16,
    pub(super) maximum_qos: QoS,
    pub(super) packet_bytes_max: u32,
    pub(super) in_flight_max: u16,
}

/// The topics that are published to.
pub(super) const TOPICS: [&str; 4] = ["t/0", "t/1", "t/2", "u/0"];

/// The filters that are subscribed to; some overlap.
pub(super) const FILTERS: [&str; 5] = ["t/#", "t/1", "+/0", "u/0", "t/2"];

pub(super) fn filter(index: usize) -> TopicFilter {
    TopicFilter::from_static(FILTERS[index]).expect("a legal filter")
}

impl Plan {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = 1 + random.below(3);
        let mut clients: Vec<ClientPlan> = (0..count).map(|_| client(&mut random)).collect();
        let delay_max = Duration::from_millis(random.pick(&[0, 1, 50, 1_000]));
        let split = random.pick(&[Split::Whole, Split::Anywhere, Split::Anywhere, Split::EveryByte]);
        let only_v5 = clients.iter().all(|client| client.version.rules().has_properties);
        let payload_bytes_max = random.pick(&[0, 20, 20, 400]);
        let mut faults = faults(&mut random);
        let manners = manners(&mut random);
        let places = match random.below(8) {
            0 => Places::Shared,
            1 | 2 => Places::Independent,
            _ => Places::One,
        };
        if places != Places::One {
            faults.outages = 1 + random.below(5);
        }
        let mut choosing = Random::new(seed ^ 0xA6A1);
        for client in &mut clients {
            client.publishes_again = choosing.once_in(3);
        }
        if manners.numbering == Numbering::FromOne {
            for client in &mut clients {
                client.subscription_qos = QoS::AtLeastOnce;
            }
        }
        Self {
            manners,
            places,
            seed,
            span: Duration::from_secs(random.pick(&[1, 10, 60, 300])),
            shape: Shape { split, delay_max },
            pause_max: Duration::from_millis(random.pick(&[0, 1, 100, 2_000])),
            commit_max: Duration::from_millis(random.pick(&[0, 5, 200, 2_000])),
            payload_bytes_max,
            limits: (0..4).map(|_| limits(&mut random, only_v5)).collect(),
            faults,
            clients,
        }
    }
}

fn client(random: &mut Random) -> ClientPlan {
    let version = random.pick(&Version::ALL);
    let has_expiry = version.rules().has_properties;
    let expiry_secs = if has_expiry { random.pick(&[EXPIRY_NEVER, EXPIRY_NEVER, 20]) } else { EXPIRY_NEVER };
    let adopt = !random.once_in(4);
    let session = match random.below(6) {
        0 => Session::Clean,
        1 | 2 => Session::Memory { expiry_secs, adopt },
        _ => Session::Durable { expiry_secs, adopt },
    };
    let filters = (0..FILTERS.len()).filter(|_| random.once_in(2)).collect();
    ClientPlan {
        version,
        session,
        publications: random.below(25),
        subscription_qos: random.pick(&[QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce]),
        filters,
        takes_within: Duration::from_millis(random.pick(&[0, 300, 20_000])),
        in_flight_max: random.pick(&[1, 2, 5, 100]),
        // Before 5.0 nothing tells the broker, and the bound would close connections.
        inbound_max: if has_expiry { random.pick(&[1, 2, 10, 1_000]) } else { 1_024 },
        queue_memory: random.pick(&[30, 200, 1_000_000]),
        expires: random.once_in(3),
        cancels: random.once_in(3),
        publishes_again: false,
        unsubscribes: if random.once_in(3) { 1 + random.below(2) } else { 0 },
        rejects: has_expiry && random.once_in(4),
        stream_changes: if random.once_in(3) { 1 + random.below(8) } else { 0 },
        abandons: random.once_in(8),
        qos0: (
            random.pick(&[1, 2, 5, 1_024]),
            random.pick(&[Qos0Full::Pause, Qos0Full::DropOldest, Qos0Full::DropNewest]),
        ),
        address_order: random.pick(&[AddressOrder::Listed, AddressOrder::Random]),
        unmatched: match random.below(8) {
            0 | 1 => Unmatched::Acknowledge,
            2 => Unmatched::Leave,
            _ => Unmatched::Hold,
        },
        queue_max: random.pick(&[1, 3, 65_536, 65_536, 65_536]),
        on_full: match session {
            Session::Durable { .. } => random.pick(&[OnFull::Refuse, OnFull::DropNewest]),
            Session::Clean | Session::Memory { .. } => random.pick(&[
                OnFull::Refuse,
                OnFull::DropNewest,
                OnFull::DropOldest,
                OnFull::KeepLastPerTopic,
            ]),
        },
        replies: if random.once_in(4) { 10 } else { 0 },
    }
}

/// Each kind is off in half of the runs, so that the others can be seen alone.
fn faults(random: &mut Random) -> Faults {
    let count = |random: &mut Random, most: u64| if random.once_in(2) { 0 } else { 1 + random.below(most) };
    let once_in = |random: &mut Random, all: &[u64]| random.once_in(2).then(|| random.pick(all));
    Faults {
        cuts: count(random, 8),
        stalls: count(random, 2),
        half_closes: count(random, 2),
        failed_dials: count(random, 3),
        client_kills: count(random, 4),
        client_stops: count(random, 2),
        restarts_with_sessions: count(random, 2),
        restarts_without_sessions: if random.once_in(2) { count(random, 2) } else { 0 },
        full_disks: count(random, 2),
        new_limits: count(random, 3),
        outages: 0,
        sleeps: count(random, 3),
        set_clocks: count(random, 4),
        commit_fails_once_in: once_in(random, &[3, 10, 40]),
        batch_kills_once_in: once_in(random, &[5, 15, 50]),
        load_fails_once_in: once_in(random, &[2, 10]),
    }
}

/// Most brokers do nothing of this.
fn manners(random: &mut Random) -> Manners {
    Manners {
        resends_after: random.once_in(3).then(|| Duration::from_millis(random.pick(&[100, 1_000, 5_000]))),
        numbering: match random.below(8) {
            0 => Numbering::Onward,
            1 => Numbering::FromOne,
            _ => Numbering::Kept,
        },
    }
}

fn limits(random: &mut Random, may_limit_packets: bool) -> BrokerLimits {
    let is_small = may_limit_packets && random.once_in(4);
    BrokerLimits {
        receive_maximum: random.pick(&[1, 2, 3, 10, 100]),
        maximum_qos: if random.once_in(6) { QoS::AtLeastOnce } else { QoS::ExactlyOnce },
        packet_bytes_max: if is_small { 300 } else { 1 << 20 },
        in_flight_max: random.pick(&[1, 2, 10, 100]),
    }
}
