//! The client's state-transition table, made by driving every state with every input. Decides nothing: what it prints is
//! what the engine does.

mod scene;
mod stimulus;

use std::fmt::Write as _;

use bowline_proto::Version;

pub use scene::{STATES, Scene, State};
pub use stimulus::{Stimulus, packet_of, stimuli};

/// What happened in one state on one stimulus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cell {
    /// The state afterwards, if it is another one.
    pub next: Option<&'static str>,
    /// What came out, in order.
    pub outputs: Vec<String>,
}

/// All that happens in one version: a row per stimulus, a cell per state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The version.
    pub version: Version,
    /// The rows, in the order of [`stimuli`].
    pub rows: Vec<(String, Vec<Cell>)>,
}

const NAME_COLUMNS: usize = 14;
const CELL_COLUMNS: usize = 15;

impl Table {
    /// Drives every state with every stimulus.
    pub fn generate(version: Version) -> Self {
        Self::generate_from(version, |state| Scene::new(version, state))
    }

    /// The same for a client that prefers 5.0 and may fall back to 3.1.1.
    pub fn with_fallback() -> Self {
        Self::generate_from(Version::V5, Scene::with_fallback)
    }

    fn generate_from(version: Version, scene: impl Fn(State) -> Scene) -> Self {
        let row = |stimulus: Stimulus| {
            let cells = STATES.iter().map(|&state| cell(scene(state), stimulus)).collect();
            (stimulus.name(), cells)
        };
        Self { version, rows: stimuli().into_iter().map(row).collect() }
    }

    /// The table as text, at most 110 columns wide.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let heads = STATES.iter().map(|state| vec![state.name().to_owned()]);
        line(&mut text, "", &heads.collect::<Vec<_>>());
        rule(&mut text);
        for (name, cells) in &self.rows {
            let columns: Vec<Vec<String>> = cells.iter().map(Cell::words).collect();
            line(&mut text, name, &columns);
        }
        text
    }

    /// The rows that differ from another table's, as a table.
    #[must_use]
    pub fn differing_from(&self, other: &Self) -> Self {
        let pairs = self.rows.iter().zip(&other.rows);
        let rows = pairs.filter(|(row, other)| row != other).map(|(row, _)| row.clone()).collect();
        Self { version: self.version, rows }
    }
}

impl Cell {
    fn words(&self) -> Vec<String> {
        let next = self.next.map(|next| format!("> {next}"));
        let words: Vec<String> = next.into_iter().chain(self.outputs.iter().cloned()).collect();
        if words.is_empty() { vec!["-".to_owned()] } else { words }
    }
}

/// The page `docs/transitions.md`.
pub fn page() -> String {
    let [v3_1, v3_1_1, v5] = [Version::V3_1, Version::V3_1_1, Version::V5].map(Table::generate);
    let mut page = format!("{HEAD}\n## MQTT 5.0\n\n```text\n{}```\n", v5.to_text());
    for (table, older, newer) in [(&v3_1_1, "3.1.1", &v5), (&v3_1, "3.1", &v3_1_1)] {
        let differing = table.differing_from(newer);
        let _ = write!(page, "\n## MQTT {older}\n\n");
        if differing.rows.is_empty() {
            let _ = writeln!(page, "Does the same as {} in every cell.", newer.version);
        } else {
            let _ = write!(page, "The rows that differ from {}:\n\n", newer.version);
            let _ = write!(page, "```text\n{}```\n", differing.to_text());
        }
    }
    let falling = Table::with_fallback().differing_from(&v5);
    let _ = write!(page, "\n## MQTT 5.0 with a version fallback to 3.1.1\n\n");
    let _ = write!(page, "The rows that differ from 5.0:\n\n```text\n{}```\n", falling.to_text());
    page
}

const HEAD: &str = "\
# What the client does in every state

Made by driving every state with every input (`cargo run -p bowline-testkit --example transitions`). A test
compares this page with what the engine does; `BOWLINE_BLESS=1 cargo test -p bowline-testkit` writes it anew.

A cell names the next state, if it is another one, and what comes out: packets in capitals, with their reason
code if it is not 0, `Dial` and `Close` for the transport, and events. `-` means that nothing happens.

The session outlives the connection. Before there is a connection one QoS 1 publication waits; `cancel()` is
for it. `Active` and `Closing` have a publication in every phase, a SUBSCRIBE and an UNSUBSCRIBE without an
answer, a QoS 1 message that was not taken, which `take()` is for, and a QoS 2 message that waits for PUBREL;
the packets that arrive answer these. In `Closing` a write is stuck.
";

fn cell(mut scene: Scene, stimulus: Stimulus) -> Cell {
    let before = scene.state_name();
    stimulus.apply(&mut scene);
    let outputs = scene.drain().expect("the engine comes to rest");
    let after = scene.state_name();
    Cell { next: (after != before).then_some(after), outputs }
}

fn line(text: &mut String, name: &str, columns: &[Vec<String>]) {
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..height {
        let name = if row == 0 { name } else { "" };
        let mut written = format!("{name:NAME_COLUMNS$}");
        for column in columns {
            let word = column.get(row).map_or("", String::as_str);
            let _ = write!(written, " {word:CELL_COLUMNS$}");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
}

fn rule(text: &mut String) {
    text.push_str(&"-".repeat(NAME_COLUMNS));
    for _ in STATES {
        text.push(' ');
        text.push_str(&"-".repeat(CELL_COLUMNS));
    }
    text.push('\n');
}
