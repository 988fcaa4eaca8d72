//! The command `bowline-bench store`: its options and what it prints. Measures nothing itself.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bowline::store::SyncPolicy;
use bowline_bench::{
    Kept, Length, durable_instructions, durable_rates, durable_run, empty_queue, fill_queue, memory_peak,
    start_from, store_cost,
};
use clap::Subcommand;

/// What a durable session costs. Each figure of a queue needs a process of its own, as its memory is measured.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Bytes, writes and syncs for a message, with so many in flight
    Cost {
        /// A file that is made and removed
        path: PathBuf,
    },
    /// Messages/s of a client with a durable session, and their ratio to one in memory: medians of interleaved rounds
    Publish {
        /// A file that is made and removed
        path: PathBuf,
        /// How many times each is run
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Milliseconds of one run
        #[arg(long, default_value_t = 1_000)]
        milliseconds: u64,
    },
    /// User-space instructions of a message of a durable session, peer and store included, counted by valgrind
    Instructions {
        /// A file that is made and removed
        path: PathBuf,
        /// How many messages make the difference
        #[arg(long, default_value_t = 5_000)]
        messages: u64,
    },
    /// Publish once, for a profiler
    Once {
        /// A file that is made and removed
        path: PathBuf,
        /// Where the session is
        #[arg(long, default_value = "buffered")]
        kept: Kept,
        /// Messages in flight, and queued
        #[arg(long, default_value_t = 1_000)]
        window: u16,
        /// How many
        #[arg(long, default_value_t = 100_000)]
        messages: u64,
    },
    /// Queue messages of 100 bytes
    Fill {
        /// The store
        path: PathBuf,
        /// How many
        messages: u64,
        /// End as after a kill
        #[arg(long)]
        killed: bool,
    },
    /// Start from a store with a queue
    Start {
        /// The store
        path: PathBuf,
        /// Bytes of the queue that are to be in memory
        #[arg(long, default_value_t = 1024 * 1024)]
        queue_bytes: usize,
    },
    /// Send all that wait in a store
    Empty {
        /// The store
        path: PathBuf,
    },
}

/// Windows of a table of rates.
const WINDOWS: [u16; 3] = [1, 100, 1_000];

/// Windows of the table of costs.
const IN_FLIGHT: [u16; 4] = [1, 100, 1_000, u16::MAX];

pub(crate) fn run(command: &StoreCommand) -> Result<(), Box<dyn Error>> {
    match command {
        StoreCommand::Cost { path } => return cost(path),
        StoreCommand::Publish { path, rounds, milliseconds } => {
            return publish(path, *rounds, Duration::from_millis(*milliseconds));
        }
        StoreCommand::Instructions { path, messages } => return instructions(path, *messages),
        StoreCommand::Once { path, kept, window, messages } => {
            let ran = durable_run(path, *kept, *window, Length::Messages(*messages))?;
            let (rate, batches) = (ran.rate(), ran.batches);
            println!("{rate:.0} messages/s; {batches:?}");
        }
        StoreCommand::Fill { path, messages, killed } => {
            let took = fill_queue(path, *messages, *killed)?;
            println!("{messages} queued in {:.1} s", took.as_secs_f64());
        }
        StoreCommand::Start { path, queue_bytes } => {
            let start = start_from(path, *queue_bytes)?;
            println!("{} wait, found in {:.1} ms", start.waiting, start.took.as_secs_f64() * 1e3);
        }
        StoreCommand::Empty { path } => println!("{} sent", empty_queue(path)?),
    }
    println!("memory at most {:.1} MiB", memory_peak()? as f64 / 1024.0 / 1024.0);
    Ok(())
}

fn cost(path: &Path) -> Result<(), Box<dyn Error>> {
    println!("| in flight | in a batch | bytes written | writes | syncs | messages/s | without syncs |");
    println!("|---|---|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let mut sizes = vec![1, 100, in_flight];
        sizes.retain(|size| *size <= in_flight);
        sizes.dedup();
        for in_batch in sizes {
            let batches = if in_batch > 10_000 { 8 } else { (20_000 / u64::from(in_batch)).clamp(40, 2_000) };
            let cost = store_cost(path, in_flight, in_batch, batches, SyncPolicy::EveryBatch)?;
            let fast = store_cost(path, in_flight, in_batch, batches, SyncPolicy::OsBuffer)?;
            println!(
                "| {in_flight} | {in_batch} | {:.0} | {:.3} | {:.5} | {:.0} | {:.0} |",
                cost.bytes, cost.writes, cost.syncs, cost.rate, fast.rate
            );
        }
    }
    Ok(())
}

fn publish(path: &Path, rounds: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    println!(
        "| in flight | in memory, messages/s | synced | of memory | in a commit | without syncs | of memory | in a commit |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for window in WINDOWS {
        let rates = durable_rates(path, window, time, rounds)?;
        println!(
            "| {window} | {:.0} | {:.0} | {:.4} | {:.1} | {:.0} | {:.3} | {:.1} |",
            rates.in_memory,
            rates.synced,
            rates.synced_ratio,
            rates.synced_batch,
            rates.buffered,
            rates.buffered_ratio,
            rates.buffered_batch
        );
    }
    Ok(())
}

fn instructions(path: &Path, messages: u64) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    println!("| in flight | in memory | in a store |\n|---|---|---|");
    for window in WINDOWS {
        let count = |kept| durable_instructions(&program, path, kept, window, messages);
        println!("| {window} | {:.0} | {:.0} |", count(Kept::Memory)?, count(Kept::Buffered)?);
    }
    Ok(())
}
