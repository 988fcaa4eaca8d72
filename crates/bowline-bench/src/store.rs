//! What durability costs: bytes and syncs for each message, memory and time for a long queue. Knows the store on disk, no
//! client.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bowline::proto::types::Message;
use bowline::store::{
    Accepted, DiskStore, Entry, PublicationId, SessionLoss, SessionStore, StoreFile, SyncPolicy,
};
use bowline::{PacketId, QoS, TopicName};
use bytes::Bytes;

use crate::plan::TOPIC;

/// What the operating system was asked for.
#[derive(Debug, Default)]
struct Asked {
    bytes: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

/// A file that counts.
#[derive(Debug)]
struct Counted {
    file: File,
    asked: Arc<Asked>,
}

impl StoreFile for Counted {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.asked.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.asked.writes.fetch_add(1, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.asked.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }
}

/// What one message cost the store: figures for one message, but for the last.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoreCost {
    /// Bytes that were given to the operating system.
    pub bytes: f64,
    /// Writes.
    pub writes: f64,
    /// Syncs.
    pub syncs: f64,
    /// Messages in a second.
    pub rate: f64,
}

/// QoS 1 messages through a store with always so many in flight, so many in each batch: as many begin as end. Those that are in flight
/// at first came in such batches too.
///
/// # Errors
/// Those of the file and of the store.
pub fn store_cost(
    path: &Path,
    in_flight: u16,
    in_batch: u16,
    batches: u64,
    policy: SyncPolicy,
) -> Result<StoreCost, Box<dyn Error>> {
    _ = fs::remove_file(path);
    let asked = Arc::new(Asked::default());
    let payload = Bytes::from(vec![b'x'; 100]);
    let mut last = 0;
    let mut begin = |count: u16| -> Vec<Entry> {
        let one = |_| {
            last += 1;
            accepted(last, &payload, packet_id(last, in_flight))
        };
        (0..count).map(one).collect()
    };
    let mut store = DiskStore::new(path).sync(SyncPolicy::OsBuffer);
    store.recover(0)?;
    let mut left = in_flight;
    while left > 0 {
        store.commit(&begin(in_batch.min(left)))?;
        left -= in_batch.min(left);
    }
    drop(store);
    let mut store = counted_store(path, &asked).sync(policy);
    store.recover(0)?;
    asked.bytes.store(0, Ordering::Relaxed);
    asked.writes.store(0, Ordering::Relaxed);
    asked.syncs.store(0, Ordering::Relaxed);
    let started = Instant::now();
    for batch in 0..batches {
        let first = batch * u64::from(in_batch) + 1;
        let ends = (first..first + u64::from(in_batch)).map(|number| Entry::Ended {
            publication: PublicationId::new(number),
            retired: None,
            outcome: None,
        });
        let mut entries: Vec<Entry> = ends.collect();
        entries.extend(begin(in_batch));
        store.commit(&entries)?;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let messages = (batches * u64::from(in_batch)) as f64;
    let for_one = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / messages;
    let cost = StoreCost {
        bytes: for_one(&asked.bytes),
        writes: for_one(&asked.writes),
        syncs: for_one(&asked.syncs),
        rate: messages / elapsed,
    };
    drop(store);
    fs::remove_file(path)?;
    Ok(cost)
}

fn counted_store(path: &Path, asked: &Arc<Asked>) -> DiskStore {
    let (path, asked) = (path.to_owned(), asked.clone());
    DiskStore::on(move || {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        Ok(Box::new(Counted { file, asked: asked.clone() }))
    })
}

fn packet_id(number: u64, in_flight: u16) -> Option<PacketId> {
    let place = number % u64::from(in_flight);
    PacketId::new(u16::try_from(place).expect("it is below a u16") + 1)
}

fn accepted(number: u64, payload: &Bytes, packet_id: Option<PacketId>) -> Entry {
    let topic = TopicName::from_static(TOPIC).expect("it is a topic name");
    let message = Message::new(topic, payload.clone()).with_qos(QoS::AtLeastOnce);
    Entry::Accepted(Accepted {
        publication: PublicationId::new(number),
        message,
        deadline: None,
        packet_id,
        key: None,
        on_session_loss: SessionLoss::Indeterminate,
    })
}

/// Queues so many messages of 100 bytes, 1,000 in a batch. With `is_killed` the process ends right after, without another
/// word to the file.
///
/// # Errors
/// Those of the store.
pub fn fill_queue(path: &Path, messages: u64, is_killed: bool) -> Result<Duration, Box<dyn Error>> {
    let mut store = DiskStore::new(path);
    store.recover(0)?;
    let payload = Bytes::from(vec![b'x'; 100]);
    let started = Instant::now();
    let mut last = 0;
    while last < messages {
        let end = messages.min(last + 1_000);
        let batch: Vec<Entry> = (last + 1..=end).map(|number| accepted(number, &payload, None)).collect();
        store.commit(&batch)?;
        last = end;
    }
    let elapsed = started.elapsed();
    if is_killed {
        std::mem::forget(store);
    }
    Ok(elapsed)
}

/// What a start found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Start {
    /// How long it took until the engine could begin.
    pub took: Duration,
    /// How many wait.
    pub waiting: usize,
}

/// Starts from a store with so many bytes of the queue in memory.
///
/// # Errors
/// Those of the store.
pub fn start_from(path: &Path, queue_bytes: usize) -> Result<Start, Box<dyn Error>> {
    let started = Instant::now();
    let mut store = DiskStore::new(path);
    let recovered = store.recover(queue_bytes)?;
    let waiting = recovered.queue.len() + recovered.paged_messages;
    Ok(Start { took: started.elapsed(), waiting })
}

/// Sends all that wait, as an engine does: a page of 1 MiB at a time, and then their ends. Says how many there were.
///
/// # Errors
/// Those of the store.
pub fn empty_queue(path: &Path) -> Result<u64, Box<dyn Error>> {
    let mut store = DiskStore::new(path);
    store.recover(0)?;
    let mut after = PublicationId::default();
    let mut sent = 0;
    loop {
        let page = store.load(after, 1024 * 1024)?;
        let Some(last) = page.last() else { return Ok(sent) };
        after = last.publication;
        sent += page.len() as u64;
        let ends = page.iter().map(|stored| Entry::Ended {
            publication: stored.publication,
            retired: None,
            outcome: None,
        });
        store.commit(&ends.collect::<Vec<_>>())?;
    }
}

/// The most memory that this process has had, in bytes. Linux only.
///
/// # Errors
/// If the system does not say.
pub fn memory_peak() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak is told")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
