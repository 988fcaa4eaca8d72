//! What TLS and WebSocket cost in rate and processor time, beside plain TCP in the same round. Knows no other cost.

use std::error::Error;

use crate::client::take_part;
use crate::peer::Peer;
use crate::plan::Plan;
use crate::throughput::{median, with_processor_time};
use crate::transport::Transport;

/// Medians over the rounds, of one transport.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TransportRate {
    /// Which.
    pub transport: Transport,
    /// Messages per second.
    pub rate: f64,
    /// Its rate divided by that of plain TCP, of the same round.
    pub ratio: f64,
    /// Its processor time on the client's thread divided by that of plain TCP, of the same round; not a number where the system
    /// does not tell it.
    pub processor_ratio: f64,
}

/// Runs the workload over each transport in turn, so many rounds (at least 1).
///
/// # Errors
/// As [`take_part`](crate::take_part).
pub fn transport_rates(plan: Plan, rounds: usize) -> Result<Vec<TransportRate>, Box<dyn Error>> {
    let mut measured = vec![[Vec::new(), Vec::new(), Vec::new()]; Transport::ALL.len()];
    for _ in 0..rounds.max(1) {
        let mut plain = None;
        for (transport, measured) in Transport::ALL.iter().zip(&mut measured) {
            let plan = Plan { transport: Some(*transport), ..plan };
            let peer = Peer::start(plan)?;
            let address = peer.address();
            let (took, processor) = with_processor_time(|| take_part(plan, address, None));
            let rate = plan.messages as f64 / took?.time.as_secs_f64();
            peer.served()?;
            let processor = processor.map_or(f64::NAN, |time| time.as_secs_f64());
            // Plain TCP comes first.
            let (plain_rate, plain_processor) = *plain.get_or_insert((rate, processor));
            let values = [rate, rate / plain_rate, processor / plain_processor];
            measured.iter_mut().zip(values).for_each(|(list, value)| list.push(value));
        }
    }
    let medians = Transport::ALL.iter().zip(measured).map(|(&transport, measured)| {
        let [rate, ratio, processor_ratio] = measured.map(median);
        TransportRate { transport, rate, ratio, processor_ratio }
    });
    Ok(medians.collect())
}
