//! What clients did wrong, as the broker reports it. Decides nothing.

use std::collections::VecDeque;
use std::fmt;

use bowline_proto::types::Text;

/// A client broke the protocol, and its connection was closed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Who it was; empty if CONNECT had not come or was itself the violation.
    pub client_id: Text,
    /// The number of the statement that was broken, `None` if no statement says it in so many words: `MQTT-3.3.1-4` of 5.0,
    /// `MQTT-3.3.1-4 of 3.1.1` on a connection of 3.1.1. 3.1 has no numbers, so there it is that of 3.1.1.
    pub statement: Option<&'static str>,
    /// What happened, for people. No payloads and no secrets.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client `{}`: {}", self.client_id, self.text)?;
        match self.statement {
            Some(statement) => write!(f, " [{statement}]"),
            None => Ok(()),
        }
    }
}

/// The first violations, up to a bound; later ones are only counted.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    kept: VecDeque<Violation>,
    count: u64,
}

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push_back(violation);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.kept.iter()
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

/// The first tell more than the last: what follows is often a consequence.
const KEPT_MAX: usize = 1_000;
