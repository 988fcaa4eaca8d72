//! What only another program can count: instructions under valgrind, system calls under strace. Owns their command lines.
//!
//! The peer stays in this process; the client runs in one of its own, with two numbers of messages. The difference, divided by
//! the messages between them, is the price of one, free of start-up, connecting and closing.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::durable::Kept;
use crate::peer::Peer;
use crate::plan::Plan;

/// Valgrind counts one instruction that copies a block as one for each byte: the C library is told to copy in steps.
const COPIES_IN_STEPS: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=0x10000000");

/// What one message more costs in user-space instructions. `program` runs the client as the `one` command of this crate.
///
/// # Errors
/// If valgrind is not installed, or the client fails.
pub fn instructions_per_message(
    program: &Path,
    plan: Plan,
    messages_few: u64,
) -> Result<f64, Box<dyn Error>> {
    difference(plan, messages_few, |plan| {
        let report = run_against_peer(callgrind().arg(program), plan)?;
        number_before_or_after(&report, "Collected :")
    })
}

/// What one message more costs in system calls.
///
/// # Errors
/// If strace is not installed or may not trace, or the client fails.
pub fn system_calls_per_message(
    program: &Path,
    plan: Plan,
    messages_few: u64,
) -> Result<f64, Box<dyn Error>> {
    difference(plan, messages_few, |plan| {
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "--summary-only", "--summary-columns=calls,name"]);
        let report = run_against_peer(command.arg(program), plan)?;
        number_before_or_after(&report, "total")
    })
}

/// What one durable message more costs in user-space instructions, those of the peer included, which runs in the same process.
/// `program` publishes as the `store once` command of this crate does; the store is a file with this path.
///
/// # Errors
/// If valgrind is not installed, or the client fails.
pub fn durable_instructions(
    program: &Path,
    path: &Path,
    kept: Kept,
    window: u16,
    messages: u64,
) -> Result<f64, Box<dyn Error>> {
    let kept = kept.to_possible_value().expect("none is hidden");
    let count = |messages: u64| {
        let mut command = callgrind();
        command.arg(program).args(["store", "once"]).arg(path).args(["--kept", kept.get_name()]);
        command.args(["--window", &window.to_string(), "--messages", &messages.to_string()]);
        number_before_or_after(&report_of(&mut command)?, "Collected :")
    };
    let few = count(messages)?;
    let many = count(2 * messages)?;
    Ok((many as f64 - few as f64) / messages as f64)
}

fn callgrind() -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.env(COPIES_IN_STEPS.0, COPIES_IN_STEPS.1);
    command
}

fn difference(
    plan: Plan,
    messages_few: u64,
    count: impl Fn(Plan) -> Result<u64, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let few = count(Plan { messages: messages_few, ..plan })?;
    let many = count(Plan { messages: messages_few + plan.messages, ..plan })?;
    Ok((many as f64 - few as f64) / plan.messages as f64)
}

/// Runs the command with the arguments of a client; what it printed to standard error.
fn run_against_peer(command: &mut Command, plan: Plan) -> Result<String, Box<dyn Error>> {
    let peer = Peer::start(plan)?;
    command.args(["one", plan.workload.name(), "--mqtt", if plan.is_v5() { "5" } else { "3.1.1" }]);
    command.args(["--messages", &plan.messages.to_string(), "--payload", &plan.payload_bytes.to_string()]);
    if let Some(transport) = plan.transport {
        command.args(["--transport", transport.scheme()]);
    }
    command.args(["--peer", &peer.address().to_string()]);
    let report = report_of(command)?;
    peer.served()?;
    Ok(report)
}

/// Runs a command; what it printed to standard error.
fn report_of(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}\n{report}", output.status).into());
    }
    Ok(report)
}

/// The number on the last line that has the word: `1234 total`, `==7== Collected : 1234`.
fn number_before_or_after(report: &str, word: &str) -> Result<u64, Box<dyn Error>> {
    let line = report.lines().rfind(|line| line.contains(word));
    let mut words = line.into_iter().flat_map(str::split_whitespace);
    let number = words.find_map(|word| word.replace(',', "").parse().ok());
    number.ok_or_else(|| format!("there is no line with `{word}` and a number:\n{report}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_reports_of_both_tools() {
        let valgrind = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== I   refs:      1,234,567\n";
        assert_eq!(number_before_or_after(valgrind, "Collected :").unwrap(), 1_234_567);
        let strace = "    calls syscall\n       41 read\n-------- ----\n      144 total\n";
        assert_eq!(number_before_or_after(strace, "total").unwrap(), 144);
        assert!(number_before_or_after("nothing", "total").is_err());
    }
}
