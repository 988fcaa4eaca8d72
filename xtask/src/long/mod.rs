//! What takes too long for every change, or needs more of a machine than CI promises: parts that are run by name. Owns the
//! list of parts; each has a module.

mod checks;
mod cluster;
mod hosts;
mod network;
mod traffic;

use std::path::Path;
use std::time::Instant;

use crate::say;

type Action = fn(&Path) -> Result<(), String>;

const PARTS: [(&str, Action); 5] = [
    ("features", checks::features),
    ("deny", checks::deny),
    ("store", checks::store),
    ("network", network::command),
    ("cluster", cluster::command),
];

/// `cargo xtask long`: the parts that are named, or all. Goes on after a failure, and fails in the end.
pub(crate) fn command(root: &Path, names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !PARTS.iter().any(|(part, _)| part == *name)) {
        let known: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
        return Err(format!("long: there is no part `{unknown}`; there are {}", known.join(", ")));
    }
    let mut failed = Vec::new();
    for (name, action) in PARTS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        say(&format!("== {name}"));
        let started = Instant::now();
        match action(root) {
            Ok(()) => say(&format!("{name}: passed in {:.1} s", started.elapsed().as_secs_f64())),
            Err(error) => {
                say(&format!("{name}: {error}"));
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("long: failed: {}", failed.join(", "))) }
}
