//! Rates of client and raw program in interleaved rounds. Knows no cost but time.

use std::error::Error;

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
}

/// Runs raw program and client in turn, so many rounds (at least 1).
///
/// # Errors
/// As [`take_part`](crate::take_part) and [`move_raw`](crate::move_raw).
pub fn throughput(plan: Plan, rounds: usize, workers: Option<usize>) -> Result<Rates, Box<dyn Error>> {
    let messages = plan.messages as f64;
    let (mut raws, mut clients, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let peer = Peer::start(plan)?;
        let raw = messages / move_raw(plan, peer.address())?.as_secs_f64();
        peer.served()?;
        let peer = Peer::start(plan)?;
        let client = messages / take_part(plan, peer.address(), workers)?.time.as_secs_f64();
        peer.served()?;
        raws.push(raw);
        clients.push(client);
        ratios.push(client / raw);
    }
    Ok(Rates { raw: median(raws), client: median(clients), ratio: median(ratios) })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
