//! `bowline demo`: brings its own broker, sends messages in all versions and QoS, and checks that each arrives as it was
//! sent. Owns the order of things; knows no packet.

mod live;
mod outcome;
mod paint;
mod payload;
mod run;
mod summary;
mod tally;
mod traffic;

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bowline::transport::Endpoint;
use bowline::{QoS, Version};
use bowline_broker::Broker;
use clap::{ArgAction, Args, value_parser};
use tokio::task::JoinSet;

use crate::exit::{USAGE, say};
use live::Live;
use outcome::Outcome;
use paint::{Paint, grouped};
use payload::PAYLOAD_BYTES_MIN;
use run::{Parties, Run, Settings};
use summary::{Summary, Verdict};

/// Show what Bowline does: all versions, every QoS, each message checked on arrival
///
/// Starts a broker inside this program, on a free port of 127.0.0.1, and sends numbered messages with checksums through it:
/// MQTT 3.1, 3.1.1 and 5.0, QoS 0, 1 and 2, from a publisher to a subscriber and from a client to itself. The table
/// goes to standard output, progress to standard error. Exits with 0 if every message arrived once, intact and in order,
/// and the broker found no fault with the clients; else with 1; with 2 if the command line is wrong; after Ctrl-C with 130.
#[derive(Args)]
pub(crate) struct DemoArguments {
    /// Messages in each of the 18 runs; the last ones (a half, at most 200) measure latency
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    messages: u32,

    /// The size of each payload, 32 to 1048576
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = value_parser!(u32).range(PAYLOAD_BYTES_MIN as i64..=1_048_576))]
    payload: u32,

    /// Go through this broker instead of one inside the program: `mqtt://[user[:password]@]host[:port]`; topics begin with
    /// bowline-demo- and a random number, and at most 500 messages are under way at a time
    #[arg(long)]
    url: Option<String>,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// What a shell makes of a program that Ctrl-C has ended.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs to its end or to Ctrl-C.
pub(crate) async fn run(arguments: DemoArguments) -> ExitCode {
    if let Some(Err(error)) = arguments.url.as_deref().map(str::parse::<Endpoint>) {
        say("demo", &format!("the URL is wrong: {error}"));
        return ExitCode::from(USAGE);
    }
    match demonstrate(arguments).await {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Ok(Verdict::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => {
            say("demo", &error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate(arguments: DemoArguments) -> Result<Verdict, Box<dyn Error>> {
    let (broker, url) = match arguments.url {
        Some(url) => (None, url),
        None => {
            let broker = Broker::builder().start().await?;
            let address = broker.address().ok_or("the broker listens nowhere")?;
            (Some(broker), format!("mqtt://{address}"))
        }
    };
    let settings = Settings {
        url,
        topic_prefix: format!("bowline-demo-{:08x}", random() as u32),
        messages: arguments.messages,
        payload_bytes: usize::try_from(arguments.payload)?,
        has_window: broker.is_none(),
    };
    let runs = all_runs(&settings);
    live::tell(&format!(
        "demo: {} runs of {} messages through {}; Ctrl-C ends it",
        runs.len(),
        grouped(u64::from(settings.messages)),
        settings.shown_url(),
    ));
    let live = Live::new(&runs);
    let outcomes = carry_out(&runs, &live).await?;
    if outcomes.len() < runs.len() {
        live.leave()
    } else {
        live.clear()
    }
    let violations = match &broker {
        Some(broker) => {
            broker.shut_down().await;
            Some(broker.violations().iter().map(ToString::to_string).collect())
        }
        None => None,
    };
    let mut stdout = std::io::stdout();
    let paint = Paint::for_output(stdout.is_terminal());
    let summary = Summary { settings: &settings, runs: &runs, outcomes: &outcomes, violations, paint };
    stdout.write_all(summary.text().as_bytes())?;
    stdout.flush()?;
    Ok(summary.verdict())
}

/// Every version, every QoS, both arrangements.
fn all_runs(settings: &Settings) -> Vec<Arc<Run>> {
    let mut runs = Vec::new();
    for version in Version::ALL {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for parties in Parties::ALL {
                runs.push(Arc::new(Run::new(settings.clone(), version, qos, parties, random())));
            }
        }
    }
    runs
}

/// One run after the other, until all are done or Ctrl-C is pressed.
async fn carry_out(runs: &[Arc<Run>], live: &Live) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let mut outcomes = Vec::with_capacity(runs.len());
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = tokio::time::interval(SHOWN_EVERY);
    for run in runs {
        // Dropped, the set ends its task, and the clients with it.
        let mut driving = JoinSet::new();
        driving.spawn(traffic::drive(run.clone()));
        loop {
            tokio::select! {
                outcome = driving.join_next() => {
                    let outcome = outcome.ok_or("the task of a run is gone")??;
                    live.on_end(run, &outcome);
                    outcomes.push(outcome);
                    break;
                }
                interrupted = &mut interrupt => {
                    interrupted?;
                    return Ok(outcomes);
                }
                _ = ticks.tick() => live.show(runs, &outcomes),
            }
        }
    }
    live.show(runs, &outcomes);
    Ok(outcomes)
}

/// A number that is another one each time.
fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}
