//! Everything that has to pass before a change lands, in order, with the time that each step took.
//!
//! Stops at the first failure. The tests come last, so that their closing lines end the output; below them stand only
//! the times and the sum of what was run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{conformance, crash, fuzz, instructions, mosquitto, say, sim, tidy};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

type Action = fn(&Path) -> Result<(), String>;

/// The steps before the tests.
const STEPS: [(&str, Action); 13] = [
    ("formatting", |root| cargo(root, &["fmt", "--all", "--check"])),
    ("tidy", tidy::command),
    ("clippy", |root| {
        cargo(
            root,
            &["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"],
        )
    }),
    ("documentation", documentation),
    ("conformance", |root| conformance::command(root, conformance::Mode::Check)),
    ("no_std", no_std),
    ("features", without_features),
    ("wasm32", wasm32),
    ("fuzz-smoke", |root| fuzz::smoke(root, fuzz::SECONDS_DEFAULT)),
    ("sim", |root| sim::command(root, &[])),
    ("crash", |root| crash::command(root, &[])),
    ("std-net", mosquitto::std_net),
    ("instructions", |root| instructions::command(root, instructions::Mode::Check)),
];

/// `cargo xtask ci`.
pub(crate) fn command(root: &Path) -> Result<(), String> {
    let mut times = Vec::new();
    for (name, action) in STEPS {
        let started = Instant::now();
        say(&format!("== {name}"));
        let outcome = action(root);
        times.push((name, started.elapsed()));
        outcome.map_err(|error| failure(name, &error, &times))?;
    }
    let started = Instant::now();
    say("== tests");
    let outcome = tests(root);
    times.push(("tests", started.elapsed()));
    let totals = outcome.map_err(|error| failure("tests", &error, &times))?;
    say(&times_table(&times));
    say(&totals.closing_line());
    Ok(())
}

fn failure(name: &str, error: &str, times: &[(&str, Duration)]) -> String {
    format!("{error}\n{}\nci: the step `{name}` failed", times_table(times))
}

fn times_table(times: &[(&str, Duration)]) -> String {
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let row = |(name, time): &(&str, Duration)| format!("  {name:16}{:7.1} s", time.as_secs_f64());
    let rows: Vec<String> = times.iter().chain(&[("in all", total)]).map(row).collect();
    format!("ci: times\n{}", rows.join("\n"))
}

fn documentation(root: &Path) -> Result<(), String> {
    let mut command = cargo_command(root, &["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn no_std(root: &Path) -> Result<(), String> {
    cargo(root, &["check", "--package", "bowline-proto", "--no-default-features", "--locked"])
}

/// Transports and client build without what their features add.
fn without_features(root: &Path) -> Result<(), String> {
    for package in ["bowline-transport", "bowline"] {
        let arguments = ["--package", package, "--all-targets", "--no-default-features", "--locked"];
        cargo(root, &[&["clippy"][..], &arguments, &["--", "-D", "warnings"]].concat())?;
    }
    Ok(())
}

/// The protocol crate builds where there is no operating system, if this machine has the target.
fn wasm32(root: &Path) -> Result<(), String> {
    let printed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let folder = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    if !printed.status.success() || !Path::new(&folder).is_dir() {
        say(&format!("skipped: the target {WASM_TARGET} is not installed on this machine"));
        return Ok(());
    }
    cargo(root, &["build", "--package", "bowline-proto", "--locked", "--target", WASM_TARGET])
}

/// Runs the tests, those that need other programs included, passes on what they print and adds up what they report.
fn tests(root: &Path) -> Result<Totals, String> {
    let mut command = cargo_command(
        root,
        &["test", "--workspace", "--all-features", "--locked", "--", "--include-ignored"],
    );
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot run cargo: {error}"))?;
    let output = child.stdout.take().expect("the output was asked for");
    let mut totals = Totals::default();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("cannot read what the tests print: {error}"))?;
        say(&line);
        totals.add(&line);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the tests: {error}"))?;
    match status.success() {
        true if totals.passed == 0 => Err("no test was run".to_owned()),
        true if totals.ignored > 0 => Err(format!("{} tests were skipped", totals.ignored)),
        true => Ok(totals),
        false => Err(format!("the tests failed: {status}")),
    }
}

/// What the test programs report, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Reads a line like `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ').map(|(number, word)| (number.parse::<u64>(), word)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }

    fn closing_line(&self) -> String {
        format!("tests: {} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo_command(root, arguments))
}

fn cargo_command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_programs_are_added_up() {
        let mut totals = Totals::default();
        for line in [
            "running 2 tests",
            "test result: ok. 28 passed; 0 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.00s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            totals.add(line);
        }
        assert_eq!(totals, Totals { passed: 31, failed: 2, ignored: 1 });
        assert_eq!(totals.closing_line(), "tests: 31 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_failure_names_its_step_last_and_shows_the_times() {
        let text = failure("clippy", "it broke", &[("tidy", Duration::from_millis(1500))]);
        assert!(text.starts_with("it broke\nci: times\n  tidy                1.5 s\n  in all"), "{text}");
        assert!(text.ends_with("ci: the step `clippy` failed"));
    }
}
