//! The matrix as a page, `docs/conformance/matrix.md`, and the summary as text. Owns how the tally is shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::conformance::exception::Kind;
use crate::conformance::statement::Edition;
use crate::conformance::tally::{Row, Tally};

const INTRODUCTION: &str = "\
# Conformance matrix

Written by `cargo xtask conformance`; do not edit. What counts is said in [README.md](README.md).
Rows without a client duty are left out.
";

/// The numbers, and the missing statements by name.
pub(crate) fn summary(tally: &Tally) -> String {
    let mut lines = vec![format!(
        "{:8}{:>8}{:>10}{:>8}{:>6}{:>11}{:>11}{:>6}{:>9}",
        "edition", "duties", "enforced", "tested", "both", "elsewhere", "deviation", "seam", "missing"
    )];
    for edition in Edition::ALL {
        let counts = tally.counts(edition);
        let [elsewhere, deviation, seam] = counts.excepted;
        lines.push(format!(
            "{:8}{:>8}{:>10}{:>8}{:>6}{elsewhere:>11}{deviation:>11}{seam:>6}{:>9}",
            edition.number(),
            counts.duty,
            counts.enforced,
            counts.tested,
            counts.done,
            counts.missing
        ));
    }
    for edition in Edition::ALL {
        let missing: Vec<String> = tally
            .of(edition)
            .filter(|(_, row)| row.is_missing())
            .map(|(id, row)| id.name() + lack(row))
            .collect();
        lines.push(format!(
            "missing in {}: {}",
            edition.number(),
            if missing.is_empty() { "none" } else { "" }
        ));
        lines.extend(missing.chunks(6).map(|names| format!("  {}", names.join(", "))));
    }
    lines.join("\n")
}

fn lack(row: &Row) -> &'static str {
    match (row.enforced_in.is_empty(), row.tested_by.is_empty()) {
        (false, true) => " (untested)",
        (true, false) => " (tested, not enforced)",
        _ => "",
    }
}

/// The page.
pub(crate) fn page(tally: &Tally) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(
        "\n| edition | duties | enforced | tested | both | elsewhere | deviation | seam | missing |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for edition in Edition::ALL {
        let counts = tally.counts(edition);
        let [elsewhere, deviation, seam] = counts.excepted;
        let (number, duty, enforced, tested) =
            (edition.number(), counts.duty, counts.enforced, counts.tested);
        let (done, missing) = (counts.done, counts.missing);
        let numbers = format!(
            "{duty} | {enforced} | {tested} | {done} | {elsewhere} | {deviation} | {seam} | {missing}"
        );
        _ = writeln!(page, "| {number} | {numbers} |");
    }
    for edition in Edition::ALL {
        _ = writeln!(
            page,
            "\n## MQTT {}\n\n| statement | about | state | enforced in | tested by |",
            edition.number()
        );
        page.push_str("|---|---|---|---|---|\n");
        for (id, row) in tally.of(edition) {
            let (about, state) = (&row.statement.topic, state(row));
            let (files, tests) = (list(&row.enforced_in), list(&row.tested_by));
            _ = writeln!(page, "| {} | {about} | {state} | {files} | {tests} |", id.name());
        }
    }
    page
}

fn state(row: &Row) -> String {
    match &row.exception {
        Some((kind, reason)) => format!("{}: {reason}", Kind::word(*kind)),
        None if row.is_done() => "done".to_owned(),
        None => format!("missing{}", lack(row)),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> =
        names.iter().map(|name| format!("`{}`", name.strip_prefix("crates/").unwrap_or(name))).collect();
    names.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::tally::tests::sample;

    fn tally() -> Tally {
        Tally::load(&sample("MQTT-1.1.1-8\t5.0\tseam\tnot built")).unwrap()
    }

    #[test]
    fn the_page_shows_each_statement_with_its_state_and_places() {
        let page = page(&tally());
        for line in [
            "| 5.0 | 9 | 2 | 2 | 1 | 0 | 0 | 1 | 7 |",
            "| MQTT-1.1.1-1 | t | done | `x/src/a.rs` | `it_works` |",
            "| MQTT-1.1.1-2 | t | missing (untested) | `x/src/a.rs` |  |",
            "| MQTT-1.1.1-8 | t | seam: not built |  |  |",
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line}\n{page}");
        }
    }

    #[test]
    fn the_summary_lists_what_is_missing_and_what_it_lacks() {
        let summary = summary(&tally());
        let expected =
            "missing in 5.0: \n  MQTT-1.1.1-2 (untested), MQTT-1.1.1-3 (tested, not enforced), MQTT-1.1.1-4,";
        assert!(summary.contains(expected), "{summary}");
    }
}
