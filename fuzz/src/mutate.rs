//! How inputs of packets are changed: now and then by legal packets, else as the fuzzer likes. Knows the plan's byte.

use bowline_proto::codec::{Encoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::{Role, Version};

use crate::generate::Numbers;
use crate::plan::Plan;

/// Changes the first `size` bytes of `input` and returns the new size. `fuzzer` is what does it when we do not:
/// three times out of four. `sender` is `None` if the input itself says who sends.
///
/// Otherwise a legal packet takes the place of the input, or is put behind it if the input has raw bytes.
pub fn mutate(
    input: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    sender: Option<Role>,
    fuzzer: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut numbers = Numbers(seed.into());
    if numbers.below(4) > 0 {
        return fuzzer(input, size, max_size);
    }
    let old = (size > 0).then(|| Plan::of(input[0])).filter(|plan| plan.takes_raw_bytes());
    // Half of the packets are of the version that has most to say.
    let version = if numbers.coin() { Version::V5 } else { Version::ALL[numbers.below(3)] };
    let sender = sender.unwrap_or(if numbers.coin() { Role::Client } else { Role::Server });
    let (start, version, sender) = match old {
        Some(plan) if numbers.below(2) == 0 => (size, plan.version(), sender),
        _ => (1, version, sender),
    };
    let mut out = Outgoing::new();
    let packet = numbers.packet(version, sender);
    if Encoder::new(version, sender, u32::MAX).packet(&mut out, &packet).is_err()
        || start + out.len() > max_size
    {
        return fuzzer(input, size, max_size);
    }
    if start == 1 {
        // Portions at random, no limit, so that the packet is seen whole.
        let plan = if matches!(packet, Packet::Connect(_)) {
            Plan::OWN_CONNECT
        } else {
            Plan::byte(version, sender)
        };
        input[0] = plan | (numbers.below(4) as u8) << 2;
    }
    let end = start + out.len();
    input[start..end].copy_from_slice(&out.to_vec());
    end
}
