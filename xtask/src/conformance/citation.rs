//! The statements that comments cite, and what each citation counts for.
//!
//! - In shipped code a plain comment, or the doc comment of a function, says: this code enforces the statement.
//!   A doc comment on anything else (a field, a type, a module) only explains, and counts for nothing.
//! - In test code a comment directly above a `#[test]` or inside it says: this test fails if the statement is
//!   broken. An ignored test counts for nothing; a citation elsewhere in test code is out of place.
//!
//! Test code is what stands in a folder `tests`, below `#[cfg(test)]`, or in the testkit. Examples, the fuzz targets and
//! xtask itself cite nothing.

use std::collections::BTreeSet;

use crate::conformance::statement::{Edition, StatementId};
use crate::source::{Comment, CommentKind, Function, SourceFile};
use crate::tree::Tree;

const TEST_CRATES: [&str; 2] = ["bowline-testkit", "bowline-bench"];

/// What a citation counts for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Code that enforces the statement.
    Enforcement,
    /// An explanation that enforces nothing.
    Mention,
    /// The test of this name.
    Test(String),
    /// A test of this name that does not run.
    IgnoredTest(String),
    /// Test code outside any test.
    Stray,
}

/// A statement cited in a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    pub(crate) id: StatementId,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) place: Place,
}

/// All well-formed citations below `crates/`.
pub(crate) fn citations(tree: &Tree) -> Vec<Citation> {
    let mut found = Vec::new();
    for source in citing_sources(tree) {
        let blocks = FunctionBlocks::of(source);
        for comment in &source.comments {
            let ids = cited(&comment.text).into_iter().filter_map(Result::ok);
            let place = place_of(source, &blocks, comment);
            found.extend(ids.map(|id| Citation {
                id,
                path: source.path.clone(),
                line: comment.line,
                place: place.clone(),
            }));
        }
    }
    found
}

/// What looks like a citation and is none: path, line and why.
pub(crate) fn malformed(tree: &Tree) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    for source in citing_sources(tree) {
        for comment in &source.comments {
            let problems =
                cited(&comment.text).into_iter().filter_map(Result::err).chain(range(&comment.text));
            found.extend(problems.map(|problem| (source.path.clone(), comment.line, problem)));
        }
    }
    found
}

fn citing_sources(tree: &Tree) -> impl Iterator<Item = &SourceFile> {
    let is_citing =
        |source: &&SourceFile| source.path.starts_with("crates/") && !source.path.contains("/examples/");
    tree.sources.iter().filter(is_citing)
}

fn place_of(source: &SourceFile, blocks: &FunctionBlocks<'_>, comment: &Comment) -> Place {
    let function = blocks.around(comment.line);
    if let Some(test) = function.filter(|function| function.is_test) {
        let name = test.name.clone();
        return if test.is_ignored { Place::IgnoredTest(name) } else { Place::Test(name) };
    }
    if source.is_test_line(comment.line) || TEST_CRATES.contains(&source.crate_folder()) {
        return Place::Stray;
    }
    match comment.kind {
        CommentKind::Plain => Place::Enforcement,
        CommentKind::OuterDoc if function.is_some() => Place::Enforcement,
        CommentKind::OuterDoc | CommentKind::InnerDoc => Place::Mention,
    }
}

/// The functions of a file with the comments directly above them.
struct FunctionBlocks<'a> {
    blocks: Vec<(usize, &'a Function)>,
}

impl<'a> FunctionBlocks<'a> {
    fn of(source: &'a SourceFile) -> Self {
        let comment_lines: BTreeSet<usize> = source
            .comments
            .iter()
            .filter(|comment| !comment.trails_code)
            .map(|comment| comment.line)
            .collect();
        let block_start = |function: &Function| {
            let mut line = function.item_line;
            while comment_lines.contains(&(line - 1)) {
                line -= 1;
            }
            line
        };
        Self { blocks: source.functions.iter().map(|function| (block_start(function), function)).collect() }
    }

    /// The test around the line or else the innermost function: a helper inside a test is part of the test.
    fn around(&self, line: usize) -> Option<&'a Function> {
        let holds = |(start, function): &&(usize, &Function)| (*start..=function.last_line).contains(&line);
        let around = || self.blocks.iter().filter(holds).map(|(_, function)| *function);
        around().find(|function| function.is_test).or_else(|| around().next_back())
    }
}

/// What stands in `[MQTT-..]` brackets in the text.
fn cited(text: &str) -> Vec<Result<StatementId, String>> {
    let parts = text.split("[MQTT-").skip(1);
    parts.map(|part| parse(part.split_once(']').map(|(inside, _)| inside), part)).collect()
}

fn parse(inside: Option<&str>, part: &str) -> Result<StatementId, String> {
    let refuse = || {
        let shown: String = part.chars().take(24).collect();
        format!(
            "`[MQTT-{shown}` is no citation: write `[MQTT-3.1.2-22]` or `[MQTT-3.1.2-22 of 3.1.1]`, one statement each"
        )
    };
    let inside = format!("MQTT-{}", inside.ok_or_else(refuse)?);
    let (name, edition) = match inside.split_once(" of ") {
        Some((name, "3.1.1")) => (name, Edition::V3_1_1),
        Some(_) => return Err(refuse()),
        None => (inside.as_str(), Edition::V5),
    };
    StatementId::parse(name, edition).ok_or_else(refuse)
}

/// Two citations with nothing but a dash between them claim what they do not name.
fn range(text: &str) -> Option<String> {
    let between = text.split("[MQTT-").skip(1).filter_map(|part| part.split_once(']'));
    let is_range =
        between.map(|(_, after)| after.trim()).any(|after| ["-", "–", "..", "...", "to"].contains(&after));
    (is_range && text.matches("[MQTT-").count() > 1)
        .then(|| "a range of statements: cite each by its own name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::statement::tests::tree_with;

    fn places(path: &str, text: &str) -> Vec<(usize, Place)> {
        citations(&tree_with(&[(path, text)])).into_iter().map(|found| (found.line, found.place)).collect()
    }

    #[test]
    fn code_comments_and_function_docs_enforce_and_other_docs_mention() {
        let text = "\
//! [MQTT-1.1.1-1]
/// A field [MQTT-1.1.1-1].
struct A;

/// Refuses it [MQTT-1.1.1-1].
#[must_use]
fn a() {
    // [MQTT-1.1.1-1]
    b(); // [MQTT-1.1.1-2 of 3.1.1]
}
";
        use Place::{Enforcement, Mention};
        let expected = [(1, Mention), (2, Mention), (5, Enforcement), (8, Enforcement), (9, Enforcement)];
        assert_eq!(places("crates/x/src/a.rs", text), expected);
    }

    #[test]
    fn tests_count_above_and_inside_but_not_beside_and_not_when_ignored() {
        let text = "\
#[cfg(test)]
mod tests {
    // [MQTT-1.1.1-1]
    fn helper() {}

    // [MQTT-1.1.1-1]
    #[test]
    fn runs() {
        // [MQTT-1.1.1-2]
    }
    // [MQTT-1.1.1-1]
    #[test]
    #[ignore = \"slow\"]
    fn sleeps() {}
}
";
        let runs = || Place::Test("runs".to_owned());
        let expected =
            [(3, Place::Stray), (6, runs()), (9, runs()), (11, Place::IgnoredTest("sleeps".to_owned()))];
        assert_eq!(places("crates/x/src/a.rs", text), expected);
    }

    #[test]
    fn the_testkit_is_test_code_and_examples_cite_nothing() {
        let text = "// [MQTT-1.1.1-1]\nfn a() {}";
        assert_eq!(places("crates/bowline-testkit/src/a.rs", text), [(1, Place::Stray)]);
        assert_eq!(places("crates/x/tests/a.rs", text), [(1, Place::Stray)]);
        for path in ["crates/x/examples/a.rs", "fuzz/src/lib.rs", "xtask/src/lib.rs"] {
            assert_eq!(places(path, text), []);
        }
        assert_eq!(places("crates/x/src/a.rs", "const A: &str = \"// [MQTT-1.1.1-1]\";"), []);
    }

    #[test]
    fn what_is_not_one_statement_is_malformed() {
        let bad = [
            "[MQTT-1.1.1-1..3]",
            "[MQTT-1.1.1-1 of 3.1]",
            "[MQTT-1.1.1",
            "[MQTT-1.1.1-1, 2]",
            "[MQTT-1.1.1-1]–[MQTT-1.1.1-3]",
        ];
        for text in bad {
            assert_eq!(
                malformed(&tree_with(&[("crates/x/src/a.rs", &format!("\n// {text}"))])).len(),
                1,
                "{text}"
            );
        }
        let good = "// Refused [MQTT-1.1.1-1] [MQTT-1.1.1-1 of 3.1.1], and [MQTT-1.1.1-2].";
        assert_eq!(malformed(&tree_with(&[("crates/x/src/a.rs", good)])), []);
    }
}
