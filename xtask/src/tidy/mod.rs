//! The house rules that can be read off the source. Owns the list of rules and the report; each rule has its own file.
//!
//! Every rule is the absence of something. A rule is a function from the tree to the places that break it, and
//! has tests with a sample that breaks it and one that does not.

mod arrows;
mod circles;
mod citations;
mod manifests;
mod modules;
mod names;
mod purity;
mod size;
mod versions;
mod words;

use std::fmt;
use std::path::Path;

use crate::say;
use crate::tree::Tree;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    rule: &'static str,
    /// What is wrong and what to do.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.message)
    }
}

const RULES: [fn(&Tree) -> Vec<Violation>; 21] = [
    size::file_lines,
    size::function_lines,
    size::first_line,
    size::parses,
    versions::version_is_asked_for_only_where_it_is_known,
    arrows::folders_keep_to_their_side,
    arrows::no_globs,
    circles::no_circles,
    purity::proto_is_no_std,
    purity::proto_is_pure,
    purity::no_unbounded_channels,
    manifests::lints_are_inherited,
    manifests::fuzz_forbids_unsafe,
    manifests::crate_arrows,
    names::file_names,
    names::no_get_prefix,
    words::no_unfinished_work,
    words::ignored_tests_say_why,
    words::no_machine_paths,
    citations::cited_statements_exist,
    citations::tests_cite_little_and_in_place,
];

/// What breaks a rule, in the order of the files.
pub(crate) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut found: Vec<Violation> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    found.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    found
}

/// `cargo xtask tidy`: prints the measures and the violations, and fails if there is one.
pub(crate) fn command(root: &Path) -> Result<(), String> {
    let tree = Tree::load(root)?;
    let found = violations(&tree);
    say(&size::summary(&tree));
    say(&format!(
        "tidy: {} rules, {} Rust files, {} violations",
        RULES.len(),
        tree.sources.len(),
        found.len()
    ));
    if found.is_empty() { Ok(()) } else { Err(listing(&found)) }
}

fn listing(found: &[Violation]) -> String {
    let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
    lines.join("\n")
}

/// Samples for the tests of the rules.
#[cfg(test)]
mod samples {
    use super::Violation;
    use crate::tree::Tree;

    /// A tree of one file.
    pub(super) fn tree(path: &str, text: &str) -> Tree {
        tree_of(&[(path, text)])
    }

    /// A tree of these files.
    pub(super) fn tree_of(files: &[(&str, &str)]) -> Tree {
        Tree::from_files(files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())))
    }

    /// The lines that a rule names in a tree of one file.
    pub(super) fn lines(rule: fn(&Tree) -> Vec<Violation>, path: &str, text: &str) -> Vec<usize> {
        rule(&tree(path, text)).iter().map(|violation| violation.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_the_house_rules() {
        let tree = Tree::load(&crate::root()).unwrap();
        assert!(tree.sources.len() > 20, "only {} Rust files were found", tree.sources.len());
        println!("{}", size::summary(&tree));
        let found = violations(&tree);
        assert!(found.is_empty(), "{} violations:\n{}", found.len(), listing(&found));
    }

    #[test]
    fn a_violation_prints_place_rule_and_advice() {
        let violation = Violation::new("a/b.rs", 7, "some-rule", "is wrong: do it right");
        assert_eq!(violation.to_string(), "a/b.rs:7: [some-rule] is wrong: do it right");
    }
}
