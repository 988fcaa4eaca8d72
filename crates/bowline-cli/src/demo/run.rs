//! One run of the demonstration: what is to be done, and how far it is. Sends and receives nothing itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bowline::transport::Endpoint;
use bowline::{QoS, Version};
use tokio::sync::Notify;

use crate::demo::payload::Stamp;

/// Who publishes and who hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parties {
    /// A pure publisher, and a pure subscriber over a connection of its own.
    PublisherAndSubscriber,
    /// One client over one connection, which hears itself.
    OneClient,
}

impl Parties {
    /// Both, in the order in which they run.
    pub(super) const ALL: [Self; 2] = [Self::PublisherAndSubscriber, Self::OneClient];

    /// What a person calls them.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PublisherAndSubscriber => "publisher to subscriber",
            Self::OneClient => "both in one client",
        }
    }
}

/// What all runs have in common.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Where the broker is, perhaps with a login.
    pub(super) url: String,
    /// What all topics begin with.
    pub(super) topic_prefix: String,
    /// Messages in each run, at least 1.
    pub(super) messages: u32,
    /// The size of each payload.
    pub(super) payload_bytes: usize,
    /// Whether at most [`UNDER_WAY_MAX`] messages may be under way in all runs, because the broker drops what it has no room
    /// for: Mosquitto keeps a thousand for each client.
    pub(super) has_window: bool,
}

/// Most messages that are sent and have not arrived, where there is a bound.
pub(super) const UNDER_WAY_MAX: u64 = 500;

/// Most bytes of payload that are sent and have not arrived, where there is a bound.
const UNDER_WAY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How many messages of a run are sent one by one at the end, to measure latency without a queue.
const PACED_MAX: u32 = 200;

impl Settings {
    /// Where the broker is, without the login.
    pub(super) fn shown_url(&self) -> String {
        self.url.parse::<Endpoint>().map_or_else(|_| "(a URL)".to_owned(), |endpoint| endpoint.to_string())
    }

    /// How many messages are sent as fast as possible. They come first.
    pub(super) fn full_speed(&self) -> u64 {
        u64::from(self.messages - self.paced())
    }

    /// How many messages are sent at a steady pace, after the others.
    pub(super) fn paced(&self) -> u32 {
        PACED_MAX.min(self.messages / 2)
    }
}

/// One run: its plan, and its progress for whoever shows it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) parties: Parties,
    /// A number that no other run has.
    pub(super) id: u64,
    clock: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// One more than the highest number that has arrived.
    reached: AtomicU64,
    arrival: Notify,
}

impl Run {
    /// A run that has not begun.
    pub(super) fn new(settings: Settings, version: Version, qos: QoS, parties: Parties, id: u64) -> Self {
        Self {
            settings,
            version,
            qos,
            parties,
            id,
            clock: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            reached: AtomicU64::new(0),
            arrival: Notify::new(),
        }
    }

    /// The topic of its messages.
    pub(super) fn topic(&self) -> String {
        let parties = match self.parties {
            Parties::PublisherAndSubscriber => "pair",
            Parties::OneClient => "both",
        };
        format!("{}/{}/qos{}/{parties}", self.settings.topic_prefix, self.version, self.qos)
    }

    /// The payload of the message with this number, sent now.
    pub(super) fn payload(&self, sequence: u64) -> Vec<u8> {
        let stamp = Stamp { run: self.id, sequence, sent_ns: self.now_ns() };
        stamp.to_payload(self.settings.payload_bytes)
    }

    /// Nanoseconds on the run's clock.
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How many messages were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many messages arrived intact so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The client has accepted another message.
    pub(super) fn on_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages have arrived: how many in all, and one more than the highest number.
    pub(super) fn on_arrival(&self, received: u64, reached: u64) {
        self.received.store(received, Ordering::Relaxed);
        self.reached.store(reached, Ordering::Relaxed);
        self.arrival.notify_one();
    }

    /// Most messages that may be under way, if there is a bound. A client that has something to send itself may not stop
    /// reading, or it and its broker could wait for each other; then QoS 0 that a stream has no room for, by default
    /// beyond 1,024 messages, is dropped, and above it the client ends beyond its 16 MiB. The broker inside this
    /// program has its publishers wait instead.
    fn under_way_max(&self) -> Option<u64> {
        let fit = UNDER_WAY_BYTES_MAX / u64::try_from(self.settings.payload_bytes.max(1)).unwrap_or(u64::MAX);
        let is_one = self.parties == Parties::OneClient;
        let is_bound =
            self.settings.has_window || is_one && (self.qos == QoS::AtMostOnce || fit < UNDER_WAY_MAX);
        is_bound.then(|| fit.clamp(1, UNDER_WAY_MAX))
    }

    /// Waits until one more message may be under way. When nothing arrives for a second, what is under way counts as lost:
    /// the run goes on, and the tally finds the loss.
    pub(super) async fn wait_for_room(&self) {
        let Some(most) = self.under_way_max() else { return };
        let reached = || self.reached.load(Ordering::Relaxed);
        loop {
            let before = reached();
            if self.sent().saturating_sub(before) < most {
                return;
            }
            let arrived = tokio::time::timeout(GIVEN_UP_AFTER, self.arrival.notified()).await;
            if arrived.is_err() && reached() == before {
                self.reached.fetch_max(self.sent(), Ordering::Relaxed);
            }
        }
    }
}

/// How long messages may be under way before they count as lost.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn run(parties: Parties, qos: QoS, has_window: bool) -> Run {
        let settings = Settings {
            url: "mqtt://127.0.0.1".into(),
            topic_prefix: "demo".into(),
            messages: 2_000,
            payload_bytes: 64,
            has_window,
        };
        Run::new(settings, Version::V5, qos, parties, 1)
    }

    /// How many messages may be sent at once, at most 2,000.
    async fn room(run: &Run) -> u64 {
        for _ in 0..2_000 {
            let waiting = run.wait_for_room();
            if tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err() {
                break;
            }
            run.on_sent();
        }
        run.sent()
    }

    #[tokio::test]
    async fn a_client_that_hears_itself_has_no_more_qos0_under_way_than_its_stream_has_room_for() {
        let run = run(Parties::OneClient, QoS::AtMostOnce, false);
        assert_eq!(room(&run).await, UNDER_WAY_MAX);
        run.on_arrival(10, 10);
        assert_eq!(room(&run).await, UNDER_WAY_MAX + 10);
    }

    #[tokio::test]
    async fn only_runs_that_need_a_window_have_one() {
        assert_eq!(room(&run(Parties::OneClient, QoS::AtLeastOnce, false)).await, 2_000);
        assert_eq!(room(&run(Parties::PublisherAndSubscriber, QoS::AtMostOnce, false)).await, 2_000);
        assert_eq!(room(&run(Parties::PublisherAndSubscriber, QoS::AtLeastOnce, true)).await, UNDER_WAY_MAX);
    }

    #[tokio::test]
    async fn large_messages_have_a_window_of_fewer_so_that_a_client_can_hold_them() {
        let mut run = run(Parties::OneClient, QoS::ExactlyOnce, false);
        run.settings.payload_bytes = 1024 * 1024;
        assert_eq!(room(&run).await, 8);
    }

    #[tokio::test]
    async fn messages_that_never_arrive_do_not_close_the_window_for_ever() {
        let run = run(Parties::OneClient, QoS::AtMostOnce, false);
        assert_eq!(room(&run).await, UNDER_WAY_MAX);
        let waiting = tokio::time::timeout(GIVEN_UP_AFTER * 5, run.wait_for_room());
        assert!(waiting.await.is_ok(), "what is under way counts as lost after {GIVEN_UP_AFTER:?}");
    }
}
