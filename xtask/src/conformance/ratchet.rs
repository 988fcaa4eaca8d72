//! The statements that are accepted to be missing, `docs/conformance/accepted-missing.tsv`: the list may only shrink.

use std::collections::BTreeSet;

use crate::conformance::statement::{Edition, StatementId};

const HEADER: &str = "id\tedition";

/// Reads the list.
pub(crate) fn parse(text: &str) -> Result<BTreeSet<StatementId>, String> {
    let row = |line: &str| {
        let (name, edition) = line.split_once('\t')?;
        StatementId::parse(name, Edition::from_number(edition)?)
    };
    let rows = text.lines().skip(1).filter(|line| !line.is_empty());
    rows.map(|line| row(line).ok_or_else(|| format!("`{line}` is not a statement and an edition"))).collect()
}

/// The list as text.
pub(crate) fn print(missing: &BTreeSet<StatementId>) -> String {
    let rows = missing.iter().map(|id| format!("{}\t{}\n", id.name(), id.edition.number()));
    std::iter::once(format!("{HEADER}\n")).chain(rows).collect()
}

/// Fails if something is missing that was not before.
pub(crate) fn refuse_growth(
    accepted: &BTreeSet<StatementId>,
    missing: &BTreeSet<StatementId>,
) -> Result<(), String> {
    let grown: Vec<String> = missing.difference(accepted).map(StatementId::to_string).collect();
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "missing now and not before: {}: cite them in code and in a test, or list them in exceptions.tsv with a reason",
        grown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "id\tedition\nMQTT-1.1.1-1\t3.1.1\nMQTT-1.1.1-2\t5.0\n";

    #[test]
    fn the_list_survives_being_read_and_printed() {
        assert_eq!(print(&parse(LIST).unwrap()), LIST);
        assert!(parse("id\tedition\nMQTT-1.1.1-1\t3").is_err());
    }

    #[test]
    fn the_list_may_shrink_and_not_grow() {
        let accepted = parse(LIST).unwrap();
        let fewer = parse("id\tedition\nMQTT-1.1.1-2\t5.0\n").unwrap();
        assert_eq!(refuse_growth(&accepted, &fewer), Ok(()));
        let error = refuse_growth(&fewer, &accepted).unwrap_err();
        assert!(error.starts_with("missing now and not before: MQTT-1.1.1-1 of 3.1.1:"), "{error}");
    }
}
