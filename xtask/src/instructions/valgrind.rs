//! Runs the measured program under valgrind. Owns its command line and what it prints; must not know accepted figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::instructions::Price;

/// Valgrind counts one instruction that copies a block as one for each byte: the C library is told to copy in steps.
const COPIES_IN_STEPS: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=0x10000000");

/// Instructions of functions with this in their name are not counted: the peer that a client of the scenarios talks to. Naming a
/// function to toggle at begins without counting, unless told otherwise.
const EXCLUDING_PEERS: [&str; 2] = ["--toggle-collect=*peers_part_of*", "--collect-atstart=yes"];

/// An example called `instructions`, built for release.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    few: u32,
    many: u32,
}

impl Program {
    /// Builds the one of this package. A scenario is measured by the difference of `many` repetitions from `few`.
    pub(crate) fn build(root: &Path, package: &str, few: u32, many: u32) -> Result<Self, String> {
        let arguments = ["build", "--release", "--locked", "--package", package, "--example", "instructions"];
        let mut command = Command::new("cargo");
        command.args(arguments).args(["--message-format", "json-render-diagnostics"]).current_dir(root);
        let output = printed(command.stderr(Stdio::inherit()))?;
        let path = executable(&output).ok_or("cargo built the program but did not say where it is")?;
        Ok(Self { path, few, many })
    }

    /// The names of its scenarios.
    pub(crate) fn scenarios(&self) -> Result<Vec<String>, String> {
        Ok(printed(Command::new(&self.path).arg("--list"))?.lines().map(str::to_owned).collect())
    }

    /// The price of one repetition. The two tools run side by side: what is counted does not depend on the time.
    pub(crate) fn measure(&self, scenario: &str) -> Result<Price, String> {
        std::thread::scope(|scope| {
            let memcheck = ["--tool=memcheck", "--leak-check=no"];
            let allocations = scope.spawn(move || self.count(&memcheck, scenario, "total heap usage:"));
            let [toggle, at_start] = EXCLUDING_PEERS;
            let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", toggle, at_start];
            let instructions = self.count(&callgrind, scenario, "Collected :")?;
            let allocations = allocations.join().map_err(|_| "counting allocations panicked")??;
            Ok(Price { instructions, allocations })
        })
    }

    /// What one more repetition adds to the number that the tool prints after the word.
    fn count(&self, tool: &[&str], scenario: &str, word: &str) -> Result<f64, String> {
        let few = self.run(tool, scenario, self.few, word)?;
        let many = self.run(tool, scenario, self.many, word)?;
        let difference = many.checked_sub(few).ok_or("fewer repetitions cost more")?;
        Ok(difference as f64 / f64::from(self.many - self.few))
    }

    fn run(&self, tool: &[&str], scenario: &str, repetitions: u32, word: &str) -> Result<u64, String> {
        let mut command = Command::new("valgrind");
        command.env(COPIES_IN_STEPS.0, COPIES_IN_STEPS.1);
        command.args(tool).arg(&self.path).arg(scenario).arg(repetitions.to_string());
        let output = run(&mut command)?;
        let report = String::from_utf8_lossy(&output.stderr);
        number_after(&report, word).ok_or_else(|| format!("valgrind did not print `{word}`:\n{report}"))
    }
}

/// The number after the word in valgrind's report: `==1== total heap usage: 1,234 allocs, ...`.
fn number_after(report: &str, word: &str) -> Option<u64> {
    let (_, rest) = report.split_once(word)?;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}

/// The path in cargo's message about the example.
fn executable(messages: &str) -> Option<PathBuf> {
    let mut paths =
        messages.lines().filter_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'));
    paths.next_back().map(|(path, _)| PathBuf::from(path))
}

fn printed(command: &mut Command) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&run(command)?.stdout).into_owned())
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}\n{}", output.status, printed.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_valgrinds_reports() {
        let report =
            "==7== Collected : 1234567\n==7==   total heap usage: 1,234 allocs, 5 frees, 6 bytes allocated\n";
        assert_eq!(number_after(report, "Collected :"), Some(1_234_567));
        assert_eq!(number_after(report, "total heap usage:"), Some(1_234));
        assert_eq!(number_after(report, "leaked:"), None);
    }

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = "{\"executable\":null}\n{\"a\":1,\"executable\":\"t/release/examples/instructions\",\"fresh\":true}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("t/release/examples/instructions")));
        assert_eq!(executable("{\"executable\":null}"), None);
    }
}
