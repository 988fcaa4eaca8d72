//! `cargo xtask crash`: real publishers, subscribers and brokers that are killed, and what they wrote down reconciled. Owns the
//! options and the runs; what happens in one stands in `run`.

mod books;
mod broker;
mod counts;
mod history;
mod order;
mod packets;
mod random;
mod resent;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::crash::broker::Kind;
use crate::crash::counts::Counts;
use crate::crash::run::{Plan, run};
use crate::say;

/// So few that CI can wait for them.
const ROUNDS_DEFAULT: u64 = 18;

struct Options {
    rounds: u64,
    seed: u64,
    kind: Kind,
    keep: bool,
}

/// Runs the rounds that the options ask for.
pub(crate) fn command(root: &Path, options: &[&str]) -> Result<(), String> {
    let options = Options::read(options)?;
    let program = program(root)?;
    let started = Instant::now();
    say(&format!("crash: {} rounds with {}, seed {}", options.rounds, options.kind.name(), options.seed));
    let rounds_of_a_run = options.kind.rounds_of_a_run().min(options.rounds.div_ceil(3));
    let mut total = Counts::default();
    let (mut left, mut failures) = (options.rounds, Vec::new());
    let mut seed = options.seed;
    while left > 0 {
        let rounds = left.min(rounds_of_a_run);
        let plan = Plan { program: program.clone(), kind: options.kind, seed, rounds, keep: options.keep };
        match run(&plan) {
            Ok(counts) => total.add(&counts),
            Err(error) => {
                say(&format!("run with seed {seed} ({}): {error}", plan.version_name()));
                failures.push(seed);
            }
        }
        left -= rounds;
        seed += 1;
    }
    say(&total.table());
    say(&format!("crash: {:.1} s", started.elapsed().as_secs_f64()));
    if failures.is_empty() {
        return Ok(());
    }
    let name = options.kind.name();
    Err(format!(
        "crash: {} runs failed; the first again: --broker {name} --seed {} --rounds {rounds_of_a_run}",
        failures.len(),
        failures[0]
    ))
}

impl Options {
    fn read(arguments: &[&str]) -> Result<Self, String> {
        let mut options =
            Self { rounds: ROUNDS_DEFAULT, seed: random_seed(), kind: Kind::Mosquitto, keep: false };
        let number = |text: &str| text.parse().map_err(|error| format!("`{text}` is no number: {error}"));
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(options),
                ["--keep", rest @ ..] => {
                    options.keep = true;
                    rest
                }
                ["--rounds", rounds, rest @ ..] => {
                    options.rounds = number(rounds)?;
                    rest
                }
                ["--seed", seed, rest @ ..] => {
                    options.seed = number(seed)?;
                    rest
                }
                ["--broker", name, rest @ ..] => {
                    options.kind = Kind::named(name)?;
                    rest
                }
                [unknown, ..] => return Err(format!("crash: `{unknown}` is no option")),
            }
        }
    }
}

/// The program that is killed: an example of the package of measurements, which has a durable client already.
fn program(root: &Path) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "bowline-bench", "--example", "crash"])
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the program does not build: {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("debug").join("examples").join("crash"))
}

/// A seed that differs from run to run and is short enough to type.
fn random_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64 % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order_and_unknown_ones_refused() {
        let options = Options::read(&["--seed", "7", "--broker", "nats", "--rounds", "30"]);
        let options = options.expect("they are all known");
        assert_eq!((options.seed, options.rounds, options.kind), (7, 30, Kind::Nats));
        for wrong in [&["--sede", "7"][..], &["--rounds"], &["--rounds", "many"], &["--broker", "x"]] {
            assert!(Options::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
