//! How fast a durable session publishes, beside one in memory: the real client at QoS 1, through its store. Knows the peer and
//! the store's options.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bowline::proto::client::Reconnect;
use bowline::store::{DiskStore, SyncPolicy};
use bowline::{Client, QoS, SendQueue, Session};
use bytes::Bytes;
use clap::ValueEnum;
use futures_core::Stream;
use tokio::runtime::Builder;

use crate::peer::Peer;
use crate::plan::{Plan, TOPIC, Workload};
use crate::throughput::median;
use crate::watched::{Batches, Watched};

/// Bytes of each payload.
const PAYLOAD_BYTES: usize = 100;

/// Where the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "each is a line of a table")]
pub enum Kept {
    /// In memory.
    Memory,
    /// In a file that is synced for each batch.
    Synced,
    /// In a file that is left to the operating system's buffers.
    Buffered,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no other end")]
pub enum Length {
    /// After so long.
    Time(Duration),
    /// After so many messages.
    Messages(u64),
}

/// What a run did.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DurableRun {
    /// Messages that the peer has acknowledged.
    pub messages: u64,
    /// From the first publish to the last acknowledgement.
    pub took: Duration,
    /// What the store was asked to commit.
    pub batches: Batches,
}

impl DurableRun {
    /// Messages in a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }
}

/// Medians over the rounds, in messages per second that were acknowledged by the peer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DurableRates {
    /// With the session in memory.
    pub in_memory: f64,
    /// With the store synced for each batch.
    pub synced: f64,
    /// With the store left to the operating system's buffers.
    pub buffered: f64,
    /// Synced divided by in memory, of the same round.
    pub synced_ratio: f64,
    /// Buffered divided by in memory, of the same round.
    pub buffered_ratio: f64,
    /// Messages for each commit, synced.
    pub synced_batch: f64,
    /// Messages for each commit, without syncs.
    pub buffered_batch: f64,
}

/// Publishes for so long with each kind of session in turn, so many rounds (at least 1), with at most `window` messages queued
/// and as many in flight. The store is a file with this path, which is made and removed each time.
///
/// # Errors
/// What the client, the store or the peer reports.
pub fn durable_rates(
    path: &Path,
    window: u16,
    time: Duration,
    rounds: usize,
) -> Result<DurableRates, Box<dyn Error>> {
    let mut all: [Vec<f64>; 7] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds.max(1) {
        let run = |kept| durable_run(path, kept, window, Length::Time(time));
        let [memory, synced, buffered] = [run(Kept::Memory)?, run(Kept::Synced)?, run(Kept::Buffered)?];
        let in_batch = |run: &DurableRun| run.messages as f64 / run.batches.commits.max(1) as f64;
        let figures = [
            memory.rate(),
            synced.rate(),
            buffered.rate(),
            synced.rate() / memory.rate(),
            buffered.rate() / memory.rate(),
            in_batch(&synced),
            in_batch(&buffered),
        ];
        all.iter_mut().zip(figures).for_each(|(column, figure)| column.push(figure));
    }
    let [in_memory, synced, buffered, synced_ratio, buffered_ratio, synced_batch, buffered_batch] =
        all.map(median);
    Ok(DurableRates {
        in_memory,
        synced,
        buffered,
        synced_ratio,
        buffered_ratio,
        synced_batch,
        buffered_batch,
    })
}

/// Publishes once, with at most `window` messages queued and as many in flight. The store is a file with this path, which is made
/// and removed.
///
/// # Errors
/// What the client, the store or the peer reports.
pub fn durable_run(
    path: &Path,
    kept: Kept,
    window: u16,
    length: Length,
) -> Result<DurableRun, Box<dyn Error>> {
    let policy = match kept {
        Kept::Memory => return run(Session::in_memory(), window, length, Batches::default),
        Kept::Synced => SyncPolicy::EveryBatch,
        Kept::Buffered => SyncPolicy::OsBuffer,
    };
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let store = Watched::new(DiskStore::new(path).sync(policy));
    let seen = store.seen();
    let ran = run(Session::stored_in(store), window, length, || seen.batches())?;
    fs::remove_file(path)?;
    Ok(ran)
}

fn run(
    session: Session,
    window: u16,
    length: Length,
    batches: impl Fn() -> Batches,
) -> Result<DurableRun, Box<dyn Error>> {
    let peer = Peer::start(Plan::new(Workload::W2, 0))?;
    let url = format!("mqtt://{}", peer.address());
    let (messages, took) = Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = Client::builder(&url)?
            .client_id("bench")
            .session(session)
            .in_flight_max(window)
            .send_queue(SendQueue::new().messages_max(window.into()))
            .reconnect(Reconnect::Never)
            .connect()
            .await?;
        let topic = client.topic(TOPIC)?.qos(QoS::AtLeastOnce);
        let started = Instant::now();
        let payload = Bytes::from(vec![0x5A; PAYLOAD_BYTES]);
        let messages = topic.publish_all(Repeated { payload, length, started, count: 0 }).await?;
        let took = started.elapsed();
        client.disconnect().await;
        Ok::<_, Box<dyn Error>>((messages, took))
    })?;
    let published = peer.served()?.published;
    if published != messages {
        return Err(format!("{messages} messages were acknowledged, and {published} arrived").into());
    }
    Ok(DurableRun { messages, took, batches: batches() })
}

/// The same payload again and again, until the run is over.
struct Repeated {
    payload: Bytes,
    length: Length,
    started: Instant,
    count: u64,
}

impl Stream for Repeated {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        let goes_on = match this.length {
            Length::Time(time) => this.started.elapsed() < time,
            Length::Messages(messages) => this.count < messages,
        };
        this.count += u64::from(goes_on);
        Poll::Ready(goes_on.then(|| this.payload.clone()))
    }
}
