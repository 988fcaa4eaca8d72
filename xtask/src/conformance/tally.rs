//! What is known about each statement with a client duty, and the counts. Owns the definition of "missing".
//!
//! A statement is *done* if shipped code cites it and a test that runs does. It is *missing* if it is not done and is not
//! listed in the table of exceptions. Nothing else makes it count: no mention, no ignored test.

use std::collections::{BTreeMap, BTreeSet};

use crate::conformance::citation::{Citation, Place, citations};
use crate::conformance::exception::{self, Kind};
use crate::conformance::statement::{Edition, Statement, StatementId, Statements};
use crate::tree::Tree;

/// A statement with a client duty and where it is cited.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) statement: Statement,
    /// The files whose shipped code cites it.
    pub(crate) enforced_in: BTreeSet<String>,
    /// The names of the tests that cite it.
    pub(crate) tested_by: BTreeSet<String>,
    pub(crate) exception: Option<(Kind, String)>,
}

impl Row {
    /// Whether shipped code and a running test cite it.
    pub(crate) fn is_done(&self) -> bool {
        !self.enforced_in.is_empty() && !self.tested_by.is_empty()
    }

    /// Whether it is neither done nor an exception.
    pub(crate) fn is_missing(&self) -> bool {
        self.exception.is_none() && !self.is_done()
    }
}

/// All statements with a client duty.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) rows: BTreeMap<StatementId, Row>,
}

/// The numbers for one edition. `duty` is the sum of `done`, `excepted` and `missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) duty: usize,
    pub(crate) enforced: usize,
    pub(crate) tested: usize,
    /// Both, exceptions left out.
    pub(crate) done: usize,
    /// By kind, in the order of `Kind::ALL`.
    pub(crate) excepted: [usize; 3],
    pub(crate) missing: usize,
}

impl Tally {
    /// Reads the tables and the citations of the tree.
    pub(crate) fn load(tree: &Tree) -> Result<Self, String> {
        let statements = Statements::load(tree)?;
        let mut exceptions = exception::load(tree, &statements)?;
        let with_duty = statements.by_id.into_iter().filter(|(_, statement)| statement.has_client_duty);
        let mut rows: BTreeMap<StatementId, Row> = with_duty
            .map(|(id, statement)| (id.clone(), empty_row(statement, exceptions.remove(&id))))
            .collect();
        // The broker is the other side: what it enforces and tests is not the client's.
        let is_the_clients = |citation: &Citation| !citation.path.starts_with("crates/bowline-broker/");
        for citation in citations(tree).into_iter().filter(is_the_clients) {
            let Some(row) = rows.get_mut(&citation.id) else { continue };
            match citation.place {
                Place::Enforcement => _ = row.enforced_in.insert(citation.path),
                Place::Test(name) => _ = row.tested_by.insert(name),
                Place::Mention | Place::IgnoredTest(_) | Place::Stray => {}
            }
        }
        refuse_outdated(&rows)?;
        Ok(Self { rows })
    }

    /// The missing statements, in the order of the specification.
    pub(crate) fn missing(&self) -> BTreeSet<StatementId> {
        self.rows.iter().filter(|(_, row)| row.is_missing()).map(|(id, _)| id.clone()).collect()
    }

    /// The rows of one edition.
    pub(crate) fn of(&self, edition: Edition) -> impl Iterator<Item = (&StatementId, &Row)> {
        self.rows.iter().filter(move |(id, _)| id.edition == edition)
    }

    /// The numbers of one edition.
    pub(crate) fn counts(&self, edition: Edition) -> Counts {
        let count =
            |is_counted: &dyn Fn(&Row) -> bool| self.of(edition).filter(|(_, row)| is_counted(row)).count();
        let of_kind = |kind| count(&|row| row.exception.as_ref().is_some_and(|(found, _)| *found == kind));
        Counts {
            duty: count(&|_| true),
            enforced: count(&|row| !row.enforced_in.is_empty()),
            tested: count(&|row| !row.tested_by.is_empty()),
            done: count(&|row| row.is_done() && row.exception.is_none()),
            excepted: Kind::ALL.map(of_kind),
            missing: count(&Row::is_missing),
        }
    }
}

fn empty_row(statement: Statement, exception: Option<(Kind, String)>) -> Row {
    Row { statement, enforced_in: BTreeSet::new(), tested_by: BTreeSet::new(), exception }
}

/// A duty said to be for later that is done by now is no exception any more. A deviation stays one.
fn refuse_outdated(rows: &BTreeMap<StatementId, Row>) -> Result<(), String> {
    let is_outdated =
        |row: &Row| row.is_done() && row.exception.as_ref().is_some_and(|(kind, _)| *kind != Kind::Deviation);
    let outdated: Vec<String> =
        rows.iter().filter(|(_, row)| is_outdated(row)).map(|(id, _)| id.to_string()).collect();
    if outdated.is_empty() {
        return Ok(());
    }
    Err(format!("enforced and tested by now, take them out of exceptions.tsv: {}", outdated.join(", ")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::conformance::statement::tests::tree_with;

    /// One statement done, one enforced, one tested, one mentioned, one with an ignored test, two exceptions.
    pub(crate) fn sample(exceptions: &str) -> Tree {
        let source = "\
// [MQTT-1.1.1-1]
fn a() {} // [MQTT-1.1.1-2]
/// [MQTT-1.1.1-4]
struct A;
#[cfg(test)]
mod tests {
    // [MQTT-1.1.1-1] [MQTT-1.1.1-3]
    #[test]
    fn it_works() {}
    // [MQTT-1.1.1-2]
    #[test]
    #[ignore = \"slow\"]
    fn it_sleeps() {}
}
";
        let exceptions = format!("id\tedition\tkind\treason\n{exceptions}");
        tree_with(&[("crates/x/src/a.rs", source), ("docs/conformance/exceptions.tsv", &exceptions)])
    }

    #[test]
    fn only_what_code_and_a_running_test_cite_is_done() {
        let tally =
            Tally::load(&sample("MQTT-1.1.1-8\t5.0\tseam\tr\nMQTT-1.1.1-9\t5.0\tdeviation\tr")).unwrap();
        let v5 = Counts { duty: 9, enforced: 2, tested: 2, done: 1, excepted: [0, 1, 1], missing: 6 };
        assert_eq!(tally.counts(Edition::V5), v5);
        let v3 = Counts { duty: 2, enforced: 0, tested: 0, done: 0, excepted: [0, 0, 0], missing: 2 };
        assert_eq!(tally.counts(Edition::V3_1_1), v3);
        let missing: Vec<String> = tally.missing().iter().map(StatementId::to_string).collect();
        assert_eq!(missing[..3], ["MQTT-1.1.1-1 of 3.1.1", "MQTT-1.1.1-2 of 3.1.1", "MQTT-1.1.1-2"]);
    }

    #[test]
    fn what_the_broker_cites_does_not_count_for_the_client() {
        let source = "// [MQTT-1.1.1-1]\nfn a() {}\n// [MQTT-1.1.1-1]\n#[test]\nfn it_works() {}";
        let done_in = |path| {
            let exceptions = "id\tedition\tkind\treason\n";
            let tree = tree_with(&[(path, source), ("docs/conformance/exceptions.tsv", exceptions)]);
            Tally::load(&tree).unwrap().counts(Edition::V5).done
        };
        assert_eq!(done_in("crates/bowline-broker/src/a.rs"), 0);
        assert_eq!(done_in("crates/bowline/src/a.rs"), 1);
    }

    #[test]
    fn an_exception_that_is_done_is_refused_unless_it_is_a_deviation() {
        let error = Tally::load(&sample("MQTT-1.1.1-1\t5.0\tseam\tr")).unwrap_err();
        assert!(error.ends_with("exceptions.tsv: MQTT-1.1.1-1"), "{error}");
        let tally = Tally::load(&sample("MQTT-1.1.1-1\t5.0\tdeviation\tr")).unwrap();
        assert_eq!(tally.counts(Edition::V5).done, 0);
    }
}
