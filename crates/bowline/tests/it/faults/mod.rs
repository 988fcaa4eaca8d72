//! The client over lines that break: nothing lost at QoS 1 and 2, nothing doubled at QoS 0 and 2, and back soon.

mod kinds;
mod ledger;
mod repeats;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bowline::proto::backoff::Jitter;
use bowline::{Backoff, Client, ConnectionState, QoS, Receipt, Session, Subscription, Version};
use bowline_broker::FaultLink;
use tokio::time::timeout;

use crate::counterpart::{Counterpart, Kind};
use crate::round_trip::ALL_QOS;
use ledger::Ledger;
use repeats::published_after_release;

/// How long one run may take.
const RUN_MAX: Duration = Duration::from_secs(120);

/// Most messages between publisher and subscriber. Sessions keep them, and each connection sends them again.
const UNDER_WAY_MAX: usize = 120;

/// After how many bytes a connection is cut, at most.
const CUT_BYTES_MAX: u64 = 5_000;

const SUBSCRIBER: &str = "faults-subscriber";

/// How many cuts one test makes. `BOWLINE_FAULT_CUTS` sets another number.
fn cuts_wanted() -> u64 {
    let asked = std::env::var("BOWLINE_FAULT_CUTS").ok();
    asked.map_or(270, |asked| asked.parse().expect("BOWLINE_FAULT_CUTS is a number"))
}

/// A number for random choices; printed, and `BOWLINE_FAULT_SEED` repeats a run's.
fn seed() -> u64 {
    let asked = std::env::var("BOWLINE_FAULT_SEED").ok();
    let seed = asked.map_or_else(
        || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8),
        |asked| asked.parse().expect("BOWLINE_FAULT_SEED is a number"),
    );
    println!("seed {seed}");
    seed
}

fn soon() -> Backoff {
    Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20)).expect("a legal backoff")
}

async fn client(link: &FaultLink, name: &str, version: Version) -> Client {
    let builder = Client::builder(&link.url()).expect("a legal URL").client_id(name).version(version);
    let connecting = builder.session(Session::in_memory()).reconnect(soon()).connect();
    timeout(RUN_MAX, connecting).await.expect("in time").expect("the line is whole yet")
}

/// What the subscriber has, for the publisher to see.
#[derive(Default)]
struct Arrived {
    ledger: Mutex<Ledger>,
    /// Of QoS 1 and 2, each number once.
    distinct: AtomicUsize,
}

impl Arrived {
    async fn take_all(&self, mut stream: Subscription) {
        while let Some(message) = stream.next().await {
            let qos = ALL_QOS[message.topic()["faults/".len()..].parse::<usize>().expect("a QoS")];
            let text = message.text().expect("text");
            let number = text.split(' ').next().expect("a number").parse().expect("a number");
            let mut ledger = self.ledger.lock().expect("nobody panics with it");
            ledger.arrived(qos, number);
            let distinct = ledger.distinct(QoS::AtLeastOnce) + ledger.distinct(QoS::ExactlyOnce);
            self.distinct.store(distinct, Ordering::Relaxed);
        }
    }

    /// Waits until so many of QoS 1 and 2 have arrived.
    async fn reach(&self, distinct: usize) -> bool {
        let started = Instant::now();
        while self.distinct.load(Ordering::Relaxed) < distinct {
            if started.elapsed() > Duration::from_secs(20) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        true
    }
}

/// Publishes numbered messages of every QoS until the links were cut often enough; how many of each QoS.
async fn publish_all(
    publisher: &Client,
    links: [&FaultLink; 2],
    cuts: u64,
    arrived: &Arrived,
    mut numbers: Jitter,
) -> usize {
    let mut receipts: VecDeque<Receipt> = VecDeque::new();
    let mut sent: usize = 0;
    while links.iter().map(|link| link.stats().cuts).sum::<u64>() < cuts {
        for qos in ALL_QOS {
            let padding = usize::try_from(numbers.below(100)).expect("small");
            let payload = format!("{sent} {}", "x".repeat(padding));
            let topic = format!("faults/{}", qos as u8);
            receipts.push_back(publisher.publish(topic, payload).qos(qos).send().await.expect("accepted"));
        }
        sent += 1;
        let is_flowing = arrived.reach((2 * sent).saturating_sub(UNDER_WAY_MAX)).await;
        assert!(is_flowing, "messages before number {sent} are missing");
        while receipts.len() > UNDER_WAY_MAX {
            let receipt = receipts.pop_front().expect("there are some");
            receipt.await.expect("acknowledged");
        }
    }
    links.iter().for_each(|link| link.heal());
    for receipt in receipts {
        receipt.await.expect("acknowledged");
    }
    sent
}

/// One publisher and one subscriber, each over a line of its own that is cut at random places, until there were `cuts`.
async fn run(broker: &Counterpart, version: Version, cuts: u64, seed: u64) -> u64 {
    let mut numbers = Jitter::new(seed);
    let link = || FaultLink::over_tcp(broker.address()).expect("a port to listen on");
    let (near, far) = (link(), link());
    let publisher = client(&near, "faults-publisher", version).await;
    let repeats_before = published_after_release(&broker.log(), SUBSCRIBER);
    let subscriber = client(&far, SUBSCRIBER, version).await;
    let filters = ALL_QOS.map(|qos| (format!("faults/{}", qos as u8), qos));
    let stream = subscriber.subscribe_many(filters).await.expect("the line is whole yet");
    let arrived = Arc::new(Arrived::default());
    let taker = arrived.clone();
    let taking = tokio::spawn(async move { taker.take_all(stream).await });
    for link in [&near, &far] {
        link.cut_randomly(numbers.next_u64(), 1..CUT_BYTES_MAX);
        link.cut();
    }
    let sent = publish_all(&publisher, [&near, &far], cuts, &arrived, numbers).await;
    arrived.reach(2 * sent).await;
    // What is doubled would come now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    subscriber.disconnect().await;
    publisher.disconnect().await;
    taking.await.expect("the stream ends with its client");

    let ledger = arrived.ledger.lock().expect("nobody panics with it");
    let balances = ALL_QOS.map(|qos| ledger.balance(qos, sent));
    let made = near.stats().cuts + far.stats().cuts;
    let text = balances.map(|balance| balance.to_string());
    let kind = broker.kind();
    println!("{kind:?}, {version}, {made} cuts: QoS 0 {}; 1 {}; 2 {}", text[0], text[1], text[2]);
    let [at_most_once, at_least_once, exactly_once] = balances;
    assert_eq!(at_most_once.doubled, 0, "QoS 0 is never doubled");
    assert_eq!(at_least_once.lost, 0, "QoS 1 is never lost");
    assert_eq!(exactly_once.lost, 0, "QoS 2 is never lost");
    let repeats = published_after_release(&broker.log(), SUBSCRIBER) - repeats_before;
    assert!(exactly_once.doubled <= repeats, "QoS 2 arrives once; the broker repeated {repeats} for nothing");
    assert!(at_most_once.lost < sent, "QoS 0 arrives as well");
    made
}

async fn all_versions(kind: Kind) {
    let broker = Counterpart::start_logged(kind).await;
    let (seed, cuts) = (seed(), cuts_wanted());
    let started = Instant::now();
    let mut made = 0;
    for (seed, version) in (seed..).zip(Version::ALL) {
        let running = run(&broker, version, cuts.div_ceil(3), seed);
        made += timeout(RUN_MAX, running).await.expect("the run ends in time");
    }
    assert!(made >= cuts, "{made} cuts");
    println!("{kind:?}: {made} cuts in {:.1} s", started.elapsed().as_secs_f64());
    broker.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_over_lines_that_are_cut_at_random_places() {
    all_versions(Kind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn nothing_is_lost_or_doubled_with_mosquitto_over_lines_that_are_cut_at_random_places() {
    all_versions(Kind::Mosquitto).await;
}

/// From each cut to the acknowledgement of a message that is published after it.
async fn recoveries(broker: &Counterpart, version: Version, cuts: usize) -> Vec<Duration> {
    let link = FaultLink::over_tcp(broker.address()).expect("a port to listen on");
    let publisher = client(&link, "faults-recovering", version).await;
    let mut took = Vec::new();
    for number in 0..cuts {
        assert!(matches!(publisher.state(), ConnectionState::Connected(_)), "before cut {number}");
        let started = Instant::now();
        assert_eq!(link.cut(), 1);
        let publishing = publisher.publish("faults/recovery", number.to_string()).qos(QoS::AtLeastOnce);
        timeout(RUN_MAX, publishing.into_future()).await.expect("in time").expect("acknowledged");
        took.push(started.elapsed());
    }
    publisher.disconnect().await;
    took
}

async fn recovers_soon(kind: Kind) {
    let broker = Counterpart::start(kind).await;
    let mut took = Vec::new();
    for version in Version::ALL {
        took.extend(recoveries(&broker, version, 30).await);
    }
    took.sort();
    let (median, max) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{kind:?}: from link loss to acknowledged publish: median {median:?}, max {max:?}");
    // The backoff is 20 ms at most; the rest is for a machine that does other things.
    assert!(median < Duration::from_millis(500), "median {median:?}");
    broker.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_after_a_lost_link_is_acknowledged_soon() {
    recovers_soon(Kind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn a_publish_after_a_lost_link_is_acknowledged_soon_by_mosquitto() {
    recovers_soon(Kind::Mosquitto).await;
}
