//! Pages whose tables name the tests that show what they say: every row names at least one that runs everywhere, and every
//! name is a test's. Knows how pages and sources are written, not what they say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn of_workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The text of a page.
fn page(path: &str) -> String {
    std::fs::read_to_string(of_workspace(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sources below a folder, one text for each file.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(&path).expect("a source is text"));
        }
    }
    found
}

/// Every test of the workspace, and whether it runs without being asked for.
fn tests() -> BTreeMap<String, bool> {
    let mut tests = BTreeMap::new();
    for source in sources(&of_workspace("crates")) {
        let mut lines = source.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if !line.starts_with("#[test]") && !line.starts_with("#[tokio::test") {
                continue;
            }
            let mut runs = true;
            for line in lines.by_ref() {
                runs &= !line.starts_with("#[ignore");
                let Some((_, function)) = line.split_once("fn ") else { continue };
                let name = function.split('(').next().expect("a name").to_owned();
                *tests.entry(name).or_insert(false) |= runs;
                break;
            }
        }
    }
    tests
}

/// The rows of a page below each of its headings.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading, Vec::new()));
        } else if line.starts_with("| ")
            && let Some((_, rows)) = sections.last_mut()
        {
            rows.push(line);
        }
    }
    for (heading, rows) in &mut sections {
        assert!(rows.len() > 1, "{heading} has a table with a row below its head");
        rows.remove(0);
    }
    sections
}

/// Checks every row; how many there are.
fn check(page: &str) -> usize {
    let tests = tests();
    let mut checked = 0;
    for (heading, rows) in rows(page) {
        for row in rows {
            let names: Vec<&str> =
                row.rsplit('|').nth(1).expect("a last column").split('`').skip(1).step_by(2).collect();
            for name in &names {
                assert!(tests.contains_key(*name), "{heading}: there is no test {name}");
            }
            let has_one_that_runs = names.iter().any(|name| tests[*name]);
            assert!(has_one_that_runs, "{heading}: no test that runs everywhere shows this: {row}");
            checked += 1;
        }
    }
    checked
}

#[test]
fn every_inbound_rule_has_clauses_and_every_clause_a_test_that_exists() {
    let page = page("docs/inbound.md");
    let headings: Vec<&str> = rows(&page).into_iter().map(|(heading, _)| heading).collect();
    assert_eq!(headings.len(), 14, "{headings:?}");
    for (number, heading) in (1..).zip(headings) {
        assert!(heading.starts_with(&format!("{number}. ")), "rule {number} is in its place: {heading}");
    }
    assert!(check(&page) >= 14 * 2);
}

#[test]
fn everything_that_other_clients_taught_us_has_a_test_that_exists() {
    assert!(check(&page("docs/peers.md")) >= 25);
}
