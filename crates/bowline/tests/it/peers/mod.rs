//! What other clients got wrong (docs/peers.md), as far as no other test of this crate has it. Knows no reason why.

mod counting;
#[cfg(unix)]
mod many;
mod sending_again;
mod timeless;
mod writing;
