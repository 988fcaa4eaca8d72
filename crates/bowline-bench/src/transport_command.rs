//! The command `bowline-bench transports`: what it prints. Measures nothing itself.

use std::error::Error;
use std::path::Path;

use bowline_bench::{Plan, Transport, instructions_per_message, transport_rates};

/// Prints one line for each workload and transport.
pub(crate) fn run(
    program: &Path,
    plans: impl Iterator<Item = Plan>,
    messages_counted: u64,
    rounds: usize,
) -> Result<(), Box<dyn Error>> {
    if Transport::ALL.len() == 1 {
        return Err("this program was built without the feature `transports`".into());
    }
    println!("| workload | scheme | instructions | of TCP | messages/s | of TCP | processor time, of TCP |");
    println!("|---|---|---|---|---|---|---|");
    for plan in plans {
        let mut plain = None;
        for rate in transport_rates(plan, rounds)? {
            let mut counted = plan;
            (counted.messages, counted.transport) = (messages_counted, Some(rate.transport));
            let instructions = instructions_per_message(program, counted, messages_counted)?;
            let of_plain = instructions / *plain.get_or_insert(instructions);
            println!(
                "| {} | {} | {instructions:.0} | {of_plain:.2} | {:.0} | {:.2} | {:.2} |",
                crate::title(&plan),
                rate.transport.scheme(),
                rate.rate,
                rate.ratio,
                rate.processor_ratio
            );
        }
    }
    Ok(())
}
