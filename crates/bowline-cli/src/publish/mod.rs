//! `bowline pub`: publishes one message, or one for each line of its input. Knows no subscription.

mod ledger;
mod lines;
mod progress;
mod source;
mod stored;
mod storing;
mod window;

use std::process::ExitCode;
use std::time::Duration;

use bowline::{
    PublishError, PublishErrorKind, Publisher, QoS, Receipt, SendQueue, SessionLoss, Topic, TopicName,
};
use bytes::Bytes;
use clap::{Args, ValueEnum};

use crate::connect::{ConnectArguments, Target, qos};
use crate::exit::{Codes, Failure, be_quiet, exit_codes, finish};
use crate::publish::ledger::{Ledger, Noun};
use crate::publish::lines::Lines;
use crate::publish::progress::{Progress, input_name};
use crate::publish::source::{Input, PAYLOAD_BYTES_MAX, Repetition, Source};
use crate::publish::stored::Stored;
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

    /// With --store: how long to go on without a connection once there is no more input
    #[arg(long, value_name = "SECS", default_value_t = 10, requires = "store")]
    wait: u32,

    /// With -q 2: what to do with a message that was sent when the broker has lost the session, and nobody knows whether it has
    /// arrived: tell that its end is unknown and fail, or send it again, so that it may arrive twice
    #[arg(long, value_name = "WHAT", default_value = "unknown")]
    on_session_loss: OnSessionLoss,

    /// With --store and -l: leave out the lines that an earlier run with the same input has had accepted
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "stdin",
        value_parser = input_name,
        requires_all = ["store", "stdin_line"]
    )]
    key_by_line: Option<String>,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    repetition: Repetition,

    #[command(flatten)]
    connect: ConnectArguments,
}

/// What to do with a message of QoS 2 whose session is lost.
#[derive(Clone, Copy, ValueEnum)]
enum OnSessionLoss {
    // With comments for the user all options of the help would have empty lines between them.
    Unknown,
    Again,
}

impl From<OnSessionLoss> for SessionLoss {
    fn from(choice: OnSessionLoss) -> Self {
        match choice {
            OnSessionLoss::Unknown => Self::Indeterminate,
            OnSessionLoss::Again => Self::PublishAgain,
        }
    }
}

// A paragraph is one line, so that it is broken where the terminal ends; an item is at most 80 columns wide.
const AFTER_HELP: &str = concat!(
    exit_codes!(),
    "
  75        with --store: no connection; what was accepted waits in the store
  130, 143  Ctrl-C or SIGTERM; stderr says how many are not acknowledged

",
    "The first connection has to succeed. When it is lost later it is made again, and what was not acknowledged is sent \
     again. Lines (-l) do not wait for each other; if one of them is not acknowledged the exit code is 1 and stderr names \
     it. What follows the last newline of the input is a line too. A second Ctrl-C ends at once.\n\n",
    "With --store, messages of QoS 1 and 2 are accepted as soon as they are in the file, whether there is a connection or \
     not, and survive a kill of the program and a loss of power. Each run delivers first what the runs before it have \
     left; one without a message and a topic delivers that alone, and exits with 0 when all of it is acknowledged. It \
     needs the same broker and the same options of the connection; the client identifier is in the file. When there is \
     no more input and no connection for --wait seconds, the program ends with 75: nothing is lost, run it again. \
     Whenever it ends before all is acknowledged, stderr says how many messages wait in the file; \
     `bowline store inspect` says more. A message of QoS 2 that was on its way when the broker lost the session is not \
     sent again, as it may have arrived: the run that finds out says so, and exits with 1. With \
     --on-session-loss again, which is stored with each message, it is sent again, and may arrive twice.\n\n",
    "With --key-by-line a run that was killed is repeated with the same input from its beginning: lines that were \
     accepted are left out, so that each is delivered once with -q 2. An input that grew is gone on with; one whose \
     lines have changed, or are fewer, is refused and nothing is sent. Give it whole lines: one that was cut off at the \
     end of the input was sent as it was, and is another line when the input has all of it. Each input of a store needs \
     its own name (--key-by-line=NAME). How far an input was accepted is remembered until 131,072 lines of others are \
     delivered. A line that the broker refused counts as accepted.\n\n",
    "Logs go to stderr; SIGUSR1 raises their level, SIGUSR2 lowers it.

Examples:
  bowline pub -t home/lamp -m on
  bowline pub -h broker.example -t home/lamp -q 1 -r -m on
  bowline pub mqtt://broker.example/home/lamp -n -r
  bowline pub -t log -q 2 -l < lines.csv
  bowline pub --store log.session -t log -q 2 -l < lines.csv
  bowline pub --store log.session --key-by-line -t log -q 2 -l < lines.csv
  bowline pub --store log.session      delivers what the one above has left"
);

/// What may wait to be sent: many lines, and room for the largest message.
const QUEUE_MESSAGES_MAX: usize = 16_384;
const QUEUE_BYTES_MAX: usize = 272 * 1024 * 1024;

/// Publishes and returns when all is acknowledged, or cannot be.
pub(crate) async fn run(arguments: PublishArguments) -> ExitCode {
    finish("pub", publish(arguments).await)
}

async fn publish(arguments: PublishArguments) -> Result<u8, Failure> {
    if arguments.connect.is_quiet() {
        be_quiet();
    }
    log::start(arguments.connect.is_debug()).map_err(|error| Failure::new(error.to_string()))?;
    let target = arguments.connect.target()?;
    let topic = arguments.topic(&target)?;
    let stored = arguments.stored();
    let progress = arguments.progress(topic.as_ref())?;
    let codes = arguments.connect.codes();
    let wrong = |error: bowline::ConnectError| Failure::of_connecting(&error, codes);
    let builder = Publisher::builder(&target.url).map_err(wrong)?.send_queue(queue(stored.is_some()));
    let builder = builder.on_session_loss(arguments.on_session_loss.into());
    let builder = arguments.connect.configure(builder, &target)?;
    // While a password is asked for, Ctrl-C ends the program by itself.
    let mut stopping = Stopping::watch(None).map_err(|error| Failure::new(error.to_string()))?;

    // What is to be sent is there before the broker hears of us, unless it comes line by line.
    let input = tokio::select! {
        input = arguments.source.read() => input?,
        stop = stopping.wait() => return Ok(stop.exit_code()),
    };
    let client = match &stored {
        // What it has to say it says when it goes on without one.
        Some(_) => builder.connect_lazy().map_err(wrong)?,
        None => tokio::select! {
            client = builder.connect() => client.map_err(wrong)?,
            stop = stopping.wait() => return Ok(stop.exit_code()),
        },
    };
    // Nothing must happen that is not heard of.
    let events = client.events();
    let left = stored.as_ref().map_or(0, |stored| stored.tell_left(&client));
    let telling = tokio::spawn(watching::tell("pub", codes, events));
    let topic = topic.map(|topic| {
        let topic = client.topic(topic).expect("it is a topic already").qos(arguments.qos);
        if arguments.retain { topic.retain() } else { topic }
    });

    let mut ledger = Ledger::new(match input {
        Input::Lines => Noun::Line,
        _ if arguments.repetition.repeat > 1 => Noun::Message,
        _ => Noun::OnlyMessage,
    });
    let how = How { stored: stored.as_ref(), progress, repetition: &arguments.repetition, codes };
    let sending = send_all(&client, topic.as_ref(), input, how, &mut ledger);
    let sent = tokio::select! {
        sent = sending => sent,
        stop = stopping.wait() => {
            client.disconnect().await;
            ledger.settle_all().await;
            let failure = ledger.interrupted(stop);
            return Err(match stored {
                Some(stored) => stored.with_rest(failure).await,
                None => failure,
            });
        }
    };
    client.disconnect().await;
    // What it has to say of the end comes before our last word.
    let unfortunate = telling.await.unwrap_or_default();
    ledger.settle_all().await;
    let result = ledger.result(sent);
    match stored {
        Some(stored) => stored.result(result, left, unfortunate).await,
        None => result,
    }
}

/// How to send.
struct How<'a> {
    stored: Option<&'a Stored>,
    progress: Option<Progress>,
    repetition: &'a Repetition,
    codes: Codes,
}

/// Sends what there is, and returns when all is acknowledged or cannot be.
async fn send_all(
    client: &Publisher,
    topic: Option<&Topic>,
    input: Input,
    how: How<'_>,
    ledger: &mut Ledger,
) -> Result<(), Failure> {
    let How { stored, progress, repetition, codes } = how;
    let mut watch = client.connection();
    let all_taken = match (input, topic) {
        (Input::Message(payload), Some(topic)) => tokio::select! {
            () = send_repeatedly(topic, &payload, repetition, ledger) => Ok(()),
            // Not before the next is due would the program notice.
            why = watch.ended() => Err(Failure::of_disconnection(&why, codes)),
        },
        (Input::Lines, Some(topic)) => tokio::select! {
            taken = send_lines(topic, stored.is_some(), progress, ledger) => taken,
            // No line has to come for the program to notice.
            why = watch.ended() => Err(Failure::of_disconnection(&why, codes)),
        },
        _ => Ok(()),
    };
    let not_taken = all_taken.as_ref().err().map(|failure| failure.text.clone());
    let settling = async {
        ledger.settle_all().await;
        all_taken?;
        // With QoS 0 nothing is waited for until here: it has to be written at least.
        client.flush().await.map_err(|why| Failure::of_disconnection(&why, codes))
    };
    match stored {
        Some(stored) => tokio::select! {
            // What has failed is told, also where nothing is waited for.
            biased;
            settled = settling => settled,
            failure = stored.without_connection(client) => Err(match not_taken {
                // That something was refused is worse than that the rest waits.
                Some(text) => Failure::new(format!("{text}\n{}", failure.text)),
                None => failure,
            }),
        },
        None => settling.await,
    }
}

/// What may wait to be sent. With a store the disk is the limit.
fn queue(is_stored: bool) -> SendQueue {
    if is_stored {
        SendQueue::new().messages_max(usize::MAX).bytes_max(usize::MAX)
    } else {
        SendQueue::new().messages_max(QUEUE_MESSAGES_MAX).bytes_max(QUEUE_BYTES_MAX)
    }
}

impl PublishArguments {
    /// Whether nothing must happen in the client between two steps of ours: see [`storing::send`]. A client that connects by
    /// itself is not to have lost a connection or a session before its events are listened to.
    pub(crate) fn needs_one_thread(&self) -> bool {
        self.connect.store().is_some()
    }

    fn stored(&self) -> Option<Stored> {
        let patience = Duration::from_secs(self.wait.into());
        self.connect.store().map(|path| Stored { path, patience })
    }

    /// How far earlier runs came with the same input to the same topic.
    fn progress(&self, topic: Option<&TopicName>) -> Result<Option<Progress>, Failure> {
        let (Some(name), Some(store)) = (&self.key_by_line, self.connect.store()) else { return Ok(None) };
        Progress::of(name, topic.map_or("", TopicName::as_str), store.before()?.as_ref()).map(Some)
    }

    /// The one topic that the command line names; none if there is no message, as a store may have some.
    fn topic(&self, target: &Target) -> Result<Option<TopicName>, Failure> {
        let topic = match (self.topic.as_deref(), target.topic.as_deref()) {
            (Some(topic), None) | (None, Some(topic)) => Some(topic),
            (Some(_), Some(_)) => return Err(Failure::usage("there is a topic in the URL, and one with -t")),
            (None, None) => None,
        };
        match (topic, self.source.is_given(), self.connect.store()) {
            (Some(_), true, Some(_)) if self.qos == QoS::AtMostOnce => {
                Err(Failure::usage("messages of QoS 0 are not stored: --store needs -q 1 or -q 2"))
            }
            (Some(topic), true, _) => {
                let topic = TopicName::try_from(topic);
                topic.map(Some).map_err(|error| Failure::usage(format!("the topic {error}")))
            }
            (None, true, _) => Err(Failure::usage("the topic is missing: -t TOPIC")),
            (None, false, Some(_)) => Ok(None),
            (Some(_), false, Some(_)) => Err(Failure::usage(
                "the message is missing: -m, -f, -s, -l or -n; without a topic too, what waits in the store is delivered",
            )),
            (_, false, None) => Err(Failure::usage("the message is missing: -m, -f, -s, -l or -n")),
        }
    }
}

/// Sends the message as often as it is wanted. What became of the ones before is not waited for, unless they are many.
async fn send_repeatedly(topic: &Topic, payload: &Bytes, how: &Repetition, ledger: &mut Ledger) {
    for number in 0..how.repeat {
        if number > 0 && !how.repeat_delay.is_zero() {
            tokio::time::sleep(how.repeat_delay).await;
        }
        while !ledger.has_room() {
            ledger.settle_next().await;
        }
        let sent = topic.send(payload.clone()).await;
        let is_over = is_over(&sent);
        ledger.taken(sent);
        if is_over {
            return;
        }
    }
}

/// Sends line after line. Only reading waits for input, and only a full queue, or a slow disk, holds it up.
async fn send_lines(
    topic: &Topic,
    is_stored: bool,
    progress: Option<Progress>,
    ledger: &mut Ledger,
) -> Result<(), Failure> {
    let mut lines = Lines::new(tokio::io::stdin(), PAYLOAD_BYTES_MAX);
    let unreadable = |error| Failure::new(format!("stdin: {error}"));
    if is_stored {
        return storing::send(&mut lines, topic, progress, ledger).await;
    }
    loop {
        let line = tokio::select! {
            line = lines.next(), if ledger.has_room() => line,
            () = ledger.settle_next(), if !ledger.is_settled() => continue,
        };
        let Some(line) = line.map_err(unreadable)? else { return Ok(()) };
        let sent = topic.send(line).await;
        let is_over = is_over(&sent);
        ledger.taken(sent);
        if is_over {
            return Ok(());
        }
    }
}

/// Whether nothing more can be sent.
fn is_over(sent: &Result<Receipt, PublishError>) -> bool {
    sent.as_ref().is_err_and(|error| matches!(error.kind(), PublishErrorKind::Ended))
}
