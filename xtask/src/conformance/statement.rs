//! The numbered statements of MQTT 3.1.1 and 5.0, read from the tables in `docs/conformance`.

use std::collections::BTreeMap;
use std::fmt;

use crate::tree::Tree;

/// An edition of the specification that numbers its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Edition {
    V3_1_1,
    V5,
}

impl Edition {
    pub(crate) const ALL: [Self; 2] = [Self::V3_1_1, Self::V5];

    /// Its number, as the tables and citations write it.
    pub(crate) const fn number(self) -> &'static str {
        match self {
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5.0",
        }
    }

    /// The edition with this number.
    pub(crate) fn from_number(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.number() == number)
    }

    const fn table_path(self) -> &'static str {
        match self {
            Self::V3_1_1 => "docs/conformance/mqtt311-statements.tsv",
            Self::V5 => "docs/conformance/mqtt5-statements.tsv",
        }
    }
}

/// One statement: the two editions number theirs alike, so the edition is part of the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StatementId {
    pub(crate) edition: Edition,
    /// The numbers in `MQTT-3.1.2-22`, so that statements sort as the specification orders them.
    numbers: Vec<u32>,
}

impl StatementId {
    /// Reads `MQTT-3.1.2-22`.
    pub(crate) fn parse(text: &str, edition: Edition) -> Option<Self> {
        let (section, number) = text.strip_prefix("MQTT-")?.split_once('-')?;
        let numbers: Vec<u32> =
            section.split('.').chain([number]).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        (numbers.len() > 2).then_some(Self { edition, numbers })
    }

    /// The name without the edition.
    pub(crate) fn name(&self) -> String {
        let (number, section) = self.numbers.split_last().expect("an id has at least three numbers");
        let section: Vec<String> = section.iter().map(u32::to_string).collect();
        format!("MQTT-{}-{number}", section.join("."))
    }
}

impl fmt::Display for StatementId {
    /// As a citation writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.edition {
            Edition::V5 => f.write_str(&self.name()),
            Edition::V3_1_1 => write!(f, "{} of 3.1.1", self.name()),
        }
    }
}

/// What the table says about a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Who must act: client, server or both.
    pub(crate) binds: String,
    pub(crate) topic: String,
    /// Whether a client library has anything to do for it.
    pub(crate) has_client_duty: bool,
}

/// All statements of both editions.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    pub(crate) by_id: BTreeMap<StatementId, Statement>,
}

impl Statements {
    /// Reads both tables.
    pub(crate) fn load(tree: &Tree) -> Result<Self, String> {
        let mut statements = Self::default();
        for edition in Edition::ALL {
            let path = edition.table_path();
            let text = tree.text(path).ok_or_else(|| format!("{path} is missing"))?;
            for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
                let (id, statement) =
                    parse_row(line, edition).map_err(|error| format!("{path}:{}: {error}", index + 1))?;
                if statements.by_id.insert(id.clone(), statement).is_some() {
                    return Err(format!("{path}:{}: {id} appears twice", index + 1));
                }
            }
        }
        Ok(statements)
    }
}

fn parse_row(line: &str, edition: Edition) -> Result<(StatementId, Statement), String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, binds, topic, _, duty] = fields.as_slice() else {
        return Err(format!("{} fields instead of 5", fields.len()));
    };
    let id =
        StatementId::parse(id, edition).ok_or_else(|| format!("`{id}` is not the name of a statement"))?;
    let has_client_duty = !matches!(*duty, "-" | "");
    Ok((id, Statement { binds: (*binds).to_owned(), topic: (*topic).to_owned(), has_client_duty }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree with small tables and these files.
    pub(crate) fn tree_with(files: &[(&str, &str)]) -> Tree {
        let header = "id\tbinds\ttopic\tparaphrase\tclient_duty";
        let row = |id: &str, duty: &str| format!("MQTT-{id}\tboth\tt\tp\t{duty}");
        let v3 =
            [header.to_owned(), row("1.1.1-1", "do"), row("1.1.1-2", "do"), row("1.1.1-3", "-")].join("\n");
        let v5 = [header.to_owned()].into_iter().chain((1..=9).map(|n| row(&format!("1.1.1-{n}"), "do")));
        let v5: Vec<String> = v5.collect();
        let tables = [(Edition::V3_1_1.table_path(), v3), (Edition::V5.table_path(), v5.join("\n"))];
        let tables = tables.map(|(path, text)| (path.to_owned(), text));
        Tree::from_files(
            tables
                .into_iter()
                .chain(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))),
        )
    }

    #[test]
    fn the_projects_own_tables_have_all_statements() {
        let statements = Statements::load(&Tree::load(&crate::root()).unwrap()).unwrap();
        for (edition, rows, duties) in [(Edition::V3_1_1, 141, 124), (Edition::V5, 251, 224)] {
            let of_edition = || statements.by_id.iter().filter(|(id, _)| id.edition == edition);
            assert_eq!(of_edition().count(), rows);
            assert_eq!(of_edition().filter(|(_, statement)| statement.has_client_duty).count(), duties);
        }
    }

    #[test]
    fn names_are_parsed_printed_and_sorted_by_number() {
        let id = |text| StatementId::parse(text, Edition::V3_1_1);
        assert_eq!(id("MQTT-3.1.2-22").unwrap().to_string(), "MQTT-3.1.2-22 of 3.1.1");
        assert!(id("MQTT-3.1.2-9").unwrap() < id("MQTT-3.1.2-22").unwrap());
        for bad in ["3.1.2-22", "MQTT-3.1.2", "MQTT-3.1.2-1..3", "MQTT-3-1", "MQTT-3.1.2-x"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_broken_table_is_refused() {
        let load = |v5: &str| {
            let mut tree = tree_with(&[]);
            tree.texts[1].text = v5.to_owned();
            Statements::load(&tree).map(|_| ()).unwrap_err()
        };
        assert!(load("h\nMQTT-1.1.1-1\tboth").ends_with("mqtt5-statements.tsv:2: 2 fields instead of 5"));
        assert!(load("h\nMQTT-1\tb\tt\tp\td").contains("`MQTT-1` is not the name"));
        let row = "MQTT-1.1.1-1\tb\tt\tp\td";
        assert!(load(&format!("h\n{row}\n{row}")).ends_with(":3: MQTT-1.1.1-1 appears twice"));
    }
}
