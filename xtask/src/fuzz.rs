//! A short run of every fuzz target. Owns how cargo-fuzz is called; the targets are those of `fuzz/Cargo.toml`.
//!
//! Long runs are made by hand and recorded in `fuzz/LOG.md`. This one starts from the seeds with an empty corpus each time,
//! so it finds what is shallow. It runs on the default toolchain, which lets the unstable flags pass when told to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use toml::{Table, Value};

use crate::say;

/// How long each target runs unless told otherwise.
pub(crate) const SECONDS_DEFAULT: u32 = 20;
const MANIFEST: &str = "fuzz/Cargo.toml";
const TARGET_FOLDER: &str = "fuzz_targets/";
/// Where a target's seeds may be, its name appended.
const SEED_FOLDERS: [&str; 2] = ["fuzz/seeds", "fuzz/corpus"];

/// `cargo xtask fuzz-smoke`: runs each target, then fails if one of them found anything.
pub(crate) fn smoke(root: &Path, seconds: u32) -> Result<(), String> {
    let text = fs::read_to_string(root.join(MANIFEST))
        .map_err(|error| format!("cannot read {MANIFEST}: {error}"))?;
    let targets = targets(&text)?;
    install(root)?;
    run(&mut cargo_fuzz(root, &["build"]))?;
    let mut failed = Vec::new();
    for target in &targets {
        let fresh = std::env::temp_dir().join(format!("bowline-fuzz-smoke-{}-{target}", std::process::id()));
        fs::create_dir_all(&fresh).map_err(|error| format!("cannot create {}: {error}", fresh.display()))?;
        let outcome = run_session(&mut session(root, target, &fresh, seconds));
        _ = fs::remove_dir_all(&fresh); // a leftover in the temporary folder harms nobody
        match outcome {
            Ok(runs) => say(&format!("fuzz-smoke: {target}: {runs} runs in {seconds} s, nothing found")),
            Err(error) => {
                say(&format!("fuzz-smoke: {target} failed\n{error}"));
                failed.push(target.as_str());
            }
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        _ => Err(format!("fuzzing failed: {}; what was found is in fuzz/artifacts", failed.join(", "))),
    }
}

/// The names of the targets: the programs in `fuzz_targets/`, others only serve them.
fn targets(manifest: &str) -> Result<Vec<String>, String> {
    let table: Table = manifest.parse().map_err(|error| format!("{MANIFEST}: {error}"))?;
    let programs = table.get("bin").and_then(Value::as_array);
    let name = |program: &Value| {
        let path = program.get("path").and_then(Value::as_str)?;
        let name = program.get("name").and_then(Value::as_str)?;
        path.starts_with(TARGET_FOLDER).then(|| name.to_owned())
    };
    let targets: Vec<String> = programs.into_iter().flatten().filter_map(name).collect();
    if targets.is_empty() { Err(format!("{MANIFEST} has no targets")) } else { Ok(targets) }
}

fn install(root: &Path) -> Result<(), String> {
    let mut version = Command::new("cargo");
    version.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if run(&mut version).is_ok() {
        return Ok(());
    }
    say("fuzz-smoke: installing cargo-fuzz");
    run(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]).current_dir(root))
}

fn session(root: &Path, target: &str, fresh: &Path, seconds: u32) -> Command {
    let mut command = cargo_fuzz(root, &["run", target]);
    command.arg(fresh).args(seed_folders(root, target));
    command.args(["--", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]);
    command.arg(format!("-max_total_time={seconds}"));
    command
}

/// Runs a session in silence: how many inputs it tried, or what it printed if it found something.
fn run_session(command: &mut Command) -> Result<u64, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{printed}\ncargo fuzz: {}", output.status));
    }
    // A target that tried nothing has not shown that there is nothing to find.
    runs(&printed).filter(|runs| *runs > 0).ok_or_else(|| format!("{printed}\nthe target tried no input"))
}

/// The number of inputs in libFuzzer's closing statistics.
fn runs(printed: &str) -> Option<u64> {
    printed.split_once("stat::number_of_executed_units:")?.1.split_whitespace().next()?.parse().ok()
}

fn seed_folders(root: &Path, target: &str) -> Vec<PathBuf> {
    SEED_FOLDERS
        .iter()
        .map(|folder| root.join(folder).join(target))
        .filter(|folder| folder.is_dir())
        .collect()
}

fn cargo_fuzz(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("fuzz").args(arguments).current_dir(root).env("RUSTC_BOOTSTRAP", "1");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let status =
        command.stdin(Stdio::null()).status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo fuzz: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_the_programs_of_the_manifest() {
        let program =
            |name: &str, folder: &str| format!("[[bin]]\nname = \"{name}\"\npath = \"{folder}/{name}.rs\"\n");
        let [a, b, c] = [program("a", "fuzz_targets"), program("b", "src"), program("c", "fuzz_targets")];
        assert_eq!(targets(&format!("{a}{b}{c}")).unwrap(), ["a", "c"]);
        assert!(targets(&b).is_err());
        assert!(targets("[package]\nname = \"x\"").is_err());
    }

    #[test]
    fn the_number_of_runs_is_read_from_the_statistics() {
        assert_eq!(runs("a\nstat::number_of_executed_units: 369969\nstat::average: 1"), Some(369_969));
        assert_eq!(runs("stat::average: 1"), None);
    }

    #[test]
    fn a_session_starts_from_a_fresh_corpus_and_stops_by_itself() {
        let command = session(Path::new("."), "topics", Path::new("fresh"), 7);
        let arguments: Vec<&str> = command.get_args().filter_map(|argument| argument.to_str()).collect();
        assert_eq!(arguments[..4], ["fuzz", "run", "topics", "fresh"]);
        assert!(arguments.contains(&"-max_total_time=7"), "{arguments:?}");
    }
}
