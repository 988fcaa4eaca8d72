//! Scripted peers, a simulated store and virtual time for testing Bowline. Unpublished; owns no protocol decision.

pub mod client_rig;
pub mod link;
pub mod packets;
pub mod pair;
pub mod ports;
pub mod power;
pub mod random;
pub mod server_rig;
pub mod sim;
pub mod store;
pub mod subscriber;
pub mod transitions;

pub use client_rig::ClientRig;
pub use pair::{Pair, Scenario};
pub use server_rig::ServerRig;
pub use store::{Commit, TestStore};
