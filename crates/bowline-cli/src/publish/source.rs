//! Where the payloads come from: the command line, a file or stdin. Knows no client.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::exit::Failure;

/// The largest payload that there can be: a packet has at most 268,435,455 bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 268_435_455;

#[derive(Args)]
#[command(next_help_heading = "Message (one of these)")]
#[group(multiple = false)]
pub(super) struct Source {
    /// This text
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<OsString>,

    /// The contents of a file
    #[arg(short, long)]
    file: Option<PathBuf>,

    /// All of stdin as one message
    #[arg(short, long)]
    stdin_file: bool,

    /// A message for each line of stdin: the bytes between two newlines; an empty line is an empty message, and the last one
    /// needs no newline
    #[arg(short = 'l', long)]
    stdin_line: bool,

    /// A message without payload; with -r it clears what the broker keeps
    #[arg(short, long)]
    null_message: bool,
}

/// How often a message is sent.
#[derive(Args)]
#[command(next_help_heading = "Repetition")]
pub(super) struct Repetition {
    /// Send the message this many times (-m, -f, -s or -n)
    #[arg(long, value_name = "COUNT", default_value = "1", conflicts_with = "stdin_line",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) repeat: u64,

    /// How long to wait between one and the next, also in parts of a second
    #[arg(long, value_name = "SECS", default_value = "0", value_parser = seconds, requires = "repeat")]
    pub(super) repeat_delay: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let secs = text.parse().ok().and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    secs.ok_or_else(|| "it is a number of seconds".to_owned())
}

/// What there is to be sent.
pub(super) enum Input {
    /// Nothing new.
    Nothing,
    Message(Bytes),
    /// The lines of stdin.
    Lines,
}

impl Source {
    pub(super) const fn is_given(&self) -> bool {
        self.message.is_some()
            || self.file.is_some()
            || self.stdin_file
            || self.stdin_line
            || self.null_message
    }

    /// Reads the whole payload, unless it comes line by line.
    pub(super) async fn read(&self) -> Result<Input, Failure> {
        if let Some(text) = &self.message {
            return Ok(Input::Message(text.clone().into_encoded_bytes().into()));
        }
        if let Some(path) = &self.file {
            let name = path.display();
            let cannot = |error| Failure::new(format!("{name} cannot be read: {error}"));
            let file = tokio::fs::File::open(path).await.map_err(cannot)?;
            return read_all(file, &name.to_string()).await.map(Input::Message);
        }
        if self.stdin_file {
            return read_all(tokio::io::stdin(), "stdin").await.map(Input::Message);
        }
        Ok(match (self.stdin_line, self.null_message) {
            (true, _) => Input::Lines,
            (_, true) => Input::Message(Bytes::new()),
            _ => Input::Nothing,
        })
    }
}

async fn read_all(source: impl AsyncRead + Unpin, name: &str) -> Result<Bytes, Failure> {
    let mut payload = Vec::new();
    let most = PAYLOAD_BYTES_MAX as u64 + 1;
    let read = source.take(most).read_to_end(&mut payload).await;
    read.map_err(|error| Failure::new(format!("{name} cannot be read: {error}")))?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Failure::new(format!("{name} has more than the {PAYLOAD_BYTES_MAX} bytes of a message")));
    }
    Ok(payload.into())
}
