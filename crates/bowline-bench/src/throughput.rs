//! Rates and processor time of client and raw program in interleaved rounds. Knows no other cost.

use std::error::Error;
use std::time::Duration;

use crate::client::take_part;
use crate::peer::Peer;
use crate::plan::Plan;
use crate::raw::move_raw;

/// Medians over the rounds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rates {
    /// Messages per second of the raw program.
    pub raw: f64,
    /// Messages per second of the client.
    pub client: f64,
    /// The client's rate divided by the raw program's, of the same round.
    pub ratio: f64,
    /// The raw program's processor time divided by the client's, of the same round: hardly depends on how busy the machine
    /// is. `None` where the system does not tell it, and if the client has threads of its own.
    pub processor_ratio: Option<f64>,
}

/// Runs raw program and client in turn, so many rounds (at least 1).
///
/// # Errors
/// As [`take_part`](crate::take_part) and [`move_raw`](crate::move_raw).
pub fn throughput(plan: Plan, rounds: usize, workers: Option<usize>) -> Result<Rates, Box<dyn Error>> {
    let messages = plan.messages as f64;
    let (mut raws, mut clients, mut ratios, mut processor_ratios) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let peer = Peer::start(plan)?;
        let address = peer.address();
        let (time, raw_processor) = with_processor_time(|| move_raw(plan, address));
        let raw = messages / time?.as_secs_f64();
        peer.served()?;
        let peer = Peer::start(plan)?;
        let address = peer.address();
        let (took, client_processor) = with_processor_time(|| take_part(plan, address, workers));
        let client = messages / took?.time.as_secs_f64();
        peer.served()?;
        raws.push(raw);
        clients.push(client);
        ratios.push(client / raw);
        if let (Some(raw), Some(client), None) = (raw_processor, client_processor, workers) {
            processor_ratios.push(raw.as_secs_f64() / client.as_secs_f64());
        }
    }
    let processor_ratio = (!processor_ratios.is_empty()).then(|| median(processor_ratios));
    Ok(Rates { raw: median(raws), client: median(clients), ratio: median(ratios), processor_ratio })
}

/// Does it, and says how long this thread kept a processor busy with it.
pub(crate) fn with_processor_time<T>(run: impl FnOnce() -> T) -> (T, Option<Duration>) {
    let before = processor_time();
    let result = run();
    let took = processor_time().zip(before).and_then(|(after, before)| after.checked_sub(before));
    (result, took.filter(|took| !took.is_zero()))
}

/// The processor time of this thread so far. Linux shows it as the first number, in nanoseconds.
fn processor_time() -> Option<Duration> {
    let shown = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    shown.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
