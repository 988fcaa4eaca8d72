//! `bowline store`: looks into the file of a session. Knows no connection, and changes nothing.

mod problem;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use bowline::PacketId;
use bowline::store::{DiskStore, StoreContents, StoreError, StoredPhase, StoredPublication, Wanted};
use clap::{ArgAction, Args, Subcommand};

use crate::exit::{Failure, finish};
use crate::json::Json;
use problem::problem;
use text::text;

/// Look into the file of a session that `--store` keeps
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Subcommand)]
enum StoreCommand {
    Inspect(InspectArguments),
}

/// Say what is in the file, without changing it
#[derive(Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
struct InspectArguments {
    /// The file
    path: PathBuf,

    /// As one line of JSON
    #[arg(long)]
    json: bool,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

// A paragraph is one line, so that it is broken where the terminal ends; an item is at most 80 columns wide.
const AFTER_HELP: &str = concat!(
    "It exits with 0, or with 1 if the file is not there, not a store, damaged, or in use by a program that runs: stderr \
     says which and what to do. While it looks nobody else can open the file. Payloads are not shown. A store has no \
     times but deadlines: publications are numbered in the order in which they were accepted.\n\n",
    "The JSON is an object with these fields; later versions may add some:
  path, file_bytes, sealed, commits
  modified_unix_secs     of the file; or null
  sessions               how many this file has had
  last_publication       the number of the last one
  identity               null, or an object: client_id, version (3.1, 3.1.1, 5.0),
                         session_expiry_secs (4294967295: never), holder (the
                         address that has the session, or null)
  waiting                those not sent: messages, bytes, oldest (null, or a
                         publication)
  in_flight              publications, with packet_id and phase: sent (perhaps
                         sent, not answered) or released (PUBREC came)
  retired_packet_ids     out of use: the broker may know them
  received_packet_ids    of QoS 2 messages that were taken, and whose PUBREL did
                         not come
  subscriptions          filter, qos, no_local, retain_as_published,
                         retain_handling, subscription_id (or null)
  outcomes               how many ends of publications with a key are kept

A publication is an object:
  publication            its number
  topic, qos, retain, payload_bytes
  deadline_unix_secs     or null
  key                    or null"
);

/// Looks, tells, and ends.
pub(crate) fn run(arguments: StoreArguments) -> ExitCode {
    let StoreCommand::Inspect(arguments) = arguments.command;
    finish("store", inspect(&arguments))
}

fn inspect(arguments: &InspectArguments) -> Result<u8, Failure> {
    let wrong = |error: StoreError| Failure::new(problem(&error));
    let contents = DiskStore::new(&arguments.path).inspect().map_err(wrong)?.contents().map_err(wrong)?;
    let text = match arguments.json {
        true => json(&arguments.path, &contents),
        false => text(&arguments.path, &contents),
    };
    // That nobody reads it is no reason to complain.
    _ = writeln!(std::io::stdout(), "{text}");
    Ok(0)
}

fn json(path: &Path, contents: &StoreContents) -> String {
    let ids = |ids: &[PacketId]| Json::list(ids.iter().map(|id| Json::number(id.as_u16())));
    let identity = Json::optional(contents.identity.as_ref(), |identity| {
        Json::object([
            ("client_id", Json::text(identity.client_id.as_str())),
            ("version", Json::text(&identity.version.to_string())),
            ("session_expiry_secs", Json::number(identity.session_expiry_secs)),
            ("holder", Json::optional(identity.holder.as_ref(), |holder| Json::text(holder.as_str()))),
        ])
    });
    let waiting = Json::object([
        ("messages", Json::number(contents.waiting)),
        ("bytes", Json::number(contents.waiting_bytes)),
        ("oldest", Json::optional(contents.oldest_waiting.as_ref(), publication)),
    ]);
    Json::object([
        ("path", Json::text(&path.display().to_string())),
        ("file_bytes", Json::number(contents.file_bytes)),
        ("modified_unix_secs", Json::optional(modified(path), Json::number)),
        ("sealed", Json::boolean(contents.is_sealed)),
        ("commits", Json::number(contents.commits)),
        ("sessions", Json::number(contents.generation)),
        ("last_publication", Json::number(contents.last_publication)),
        ("identity", identity),
        ("waiting", waiting),
        ("in_flight", Json::list(contents.in_flight.iter().map(publication))),
        ("retired_packet_ids", ids(&contents.retired)),
        ("received_packet_ids", ids(&contents.received)),
        ("subscriptions", Json::list(contents.wanted.iter().map(subscription))),
        ("outcomes", Json::number(contents.outcomes)),
    ])
    .into_text()
}

fn publication(stored: &StoredPublication) -> Json {
    let (phase, packet_id) = phase(stored.phase);
    let deadline = stored.deadline.map(|deadline| deadline.as_micros() / 1_000_000);
    Json::object([
        ("publication", Json::number(stored.publication.as_u64())),
        ("topic", Json::text(stored.message.topic.as_str())),
        ("qos", Json::number(stored.message.qos.as_u8())),
        ("retain", Json::boolean(stored.message.retain)),
        ("payload_bytes", Json::number(stored.message.payload.len() as u64)),
        ("deadline_unix_secs", Json::optional(deadline, Json::number)),
        ("key", Json::optional(stored.key.as_ref(), |key| Json::text(key.as_str()))),
        ("phase", Json::text(phase)),
        ("packet_id", Json::optional(packet_id, |id| Json::number(id.as_u16()))),
    ])
}

fn subscription(wanted: &Wanted) -> Json {
    Json::object([
        ("filter", Json::text(wanted.filter.as_str())),
        ("qos", Json::number(wanted.options.qos.as_u8())),
        ("no_local", Json::boolean(wanted.options.no_local)),
        ("retain_as_published", Json::boolean(wanted.options.retain_as_published)),
        ("retain_handling", Json::number(wanted.options.retain_handling as u8)),
        ("subscription_id", Json::optional(wanted.subscription_id, |id| Json::number(id.as_u32()))),
    ])
}

const fn phase(phase: StoredPhase) -> (&'static str, Option<PacketId>) {
    match phase {
        StoredPhase::Waiting | StoredPhase::Requeued => ("waiting", None),
        StoredPhase::Sent { packet_id } => ("sent", Some(packet_id)),
        StoredPhase::Released { packet_id, .. } => ("released", Some(packet_id)),
    }
}

/// When the file was last written.
fn modified(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    modified.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
