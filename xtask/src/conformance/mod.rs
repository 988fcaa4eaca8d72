//! Which statements of the specification the code enforces and the tests test. Must not know the other house rules.

mod citation;
mod exception;
mod matrix;
mod ratchet;
mod statement;
mod tally;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::say;
use crate::tree::Tree;

pub(crate) use citation::{Place, citations, malformed};
use statement::StatementId;
pub(crate) use statement::Statements;
#[cfg(test)]
pub(crate) use statement::tests::tree_with;
use tally::Tally;

const MATRIX: &str = "docs/conformance/matrix.md";
const ACCEPTED: &str = "docs/conformance/accepted-missing.tsv";

/// What the command does besides printing the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the matrix and shrink the list of accepted gaps; fail if the list would have to grow.
    Write,
    /// Write both, let the list grow too.
    Accept,
    /// Write nothing, fail if either file is not what would be written.
    Check,
    /// Write nothing, fail if anything is missing.
    Strict,
}

/// `cargo xtask conformance`.
pub(crate) fn command(root: &Path, mode: Mode) -> Result<(), String> {
    let tree = Tree::load(root)?;
    let tally = Tally::load(&tree)?;
    say(&matrix::summary(&tally));
    let missing = tally.missing();
    let page = matrix::page(&tally);
    match mode {
        Mode::Strict if missing.is_empty() => Ok(()),
        Mode::Strict => Err(format!("{} statements are missing", missing.len())),
        Mode::Check => check(&tree, &missing, &page),
        Mode::Write | Mode::Accept => {
            if mode == Mode::Write {
                ratchet::refuse_growth(&accepted(&tree)?, &missing)?;
            }
            write(root, MATRIX, &page)?;
            write(root, ACCEPTED, &ratchet::print(&missing))
        }
    }
}

fn check(tree: &Tree, missing: &BTreeSet<StatementId>, page: &str) -> Result<(), String> {
    ratchet::refuse_growth(&accepted(tree)?, missing)?;
    for (path, wanted) in [(MATRIX, page), (ACCEPTED, &ratchet::print(missing))] {
        if tree.text(path) != Some(wanted) {
            return Err(format!(
                "{path} is not current: run `cargo xtask conformance` and commit what it writes"
            ));
        }
    }
    Ok(())
}

fn accepted(tree: &Tree) -> Result<BTreeSet<StatementId>, String> {
    let text = tree.text(ACCEPTED).ok_or_else(|| format!("{ACCEPTED} is missing"))?;
    ratchet::parse(text).map_err(|error| format!("{ACCEPTED}: {error}"))
}

fn write(root: &Path, path: &str, text: &str) -> Result<(), String> {
    fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_is_missing_that_was_not_before() {
        let tree = Tree::load(&crate::root()).unwrap();
        let tally = Tally::load(&tree).unwrap();
        ratchet::refuse_growth(&accepted(&tree).unwrap(), &tally.missing()).unwrap();
    }

    #[test]
    fn the_check_fails_on_an_outdated_page_or_list() {
        let mut tree = tally::tests::sample("");
        let tally = Tally::load(&tree).unwrap();
        let (missing, page) = (tally.missing(), matrix::page(&tally));
        let add = |tree: &mut Tree, path: &str, text: &str| {
            tree.texts.push(crate::tree::TextFile { path: path.to_owned(), text: text.to_owned() });
        };
        add(&mut tree, MATRIX, &page);
        add(&mut tree, ACCEPTED, &ratchet::print(&missing));
        assert_eq!(check(&tree, &missing, &page), Ok(()));
        assert!(check(&tree, &missing, "new").unwrap_err().starts_with(MATRIX));
        let fewer: BTreeSet<StatementId> = missing.into_iter().skip(1).collect();
        assert!(check(&tree, &fewer, &page).unwrap_err().starts_with(ACCEPTED));
    }
}
