//! A file of lines that survive the kill of their writer: each is one write to the end of the file. Knows nothing of what the
//! lines say.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Ledger {
    file: File,
    /// What was in it when it was opened.
    before: String,
}

impl Ledger {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, before: std::fs::read_to_string(path)? })
    }

    /// The lines of earlier lives, without their times.
    pub(crate) fn before(&self) -> impl Iterator<Item = &str> {
        self.before.lines().filter_map(|line| line.split_once(' ')).map(|(_, line)| line)
    }

    /// Writes a line, with the time in microseconds. A ledger that cannot be written proves nothing, so that ends the program.
    pub(crate) fn write(&self, line: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = format!("{} {line}\n", now.as_micros());
        (&self.file).write_all(text.as_bytes()).expect("the ledger can be written");
    }
}
