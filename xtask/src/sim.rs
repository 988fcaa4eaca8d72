//! Runs the simulator: fixed seeds, so that what was found once stays found, and random ones. Knows nothing of what it does.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::say;

/// How many fixed seeds are run, from 0.
const FIXED_SEEDS: u64 = 300;

/// How many more are run from a random one on.
const RANDOM_SEEDS: u64 = 200;

/// `cargo xtask sim`: with options what they say, without any the fixed seeds and some random ones.
pub(crate) fn command(root: &Path, options: &[&str]) -> Result<(), String> {
    if !options.is_empty() {
        return simulate(root, options);
    }
    simulate(root, &["--seeds", &FIXED_SEEDS.to_string()])?;
    let from = random_seed();
    say(&format!("sim: random seeds from {from}"));
    simulate(root, &["--from", &from.to_string(), "--seeds", &RANDOM_SEEDS.to_string()])
}

fn simulate(root: &Path, options: &[&str]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--locked", "--package", "bowline-testkit", "--example", "sim", "--"]);
    let status = command
        .args(options)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the simulation failed: {status}")) }
}

/// A seed that differs from run to run, beyond the fixed ones and short enough to type.
fn random_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1_000_000 + since.as_nanos() as u64 % 1_000_000_000
}
