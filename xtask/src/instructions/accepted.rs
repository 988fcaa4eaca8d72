//! The accepted figures, how they are stored, and when a new figure is too high. Must not know how figures are measured.

use std::collections::BTreeMap;

/// How far a figure may rise above the accepted one.
const TOLERANCE: f64 = 0.05;
/// Allocations are counted in whole ones over many repetitions; below this a difference is chance.
const ALLOCATIONS_SLACK: f64 = 0.01;

const TABLE_BEGIN: &str = "<!-- instructions: begin -->";
const TABLE_END: &str = "<!-- instructions: end -->";

/// What one repetition of a scenario costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Price {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// A price beside the accepted one.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    name: String,
    price: Price,
    accepted: Option<Price>,
}

impl Comparison {
    pub(crate) fn new(name: &str, price: Price, accepted: Option<Price>) -> Self {
        Self { name: name.to_owned(), price, accepted }
    }

    /// What is wrong with it, if anything: a rise, or nothing to compare with.
    fn complaint(&self) -> Option<String> {
        let Self { name, price, accepted } = self;
        let Some(accepted) = accepted else { return Some(format!("{name} has no accepted figure")) };
        if price.instructions > accepted.instructions * (1.0 + TOLERANCE) {
            let (now, before) = (price.instructions, accepted.instructions);
            return Some(format!(
                "{name} takes {now:.0} instructions, accepted are {before:.0} and 5 % more"
            ));
        }
        if price.allocations > accepted.allocations * (1.0 + TOLERANCE) + ALLOCATIONS_SLACK {
            let (now, before) = (price.allocations, accepted.allocations);
            return Some(format!("{name} takes {now:.2} allocations, accepted are {before:.2}"));
        }
        None
    }
}

/// Fails if any figure is too high, has no accepted one, or if an accepted one is measured no more.
pub(crate) fn judge(comparisons: &[Comparison], accepted: &BTreeMap<String, Price>) -> Result<(), String> {
    let is_measured = |name: &String| comparisons.iter().any(|comparison| comparison.name == *name);
    let gone =
        accepted.keys().filter(|name| !is_measured(name)).map(|name| format!("{name} is measured no more"));
    let complaints: Vec<String> = comparisons.iter().filter_map(Comparison::complaint).chain(gone).collect();
    if complaints.is_empty() {
        return Ok(());
    }
    let advice =
        "if that is meant, run `cargo xtask instructions --accept` and give the reason in the commit";
    Err(format!("{}\n{advice}", complaints.join("\n")))
}

/// The figures and how they changed.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut lines = vec![format!(
        "{:34}{:>13}{:>10}{:>9}{:>13}{:>10}",
        "per operation", "instructions", "accepted", "change", "allocations", "accepted"
    )];
    for Comparison { name, price, accepted } in comparisons {
        let figures = format!("{name:34}{:>13.0}", price.instructions);
        lines.push(match accepted {
            Some(accepted) => {
                let change = (price.instructions / accepted.instructions - 1.0) * 100.0;
                let (before, now) = (accepted.allocations, price.allocations);
                format!("{figures}{:>10.0}{change:>+8.1}%{now:>13.2}{before:>10.2}", accepted.instructions)
            }
            None => format!("{figures}{:>10}{:>9}{:>13.2}{:>10}", "-", "-", price.allocations, "-"),
        });
    }
    lines.join("\n")
}

/// Reads the file.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Price>, String> {
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        let instructions = fields.next()?.parse().ok()?;
        let allocations = fields.next()?.parse().ok()?;
        Some((name, Price { instructions, allocations }))
    };
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).skip(1);
    rows.map(|line| row(line).ok_or_else(|| format!("`{line}` is not a scenario and two numbers"))).collect()
}

/// The file's text.
pub(crate) fn print(measured: &[(String, Price)], rustc: &str) -> String {
    let mut text = format!(
        "# Written by `cargo xtask instructions --accept` with rustc {rustc}.\nscenario\tinstructions\tallocations\n"
    );
    for (name, Price { instructions, allocations }) in measured {
        text += &format!("{name}\t{instructions:.1}\t{allocations:.2}\n");
    }
    text
}

/// The page with its table replaced by these figures.
pub(crate) fn with_table(page: &str, measured: &[(String, Price)], rustc: &str) -> Option<String> {
    let (before, rest) = page.split_once(TABLE_BEGIN)?;
    let (_, after) = rest.split_once(TABLE_END)?;
    let mut table =
        format!("With rustc {rustc}:\n\n| operation | instructions | allocations |\n|---|---|---|\n");
    for (name, Price { instructions, allocations }) in measured {
        table += &format!("| {name} | {instructions:.0} | {allocations:.2} |\n");
    }
    Some(format!("{before}{TABLE_BEGIN}\n{table}{TABLE_END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(instructions: f64, allocations: f64) -> Price {
        Price { instructions, allocations }
    }

    fn verdict(now: Price, before: Price) -> Result<(), String> {
        let accepted = BTreeMap::from([("encode".to_owned(), before)]);
        judge(&[Comparison::new("encode", now, Some(before))], &accepted)
    }

    #[test]
    fn five_percent_more_is_accepted_and_six_are_not() {
        assert_eq!(verdict(price(105.0, 0.0), price(100.0, 0.0)), Ok(()));
        assert_eq!(verdict(price(10.0, 0.0), price(100.0, 0.0)), Ok(()));
        let error = verdict(price(106.0, 0.0), price(100.0, 0.0)).unwrap_err();
        assert!(error.starts_with("encode takes 106 instructions, accepted are 100 and 5 % more"), "{error}");
    }

    #[test]
    fn an_allocation_more_is_not_accepted() {
        assert_eq!(verdict(price(1.0, 1.05), price(1.0, 1.0)), Ok(()));
        assert!(verdict(price(1.0, 2.0), price(1.0, 1.0)).is_err());
        assert!(verdict(price(1.0, 1.0), price(1.0, 0.0)).is_err());
    }

    #[test]
    fn a_new_scenario_and_one_that_is_gone_are_reported() {
        let accepted = BTreeMap::from([("old".to_owned(), price(1.0, 0.0))]);
        let error = judge(&[Comparison::new("new", price(1.0, 0.0), None)], &accepted).unwrap_err();
        assert!(error.starts_with("new has no accepted figure\nold is measured no more\n"), "{error}");
    }

    #[test]
    fn the_file_survives_being_printed_and_read() {
        let measured = [("a b".to_owned(), price(182.0, 0.5)), ("c".to_owned(), price(7.0, 0.0))];
        assert_eq!(parse(&print(&measured, "1.95.0")), Ok(BTreeMap::from(measured)));
        assert!(parse("h\nname\tmany\t0").is_err());
    }

    #[test]
    fn the_table_on_the_page_is_replaced_and_the_rest_stays() {
        let page = format!("before\n{TABLE_BEGIN}\nold\n{TABLE_END}\nafter\n");
        let page = with_table(&page, &[("a".to_owned(), price(7.2, 0.5))], "1.95.0").unwrap();
        assert!(
            page.starts_with("before\n")
                && page.ends_with(&format!("| a | 7 | 0.50 |\n{TABLE_END}\nafter\n")),
            "{page}"
        );
        assert!(!page.contains("old"));
        assert_eq!(with_table("no table", &[], "1.95.0"), None);
    }

    #[test]
    fn the_table_shows_changes_both_ways() {
        let comparisons = [
            Comparison::new("a", price(110.0, 1.0), Some(price(100.0, 1.0))),
            Comparison::new("b", price(90.0, 0.0), Some(price(100.0, 0.0))),
            Comparison::new("c", price(5.0, 0.0), None),
        ];
        let table = table(&comparisons);
        assert!(table.contains("+10.0%") && table.contains("-10.0%"), "{table}");
        assert_eq!(table.lines().count(), 4);
    }
}
