//! `bowline sub`: writes what arrives to stdout. Knows no publication.

mod format;
mod output;
mod selection;
mod time;

use std::future::{Future, poll_fn};
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use bowline::{Client, ConnectionState, Delivery, QoS, StreamEnd, SubscribeError, Subscription, TopicFilter};
use clap::Args;

use crate::connect::{ConnectArguments, StorePath, qos};
use crate::exit::{Codes, Failure, be_quiet, exit_codes, finish, say};
use crate::stop::{Stop, Stopping};
use crate::subscribe::format::Format;
use crate::subscribe::output::{Output, WriteEnd};
use crate::subscribe::selection::Selection;
use crate::{log, watching};

/// Subscribe, and write the payloads to stdout
#[derive(Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct SubscribeArguments {
    /// What to subscribe to, several times for several filters; may also end the URL
    #[arg(short, long = "topic", value_name = "FILTER")]
    topics: Vec<String>,

    /// The highest QoS to ask for: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,

    /// End after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout: Option<u64>,

    /// End as soon as the broker has granted the subscriptions
    #[arg(short = 'E')]
    end_when_subscribed: bool,

    /// Write the topic and a space before each payload
    #[arg(short, long)]
    verbose: bool,

    /// Write each message like this instead: see below
    #[arg(short = 'F', long, value_name = "FORMAT", value_parser = Format::parse, conflicts_with = "verbose")]
    format: Option<Format>,

    /// Write no newline after each message
    #[arg(short = 'N')]
    no_newline: bool,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    connect: ConnectArguments,
}

// A paragraph is one line, so that it is broken where the terminal ends; an item is at most 80 columns wide.
const AFTER_HELP: &str = concat!(
    exit_codes!(),
    "
  27        the time of -W is over
  130, 143  Ctrl-C or SIGTERM before all messages of -C came; without -C it is 0

",
    "The first connection has to succeed; when it is lost later it is made again. A message of QoS 1 or 2 is acknowledged \
     when it is written to stdout. If nobody reads stdout any more the program ends with 0. A second Ctrl-C ends at \
     once.\n\n",
    "With --store the session survives a kill of the program and a loss of power: the next run with the file gets what it \
     missed. A message is acknowledged, and with QoS 2 that is in the file, when it is written to stdout. What is killed \
     in between, some lines at most, comes again. The command line says what is subscribed to: other subscriptions in \
     the file are ended.\n\n",
    "Every payload is written as it is, also an empty one. Logs go to stderr; SIGUSR1 raises their level, SIGUSR2 lowers \
     it.

A FORMAT of -F is text with these in it, as mosquitto_sub has them:
  %t %p %x %X        topic; payload; payload in hexadecimal digits (%X: capitals)
  %q %r %m %l        QoS; whether it was retained (1, 0); packet identifier;
                     bytes of the payload
  %C %D %E %F %P %R  properties (5.0): content type, correlation data, expiry
                     interval, payload format, user properties, response topic
  %I %U %j           time of arrival (UTC): ISO 8601; seconds since 1970; JSON
  %% \\\\ \\n \\r \\t \\0  themselves, and the usual control characters

Examples:
  bowline sub -t 'home/#' -v
  bowline sub -h broker.example -t a -t b -q 1 -C 10 -W 60
  bowline sub mqtt://broker.example/log -q 2 -c -i reader > lines.csv
  bowline sub -t log -q 2 --store reader.session >> lines.csv"
);

/// Messages that are written and acknowledged together at most.
const BATCH_MAX: usize = 1024;
/// How long one who reads stdout may keep the program from ending.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

/// Receives until one of the limits, a signal, or the end of the connection.
pub(crate) async fn run(arguments: SubscribeArguments) -> ExitCode {
    finish("sub", subscribe(arguments).await)
}

async fn subscribe(arguments: SubscribeArguments) -> Result<u8, Failure> {
    if arguments.connect.is_quiet() {
        be_quiet();
    }
    log::start(arguments.connect.is_debug()).map_err(|error| Failure::new(error.to_string()))?;
    let target = arguments.connect.target()?;
    let filters = filters(target.topic.iter().chain(&arguments.topics))?;
    let codes = arguments.connect.codes();
    let wrong = |error: bowline::ConnectError| Failure::of_connecting(&error, codes);
    let builder = Client::builder(&target.url).map_err(wrong)?;
    let builder = arguments.connect.configure(builder, &target)?;
    // While a password is asked for, Ctrl-C ends the program by itself.
    let limit = arguments.timeout.map(Duration::from_secs);
    let mut stopping = Stopping::watch(limit).map_err(|error| Failure::new(error.to_string()))?;
    let others = no_longer_wanted(arguments.connect.store().as_ref(), &filters)?;
    let client = tokio::select! {
        client = builder.connect() => client.map_err(wrong)?,
        stop = stopping.wait() => return stopped(stop, &arguments),
    };
    let telling = tokio::spawn(watching::tell("sub", codes, client.events()));

    let request = client.subscribe_many(filters.into_iter().map(|filter| (filter, arguments.qos)));
    let subscribed = tokio::select! {
        subscribed = request.manual_ack() => subscribed,
        stop = stopping.wait() => {
            client.disconnect().await;
            return stopped(stop, &arguments);
        }
    };
    let mut subscription = match subscribed {
        Ok(subscription) => subscription,
        Err(error) => {
            client.disconnect().await;
            return Err(not_subscribed(&error, &client, codes));
        }
    };
    for (filter, reason) in subscription.granted().iter().filter(|(_, reason)| reason.is_failure()) {
        say("sub", &format!("the broker refused {filter}: {reason}"));
    }
    for filter in others {
        let unsubscribed = tokio::select! {
            unsubscribed = client.unsubscribe(filter.clone()) => unsubscribed,
            stop = stopping.wait() => {
                client.disconnect().await;
                return stopped(stop, &arguments);
            }
        };
        unsubscribed.map_err(|error| Failure::new(error.to_string()))?;
        say("sub", &format!("no longer subscribed to {filter}, which the command line does not name"));
    }
    let end = match arguments.end_when_subscribed {
        true => End::Complete,
        false => receive(&mut subscription, &mut stopping, &arguments).await,
    };
    if !matches!(end, End::Stream) {
        // The acknowledgements have to be on their way.
        _ = tokio::time::timeout(WRITE_PATIENCE, client.flush()).await;
    }
    client.disconnect().await;
    _ = telling.await;
    match end {
        End::Complete => Ok(0),
        End::Stopped(stop) => stopped(stop, &arguments),
        End::Stream => Err(ended(subscription.end_reason(), codes)),
        End::Failed(failure) => Err(failure),
    }
}

/// What to subscribe to, checked.
fn filters<'a>(texts: impl Iterator<Item = &'a String>) -> Result<Vec<TopicFilter>, Failure> {
    let filters = texts.map(|text| {
        TopicFilter::try_from(text.as_str())
            .map_err(|error| Failure::usage(format!("the filter `{text}` {error}")))
    });
    let filters: Vec<TopicFilter> = filters.collect::<Result<_, _>>()?;
    if filters.is_empty() {
        return Err(Failure::usage("the topic is missing: -t FILTER"));
    }
    Ok(filters)
}

/// Why nothing more is received.
enum End {
    /// All messages that were wanted are there, or nobody reads them any more.
    Complete,
    Stopped(Stop),
    /// The stream ended by itself.
    Stream,
    Failed(Failure),
}

/// Writes messages and acknowledges what is written: as many at a time as are there, and none waits for the next.
async fn receive(
    subscription: &mut Subscription<Delivery>,
    stopping: &mut Stopping,
    arguments: &SubscribeArguments,
) -> End {
    let format = arguments.format.clone().unwrap_or_else(|| Format::plain(arguments.verbose));
    let mut output = Output::new(tokio::io::stdout(), format, !arguments.no_newline);
    let selection = &arguments.selection;
    let mut missing = arguments.count;
    loop {
        let most = missing.map_or(BATCH_MAX, |missing| missing.min(BATCH_MAX as u64) as usize);
        let mut batch = tokio::select! {
            biased;
            stop = stopping.wait() => return End::Stopped(stop),
            batch = subscription.next_batch(most) => batch,
        };
        if batch.is_empty() {
            return End::Stream;
        }
        let end = batch.iter().position(|delivery| selection.is_ended_by(delivery));
        batch.truncate(end.unwrap_or(batch.len()));
        let count = batch.iter().filter(|delivery| selection.wants(delivery)).count() as u64;
        let written = tokio::select! {
            written = output.write(batch.iter().filter(|delivery| selection.wants(delivery))) => written,
            // What is begun is finished, unless nobody reads it.
            stop = async { let stop = stopping.wait().await; tokio::time::sleep(WRITE_PATIENCE).await; stop } => {
                return End::Stopped(stop);
            }
        };
        match written {
            Ok(()) => {}
            Err(WriteEnd::Closed) => return End::Complete,
            Err(WriteEnd::Failed(error)) => {
                return End::Failed(Failure::new(format!("stdout cannot be written: {error}")));
            }
        }
        acknowledge(batch).await;
        missing = missing.map(|missing| missing - count);
        if missing == Some(0) || end.is_some() {
            return End::Complete;
        }
    }
}

/// Acknowledges all of them, in their order and together: with a store they cost one sync, not one each. When it returns, those of
/// QoS 2 will not come again.
async fn acknowledge(batch: Vec<Delivery>) {
    let mut acks: Vec<_> =
        batch.into_iter().map(|delivery| Box::pin(delivery.into_parts().1.ack())).collect();
    poll_fn(|cx| {
        // Stale: the session is gone, and nobody waits for the acknowledgement.
        acks.retain_mut(|ack| ack.as_mut().poll(cx).is_pending());
        if acks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Subscriptions of earlier runs that the command line does not name: their messages would wait for somebody who takes them.
fn no_longer_wanted(store: Option<&StorePath>, filters: &[TopicFilter]) -> Result<Vec<TopicFilter>, Failure> {
    let Some(inspection) = store.map(StorePath::before).transpose()?.flatten() else { return Ok(Vec::new()) };
    let contents = inspection.contents().map_err(|error| Failure::new(error.to_string()))?;
    let wanted = contents.wanted.into_iter().map(|wanted| wanted.filter);
    Ok(wanted.filter(|filter| !filters.contains(filter)).collect())
}

/// The exit code when the command was ended from outside.
fn stopped(stop: Stop, arguments: &SubscribeArguments) -> Result<u8, Failure> {
    match (stop, arguments.timeout, arguments.count) {
        (Stop::TimedOut, Some(secs), _) => {
            Err(Failure { code: stop.exit_code(), text: format!("timed out after {secs} s") })
        }
        // Who has not said how many wants as many as there are until now.
        (Stop::Interrupted | Stop::Terminated, _, None) => Ok(0),
        _ => Ok(stop.exit_code()),
    }
}

/// Why there is no subscription: the broker said so, or the client is over.
fn not_subscribed(error: &SubscribeError, client: &Client, codes: Codes) -> Failure {
    match (error, client.state()) {
        (SubscribeError::Ended, ConnectionState::Ended(why)) => Failure::of_disconnection(&why, codes),
        (error, _) => Failure::new(error.to_string()),
    }
}

fn ended(reason: Option<&StreamEnd>, codes: Codes) -> Failure {
    match reason {
        Some(StreamEnd::ClientEnded(why)) => Failure::of_disconnection(why, codes),
        Some(reason) => Failure::new(reason.to_string()),
        None => Failure::new("the subscription has ended"),
    }
}
