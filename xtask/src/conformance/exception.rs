//! Statements with a client duty that count apart, each with a reason, read from `docs/conformance/exceptions.tsv`.

use std::collections::BTreeMap;

use crate::conformance::statement::{Edition, StatementId, Statements};
use crate::tree::Tree;

const PATH: &str = "docs/conformance/exceptions.tsv";

/// Why a statement counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The duty is one of another crate: transport, WebSocket, shell.
    Elsewhere,
    /// Bowline deliberately does something else.
    Deviation,
    /// The duty belongs to a feature that is not built yet.
    Seam,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Elsewhere, Self::Deviation, Self::Seam];

    /// The word in the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Deviation => "deviation",
            Self::Seam => "seam",
        }
    }
}

/// The kind and the reason, by statement.
pub(crate) type Exceptions = BTreeMap<StatementId, (Kind, String)>;

/// Reads the table. Each row must be a statement with a client duty and have a kind and a reason.
pub(crate) fn load(tree: &Tree, statements: &Statements) -> Result<Exceptions, String> {
    let text = tree.text(PATH).ok_or_else(|| format!("{PATH} is missing"))?;
    let mut exceptions = Exceptions::new();
    for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let place = |error: String| format!("{PATH}:{}: {error}", index + 1);
        let (id, kind, reason) = parse_row(line, statements).map_err(place)?;
        if exceptions.insert(id.clone(), (kind, reason)).is_some() {
            return Err(place(format!("{id} appears twice")));
        }
    }
    Ok(exceptions)
}

fn parse_row(line: &str, statements: &Statements) -> Result<(StatementId, Kind, String), String> {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    let [name, edition, word, reason] = fields.as_slice() else {
        return Err(format!("{} fields instead of 4: id, edition, kind, reason", fields.len()));
    };
    let id = Edition::from_number(edition).and_then(|edition| StatementId::parse(name, edition));
    let id = id.ok_or_else(|| format!("`{name}` of `{edition}` is not the name of a statement"))?;
    let statement = statements.by_id.get(&id).ok_or_else(|| format!("{id} is in no table"))?;
    if !statement.has_client_duty {
        return Err(format!("{id} has no client duty and needs no exception"));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == *word);
    let kind = kind.ok_or_else(|| format!("`{word}` is not a kind: write elsewhere, deviation or seam"))?;
    if reason.is_empty() {
        return Err(format!("{id} has no reason"));
    }
    Ok((id, kind, (*reason).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::statement::tests::tree_with;

    fn load_rows(rows: &str) -> Result<Exceptions, String> {
        let tree = tree_with(&[(PATH, &format!("id\tedition\tkind\treason\n{rows}"))]);
        load(&tree, &Statements::load(&tree).unwrap())
    }

    #[test]
    fn a_row_has_a_duty_a_kind_and_a_reason() {
        let exceptions = load_rows("MQTT-1.1.1-2\t3.1.1\tseam\tnot built").unwrap();
        let id = StatementId::parse("MQTT-1.1.1-2", Edition::V3_1_1).unwrap();
        assert_eq!(exceptions[&id], (Kind::Seam, "not built".to_owned()));
        let bad = [
            ("MQTT-1.1.1-1\t5.0\tseam", "3 fields"),
            ("MQTT-1.1.1-1\t4\tseam\tr", "of `4` is not"),
            ("MQTT-9.1.1-1\t5.0\tseam\tr", "is in no table"),
            ("MQTT-1.1.1-3\t3.1.1\tseam\tr", "has no client duty"),
            ("MQTT-1.1.1-1\t5.0\tlater\tr", "`later` is not a kind"),
            ("MQTT-1.1.1-1\t5.0\tseam\t ", "has no reason"),
            ("MQTT-1.1.1-1\t5.0\tseam\tr\nMQTT-1.1.1-1\t5.0\tseam\tr", ":3: MQTT-1.1.1-1 appears twice"),
        ];
        for (rows, expected) in bad {
            let error = load_rows(rows).unwrap_err();
            assert!(error.contains(expected), "{rows}: {error}");
        }
    }
}
