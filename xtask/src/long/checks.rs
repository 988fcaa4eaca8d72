//! Checks of the whole workspace by other programs, which are installed when they are missing.

use std::path::Path;
use std::process::Command;

/// Each feature of each crate builds alone and beside each other one.
pub(super) fn features(root: &Path) -> Result<(), String> {
    need(root, "hack", "cargo-hack")?;
    let arguments = ["hack", "check", "--workspace", "--feature-powerset", "--depth", "2", "--locked"];
    cargo(root, &arguments)
}

/// Licences, bans and sources of everything that is built in, as `deny.toml` has them. Advisories need a database from
/// elsewhere, so they are another command's business.
pub(super) fn deny(root: &Path) -> Result<(), String> {
    need(root, "deny", "cargo-deny")?;
    cargo(root, &["deny", "--locked", "check", "bans", "licenses", "sources"])
}

/// Cuts the power of a session store everywhere in many runs, flips a bit of every third byte of one, and has the simulator
/// run on it.
pub(super) fn store(root: &Path) -> Result<(), String> {
    let arguments = [
        "test",
        "--package",
        "bowline",
        "--features",
        "durable",
        "--test",
        "it",
        "--locked",
        "disk_store",
        "--",
        "--nocapture",
    ];
    let mut command = Command::new(program());
    command.args(arguments).current_dir(root);
    command.envs([("BOWLINE_POWER_RUNS", "20"), ("BOWLINE_FLIP_STEP", "3"), ("BOWLINE_SIM_SEEDS", "2000")]);
    let status = command.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the tests of the store: {status}")) }
}

fn need(root: &Path, command: &str, package: &str) -> Result<(), String> {
    let is_there = Command::new(program())
        .args([command, "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if is_there { Ok(()) } else { cargo(root, &["install", package, "--locked"]) }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program())
        .args(arguments)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {}: {status}", arguments.join(" "))) }
}

fn program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
