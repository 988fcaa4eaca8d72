//! The house rules as commands. Owns the list of commands; each has a module and knows nothing of the others.
//!
//! `cargo xtask` without a command lists them.

mod ci;
mod conformance;
mod crash;
mod fuzz;
mod instructions;
mod long;
mod mosquitto;
mod program;
mod sim;
mod source;
mod tidy;
mod tree;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy           check the invariants that can be read off the source
  conformance    count the statements of the specification that code and tests cite, and write the matrix
                 --check: write nothing, fail if the matrix is not current or more is missing than before
                 --strict: fail if anything is missing
                 --accept: let the list of what is missing grow
  fuzz-smoke     run each fuzz target for 20 seconds and fail on any finding
                 --seconds N: for N seconds each
  instructions   count what scenarios of protocol crate and client cost and compare with docs/performance-accepted.tsv
                 --check: fail if one rose by more than 5 %
                 --accept: write the figures as the accepted ones
  sim            simulate clients, disks and a broker from fixed and random seeds
                 --seeds N [--from S]: from these seeds; --seed X [--trace]: one, with its history
  crash          kill real publishers, subscribers and brokers and reconcile what they wrote down
                 --rounds N, --seed S, --broker mosquitto|nats|rabbitmq, --keep: the folder of a run that failed or was out of order
  std-net        run the example without a runtime against a real Mosquitto, in every version
  long [PART..]  what takes longer or needs root: features, deny, network (hosts in namespaces), cluster (three NATS
                 servers); all of them if none is named
  ci             run everything that has to pass before a change lands";

/// Runs the command that the arguments name and says whether it succeeded.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::command(&root()),
        ["conformance"] => conformance::command(&root(), conformance::Mode::Write),
        ["conformance", "--accept"] => conformance::command(&root(), conformance::Mode::Accept),
        ["conformance", "--check"] => conformance::command(&root(), conformance::Mode::Check),
        ["conformance", "--strict"] => conformance::command(&root(), conformance::Mode::Strict),
        ["fuzz-smoke"] => fuzz::smoke(&root(), fuzz::SECONDS_DEFAULT),
        ["fuzz-smoke", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::smoke(&root(), seconds),
            Err(error) => Err(format!("`{seconds}` is not a number of seconds: {error}")),
        },
        ["instructions"] => instructions::command(&root(), instructions::Mode::Show),
        ["instructions", "--check"] => instructions::command(&root(), instructions::Mode::Check),
        ["instructions", "--accept"] => instructions::command(&root(), instructions::Mode::Accept),
        ["sim", options @ ..] => sim::command(&root(), options),
        ["crash", options @ ..] => crash::command(&root(), options),
        ["std-net"] => mosquitto::std_net(&root()),
        ["long", parts @ ..] => long::command(&root(), parts),
        ["ci"] => ci::command(&root()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace. Asked at run time first, so that a shared target folder does not mix up work trees.
fn root() -> PathBuf {
    let manifest_dir =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest_dir).parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Prints the line. That its reader went away is no reason to stop.
pub(crate) fn say(line: &str) {
    _ = writeln!(std::io::stdout(), "{line}");
}
