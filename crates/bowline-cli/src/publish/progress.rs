//! `--key-by-line`: which lines of an input earlier runs have had accepted, told by the keys in the store. Sends nothing.
//!
//! The key of a line has its number and a digest of the topic and all lines up to it. Lines are accepted in their order, so that
//! the last key alone tells how far the input was accepted, and whether it is still the same; older ones may be forgotten.

use bowline::store::StoreInspection;

use crate::exit::{Failure, say};

/// Reads the name of an input.
pub(super) fn input_name(text: &str) -> Result<String, String> {
    let is_legal = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_legal) {
        return Err("a name has 1 to 64 letters, digits, hyphens, dots and underscores".into());
    }
    Ok(text.to_owned())
}

/// How far an input is, and how far it was.
pub(super) struct Progress {
    prefix: String,
    /// The number of the last line that was read.
    number: u64,
    digest: Digest,
    /// The last line that was accepted earlier, and the digest up to it.
    accepted: u64,
    accepted_digest: String,
}

impl Progress {
    /// What earlier runs have had accepted of the input with this name. The same lines to another topic are another input.
    pub(super) fn of(name: &str, topic: &str, store: Option<&StoreInspection>) -> Result<Self, Failure> {
        let prefix = format!("line/{name}/");
        let mut progress =
            Self { prefix, number: 0, digest: Digest::new(), accepted: 0, accepted_digest: String::new() };
        progress.digest.add(topic.as_bytes());
        let Some(store) = store else { return Ok(progress) };
        let unreadable = |error: bowline::store::StoreError| Failure::new(error.to_string());
        let Some(last) = store.last_key(&progress.prefix).map_err(unreadable)? else { return Ok(progress) };
        let place = last.as_str()[progress.prefix.len()..].split_once('/');
        let place = place.and_then(|(number, digest)| Some((number.parse().ok()?, digest)));
        let (accepted, digest) = place
            .ok_or_else(|| Failure::new(format!("the store has the key {last}, which is not of a line")))?;
        progress.accepted = accepted;
        progress.accepted_digest = digest.to_owned();
        Ok(progress)
    }

    /// Counts the next line, and returns its number and its key if it has to be sent.
    pub(super) fn next(&mut self, line: &[u8]) -> Result<Option<(u64, String)>, Failure> {
        self.number += 1;
        self.digest.add(line);
        if self.number == self.accepted {
            if self.digest.text() != self.accepted_digest {
                let last = self.accepted;
                return Err(self.differs(&format!(
                    "its first {last} lines, or its topic, are others, or line {last} had no newline then and has gone on \
                     since"
                )));
            }
            say("pub", &format!("skipping {} lines that were accepted by an earlier run", self.accepted));
        }
        let key = || format!("{}{:020}/{}", self.prefix, self.number, self.digest.text());
        Ok((self.number > self.accepted).then(|| (self.number, key())))
    }

    /// The input is over.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.number >= self.accepted {
            return Ok(());
        }
        Err(self.differs(&format!("it has {} lines, and {} were", self.number, self.accepted)))
    }

    /// The last line had no newline.
    pub(super) fn tell_cut(&self) {
        // A file without one at its end is whole; of a producer that was killed nobody knows how the line goes on.
        let text = "without a newline: what is there of it was sent";
        say("pub", &format!("the input ends within line {}, {text}", self.number));
    }

    fn differs(&self, how: &str) -> Failure {
        Failure::new(format!(
            "the input is not what was accepted by an earlier run: {how}; nothing of it was sent. \
             --key-by-line=NAME with another name is for another input"
        ))
    }
}

/// FNV-1a with 128 bits over lines and their lengths. Finds changes, not forgeries.
struct Digest(u128);

impl Digest {
    const PRIME: u128 = (1 << 88) + 0x13B;

    const fn new() -> Self {
        Self(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D)
    }

    fn add(&mut self, line: &[u8]) {
        let length = (line.len() as u64).to_le_bytes();
        for byte in line.iter().chain(&length) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn text(&self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(lines: &[&str]) -> String {
        let mut digest = Digest::new();
        lines.iter().for_each(|line| digest.add(line.as_bytes()));
        digest.text()
    }

    #[test]
    fn a_digest_differs_where_lines_begin_elsewhere_or_are_in_another_order() {
        let all =
            [digest(&["ab", "c"]), digest(&["a", "bc"]), digest(&["c", "ab"]), digest(&["ab", "c", ""])];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(digest(&[]), "6c62272e07bb014262b821756295c58d");
    }

    #[test]
    fn names_that_could_be_taken_for_numbers_of_lines_are_refused() {
        assert!(input_name("a/1").is_err() && input_name("").is_err());
        assert_eq!(input_name("log-2.csv").as_deref(), Ok("log-2.csv"));
    }
}
