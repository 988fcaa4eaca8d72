//! Instructions and allocations per operation, counted by valgrind, against the accepted figures.
//!
//! The example `instructions` of a package repeats one named scenario as often as it is told: that of `bowline-proto` operations
//! of the protocol crate, that of `bowline-bench` messages through the whole client. Each is run with two numbers of repetitions:
//! the difference, divided by the repetitions between them, is the price of one, free of start-up and of anything that happens
//! once. The same binary gives the same figure whatever else the machine does; another compiler or C library gives another
//! figure, so the accepted ones are renewed with it.

mod accepted;
mod valgrind;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::say;
use accepted::{Comparison, Price};
use valgrind::Program;

const ACCEPTED: &str = "docs/performance-accepted.tsv";
const PAGE: &str = "docs/performance.md";

/// The packages whose example is measured, and with how many repetitions: clients take more until every buffer has its size.
const PROGRAMS: [(&str, u32, u32); 2] = [("bowline-proto", 500, 2_500), ("bowline-bench", 4_000, 12_000)];

/// What the command does besides printing the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Show,
    /// Fail if a price rose above the tolerance or has no accepted figure.
    Check,
    /// Write the figures as the accepted ones, and to the page.
    Accept,
}

/// `cargo xtask instructions`.
pub(crate) fn command(root: &Path, mode: Mode) -> Result<(), String> {
    let accepted = match fs::read_to_string(root.join(ACCEPTED)) {
        Ok(text) => accepted::parse(&text).map_err(|error| format!("{ACCEPTED}: {error}"))?,
        Err(error) if mode == Mode::Check => return Err(format!("cannot read {ACCEPTED}: {error}")),
        Err(_) => BTreeMap::new(),
    };
    let mut measured = Vec::new();
    for (package, few, many) in PROGRAMS {
        let program = Program::build(root, package, few, many)?;
        let scenarios = program.scenarios()?;
        if scenarios.is_empty() {
            return Err(format!("the program of {package} has no scenarios"));
        }
        for scenario in scenarios {
            let price = program.measure(&scenario)?;
            measured.push((scenario, price));
        }
    }
    let comparisons: Vec<Comparison> = measured
        .iter()
        .map(|(name, price)| Comparison::new(name, *price, accepted.get(name).copied()))
        .collect();
    say(&accepted::table(&comparisons));
    match mode {
        Mode::Show => Ok(()),
        Mode::Check => accepted::judge(&comparisons, &accepted),
        Mode::Accept => accept(root, &measured),
    }
}

fn accept(root: &Path, measured: &[(String, Price)]) -> Result<(), String> {
    let rustc = rustc_version()?;
    let page = fs::read_to_string(root.join(PAGE)).map_err(|error| format!("cannot read {PAGE}: {error}"))?;
    let page = accepted::with_table(&page, measured, &rustc)
        .ok_or_else(|| format!("{PAGE} has no place for the table"))?;
    for (path, text) in [(ACCEPTED, accepted::print(measured, &rustc)), (PAGE, page)] {
        fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
    }
    Ok(())
}

fn rustc_version() -> Result<String, String> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.split_whitespace().nth(1).unwrap_or("unknown").to_owned())
}
