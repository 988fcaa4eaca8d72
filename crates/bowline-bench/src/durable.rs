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
use futures_core::Stream;
use tokio::runtime::Builder;

use crate::peer::Peer;
use crate::plan::{Plan, TOPIC, Workload};
use crate::throughput::median;

/// Bytes of each payload.
const PAYLOAD_BYTES: usize = 100;

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
    let [mut in_memory, mut synced, mut buffered, mut synced_ratios, mut buffered_ratios] =
        std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds.max(1) {
        let memory = rate(Session::in_memory(), window, time)?;
        let sync = rate_stored(path, SyncPolicy::EveryBatch, window, time)?;
        let buffer = rate_stored(path, SyncPolicy::OsBuffer, window, time)?;
        in_memory.push(memory);
        synced.push(sync);
        buffered.push(buffer);
        synced_ratios.push(sync / memory);
        buffered_ratios.push(buffer / memory);
    }
    Ok(DurableRates {
        in_memory: median(in_memory),
        synced: median(synced),
        buffered: median(buffered),
        synced_ratio: median(synced_ratios),
        buffered_ratio: median(buffered_ratios),
    })
}

fn rate_stored(path: &Path, policy: SyncPolicy, window: u16, time: Duration) -> Result<f64, Box<dyn Error>> {
    _ = fs::remove_file(path);
    let rate = rate(Session::stored_in(DiskStore::new(path).sync(policy)), window, time)?;
    fs::remove_file(path)?;
    Ok(rate)
}

fn rate(session: Session, window: u16, time: Duration) -> Result<f64, Box<dyn Error>> {
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
        let messages = topic.publish_all(Repeated { payload, until: started + time }).await?;
        let took = started.elapsed();
        client.disconnect().await;
        Ok::<_, Box<dyn Error>>((messages, took))
    })?;
    let published = peer.served()?.published;
    if published != messages {
        return Err(format!("{messages} messages were acknowledged, and {published} arrived").into());
    }
    Ok(messages as f64 / took.as_secs_f64())
}

/// The same payload again and again, until the time is over.
struct Repeated {
    payload: Bytes,
    until: Instant,
}

impl Stream for Repeated {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Ready((Instant::now() < self.until).then(|| self.payload.clone()))
    }
}
