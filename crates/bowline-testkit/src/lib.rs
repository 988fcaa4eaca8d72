//! Scripted peers, a simulated store and virtual time for testing Bowline. Unpublished; owns no protocol decision.

pub mod client_rig;
pub mod packets;
pub mod server_rig;
pub mod store;
pub mod subscriber;
pub mod transitions;

pub use client_rig::ClientRig;
pub use server_rig::ServerRig;
pub use store::{Commit, TestStore};
