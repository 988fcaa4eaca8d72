//! Citations of the specification: each names a statement that exists, and tests stay readable.

use std::collections::{BTreeMap, BTreeSet};

use crate::conformance::{Place, Statements, citations, malformed};
use crate::tidy::Violation;
use crate::tree::Tree;

const IDS_PER_TEST_MAX: usize = 5;

/// Each cited statement is one statement and stands in the tables.
pub(super) fn cited_statements_exist(tree: &Tree) -> Vec<Violation> {
    let statements = match Statements::load(tree) {
        Ok(statements) => statements,
        Err(error) => return vec![Violation::new("docs/conformance", 1, "citations", error)],
    };
    let mut found: Vec<Violation> = malformed(tree)
        .into_iter()
        .map(|(path, line, problem)| Violation::new(&path, line, "citations", problem))
        .collect();
    for citation in citations(tree).iter().filter(|citation| !statements.by_id.contains_key(&citation.id)) {
        let message =
            format!("{} is in no table: a bare name cites 5.0, ` of 3.1.1` the older edition", citation.id);
        found.push(Violation::new(&citation.path, citation.line, "citations", message));
    }
    found
}

/// A test names at most five statements; in test code nothing but a test names any.
pub(super) fn tests_cite_little_and_in_place(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut by_test: BTreeMap<(String, String), (usize, BTreeSet<_>)> = BTreeMap::new();
    for citation in citations(tree) {
        match citation.place {
            Place::Stray => {
                let message = "test code outside a test cites a statement: move the comment directly above the `#[test]`";
                found.push(Violation::new(&citation.path, citation.line, "citations", message));
            }
            Place::Test(name) | Place::IgnoredTest(name) => {
                let (_, ids) =
                    by_test.entry((citation.path, name)).or_insert((citation.line, BTreeSet::new()));
                ids.insert(citation.id);
            }
            Place::Enforcement | Place::Mention => {}
        }
    }
    for ((path, name), (line, ids)) in by_test.iter().filter(|(_, (_, ids))| ids.len() > IDS_PER_TEST_MAX) {
        let message = format!(
            "the test `{name}` cites {} statements, the limit is {IDS_PER_TEST_MAX}: split it by what can fail",
            ids.len()
        );
        found.push(Violation::new(path, *line, "citations", message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::tree_with;

    #[test]
    fn a_citation_of_an_unknown_statement_or_edition_is_reported() {
        let lines = |comment: &str| {
            let tree = tree_with(&[("crates/x/src/a.rs", &format!("\n// {comment}"))]);
            cited_statements_exist(&tree).iter().map(|violation| violation.line).collect::<Vec<_>>()
        };
        for bad in ["[MQTT-9.9.9-9]", "[MQTT-1.1.1-9 of 3.1.1]", "[MQTT-1.1.1-1..2]"] {
            assert_eq!(lines(bad), [2], "{bad}");
        }
        assert_eq!(lines("[MQTT-1.1.1-9] [MQTT-1.1.1-1 of 3.1.1]"), []);
    }

    #[test]
    fn a_missing_table_is_reported() {
        assert_eq!(cited_statements_exist(&crate::tidy::samples::tree_of(&[])).len(), 1);
    }

    #[test]
    fn six_statements_are_too_many_for_a_test_and_five_are_not() {
        let count = |ids: usize| {
            let cited: String = (1..=ids).map(|n| format!("[MQTT-1.1.1-{n}] ")).collect();
            let text = format!("// {cited}[MQTT-1.1.1-1]\n#[test]\nfn a() {{}}");
            tests_cite_little_and_in_place(&tree_with(&[("crates/x/tests/a.rs", &text)])).len()
        };
        assert_eq!((count(6), count(5)), (1, 0));
    }

    #[test]
    fn a_citation_beside_a_test_is_reported() {
        let text = "// [MQTT-1.1.1-1]\n\n#[test]\nfn a() {}";
        assert_eq!(tests_cite_little_and_in_place(&tree_with(&[("crates/x/tests/a.rs", text)])).len(), 1);
    }
}
