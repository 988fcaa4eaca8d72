//! Allocations of the client's thread. Knows the counting allocator.

use std::error::Error;

use crate::client::take_part;
use crate::peer::Peer;
use crate::plan::Plan;

/// What one message more costs in allocations, with client and application on one thread. Growing a block counts as one.
///
/// # Errors
/// As [`take_part`](crate::take_part).
pub fn allocations_per_message(plan: Plan, messages_few: u64) -> Result<f64, Box<dyn Error>> {
    let few = allocations(Plan { messages: messages_few, ..plan })?;
    let many = allocations(Plan { messages: messages_few + plan.messages, ..plan })?;
    Ok((many as f64 - few as f64) / plan.messages as f64)
}

fn allocations(plan: Plan) -> Result<u64, Box<dyn Error>> {
    let peer = Peer::start(plan)?;
    let address = peer.address();
    let mut result = Ok(());
    let counted = allocation_counter::measure(|| {
        result = take_part(plan, address, None).map(|_| ());
    });
    result?;
    peer.served()?;
    Ok(counted.count_total)
}
