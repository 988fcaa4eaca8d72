//! The program that `cargo xtask crash` kills: a publisher or a subscriber on a durable session that writes down what it was
//! told. Owns the command line; knows nothing of who kills it.
//!
//! It ends in good order once its input is closed, and goes on where it was when it is started again.

mod ledger;
mod publisher;
mod subscriber;

use std::error::Error;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bowline::{Backoff, Event, Events, QoS, Version};
use ledger::Ledger;

const USAGE: &str = "usage: crash publisher|subscriber URL 31|311|5 CLIENT_ID STORE LEDGER QOS_MAX";

/// What a role needs to know.
struct Task {
    url: String,
    version: Version,
    client_id: String,
    store: PathBuf,
    ledger: Arc<Ledger>,
    qos_max: QoS,
    ends: Arc<AtomicBool>,
}

impl Task {
    fn is_over(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Brokers that are started again are back within a moment.
    fn backoff() -> Result<Backoff, Box<dyn Error>> {
        Ok(Backoff::full_jitter(Duration::from_millis(20), Duration::from_millis(200))?)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, url, version, client_id, store, ledger, qos_max] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let version = match version.as_str() {
        "31" => Version::V3_1,
        "311" => Version::V3_1_1,
        "5" => Version::V5,
        _ => return Err(USAGE.into()),
    };
    let task = Task {
        url: url.clone(),
        version,
        client_id: client_id.clone(),
        store: store.into(),
        ledger: Arc::new(Ledger::open(ledger.as_ref())?),
        qos_max: if qos_max == "2" { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
        ends: Arc::default(),
    };
    let ends = Arc::clone(&task.ends);
    std::thread::spawn(move || {
        // However the input ends, nobody waits for more.
        _ = std::io::stdin().read_to_end(&mut Vec::new());
        ends.store(true, Ordering::Relaxed);
    });
    task.ledger.write("started");
    // One thread has everything, so that a kill finds all of it at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match role.as_str() {
        "publisher" => runtime.block_on(publisher::publish(&task))?,
        "subscriber" => runtime.block_on(subscriber::subscribe(&task))?,
        _ => return Err(USAGE.into()),
    }
    task.ledger.write("over");
    Ok(())
}

/// Writes down what happens to the client, for those who look for a cause.
fn note_events(mut events: Events, ledger: Arc<Ledger>) {
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let text = match event {
                Event::Reconnecting { .. } => continue,
                Event::Connected(info) => format!("connected session_present {:?}", info.session_present),
                Event::Disconnected(why) => format!("disconnected {why}"),
                event => format!("event {event:?}"),
            };
            ledger.write(&text.replace('\n', " "));
        }
    });
}
