//! `bowline pub`: publishes one message, or one for each line of its input. Knows no subscription.

mod ledger;
mod lines;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use bowline::{PublishErrorKind, Publisher, QoS, SendQueue, Topic, TopicName};
use bytes::Bytes;
use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connect::{ConnectArguments, qos};
use crate::exit::{Failure, exit_codes, finish};
use crate::publish::ledger::Ledger;
use crate::publish::lines::Lines;
use crate::stop::Stopping;
use crate::{log, watching};

/// Publish a message, or one for each line of the input
#[derive(Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct PublishArguments {
    /// Where to publish; may also end the URL
    #[arg(short, long)]
    topic: Option<String>,

    /// How hard to try: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,

    /// Have the broker keep it for later subscribers
    #[arg(short, long)]
    retain: bool,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    connect: ConnectArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Message (one of these)")]
#[group(required = true, multiple = false)]
struct Source {
    /// This text
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<OsString>,

    /// The contents of a file
    #[arg(short, long)]
    file: Option<PathBuf>,

    /// All of stdin as one message
    #[arg(short, long)]
    stdin_file: bool,

    /// A message for each line of stdin: the bytes between two newlines; an empty line is an empty message
    #[arg(short = 'l', long)]
    stdin_line: bool,

    /// A message without payload; with -r it clears what the broker keeps
    #[arg(short, long)]
    null_message: bool,
}

const AFTER_HELP: &str = concat!(
    exit_codes!(),
    "
  130, 143  ended by Ctrl-C or SIGTERM: stderr says how many messages are not acknowledged

The first connection has to succeed. When it is lost later it is made again, and what was not
acknowledged is sent again. Lines (-l) do not wait for each other; if one of them is not
acknowledged the exit code is 1 and stderr names it. A second Ctrl-C ends at once.
Logs go to stderr; SIGUSR1 raises their level, SIGUSR2 lowers it.

Examples:
  bowline pub -t home/lamp -m on
  bowline pub -h broker.example -t home/lamp -q 1 -r -m on
  bowline pub mqtt://broker.example/home/lamp -n -r
  bowline pub -t log -q 2 -l < lines.csv"
);

/// The largest payload that there can be: a packet has at most 268,435,455 bytes.
const PAYLOAD_BYTES_MAX: usize = 268_435_455;
/// What may wait to be sent: many lines, and room for the largest message.
const QUEUE_MESSAGES_MAX: usize = 16_384;
const QUEUE_BYTES_MAX: usize = 272 * 1024 * 1024;

/// Publishes and returns when all is acknowledged, or cannot be.
pub(crate) async fn run(arguments: PublishArguments) -> ExitCode {
    finish("pub", publish(arguments).await)
}

async fn publish(arguments: PublishArguments) -> Result<u8, Failure> {
    log::start(arguments.connect.is_debug()).map_err(|error| Failure::new(error.to_string()))?;
    let target = arguments.connect.target()?;
    let topic = topic(arguments.topic.as_deref(), target.topic.as_deref())?;
    let version = arguments.connect.version();
    let wrong = |error: bowline::ConnectError| Failure::of_connecting(&error, version);
    let queue = SendQueue::new().messages_max(QUEUE_MESSAGES_MAX).bytes_max(QUEUE_BYTES_MAX);
    let builder = Publisher::builder(&target.url).map_err(wrong)?.send_queue(queue);
    let builder = arguments.connect.configure(builder, &target)?;
    // While a password is asked for, Ctrl-C ends the program by itself.
    let mut stopping = Stopping::watch(None).map_err(|error| Failure::new(error.to_string()))?;

    // What is to be sent is there before the broker hears of us, unless it comes line by line.
    let payload = tokio::select! {
        payload = arguments.source.payload() => payload?,
        stop = stopping.wait() => return Ok(stop.exit_code()),
    };
    let client = tokio::select! {
        client = builder.connect() => client.map_err(wrong)?,
        stop = stopping.wait() => return Ok(stop.exit_code()),
    };
    let telling = tokio::spawn(watching::tell("pub", client.events()));
    let topic = client.topic(topic).expect("it is a topic already").qos(arguments.qos);
    let topic = if arguments.retain { topic.retain() } else { topic };

    let mut ledger = Ledger::new(payload.is_none());
    let sending = async {
        let mut watch = client.connection();
        let all_taken = match payload {
            Some(payload) => send_one(&topic, payload, &mut ledger).await,
            None => tokio::select! {
                taken = send_lines(&topic, &mut ledger) => taken,
                // No line has to come for the program to notice.
                why = watch.ended() => Err(Failure::of_disconnection(&why, version)),
            },
        };
        ledger.settle_all().await;
        all_taken?;
        // With QoS 0 nothing is waited for until here: it has to be written at least.
        client.flush().await.map_err(|why| Failure::of_disconnection(&why, version))
    };
    let sent = tokio::select! {
        sent = sending => sent,
        stop = stopping.wait() => {
            client.disconnect().await;
            return Err(ledger.interrupted(stop));
        }
    };
    client.disconnect().await;
    // What it has to say of the end comes before our last word.
    _ = telling.await;
    ledger.result(sent)
}

/// The one topic that the command line names.
fn topic(of_option: Option<&str>, of_url: Option<&str>) -> Result<TopicName, Failure> {
    let topic = match (of_option, of_url) {
        (Some(topic), None) | (None, Some(topic)) => topic,
        (Some(_), Some(_)) => return Err(Failure::usage("there is a topic in the URL, and one with -t")),
        (None, None) => return Err(Failure::usage("the topic is missing: -t TOPIC")),
    };
    TopicName::try_from(topic).map_err(|error| Failure::usage(format!("the topic {error}")))
}

impl Source {
    /// The whole payload; none if it comes line by line.
    async fn payload(&self) -> Result<Option<Bytes>, Failure> {
        if let Some(text) = &self.message {
            return Ok(Some(text.clone().into_encoded_bytes().into()));
        }
        if let Some(path) = &self.file {
            let name = path.display();
            let cannot = |error| Failure::new(format!("{name} cannot be read: {error}"));
            let file = tokio::fs::File::open(path).await.map_err(cannot)?;
            return read_all(file, &name.to_string()).await.map(Some);
        }
        if self.stdin_file {
            return read_all(tokio::io::stdin(), "stdin").await.map(Some);
        }
        Ok((!self.stdin_line).then(Bytes::new))
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

async fn send_one(topic: &Topic, payload: Bytes, ledger: &mut Ledger) -> Result<(), Failure> {
    match topic.send(payload).await {
        Ok(receipt) => ledger.accepted(receipt),
        Err(error) => ledger.refused(&error),
    }
    Ok(())
}

/// Sends line after line. Only reading waits for input, and only a full queue holds it up.
async fn send_lines(topic: &Topic, ledger: &mut Ledger) -> Result<(), Failure> {
    let mut lines = Lines::new(tokio::io::stdin(), PAYLOAD_BYTES_MAX);
    loop {
        let line = tokio::select! {
            line = lines.next(), if ledger.has_room() => line,
            () = ledger.settle_next(), if !ledger.is_settled() => continue,
        };
        let Some(line) = line.map_err(|error| Failure::new(format!("stdin: {error}")))? else {
            return Ok(());
        };
        match topic.send(line).await {
            Ok(receipt) => ledger.accepted(receipt),
            Err(error) => {
                ledger.refused(&error);
                if matches!(error.kind(), PublishErrorKind::Ended) {
                    return Ok(());
                }
            }
        }
    }
}
