//! Says in words what is in the file of a session. Knows no JSON.

use std::fmt::Write as _;
use std::path::Path;

use bowline::PacketId;
use bowline::store::{StoreContents, StoredPublication, Wanted};

use crate::store::phase;

/// Publications and identifiers that are shown one by one; `--json` has all.
const SHOWN_MAX: usize = 20;

/// What is there, and what to do about it.
pub(super) fn text(path: &Path, contents: &StoreContents) -> String {
    let mut lines = vec![format!(
        "{}: {} bytes, {} commits, last publication {}",
        path.display(),
        contents.file_bytes,
        contents.commits,
        contents.last_publication
    )];
    lines.push(match &contents.identity {
        Some(identity) => {
            let expiry = match identity.session_expiry_secs {
                u32::MAX => "never expires".to_owned(),
                secs => format!("expires {secs} s after a connection"),
            };
            let client = &identity.client_id;
            format!("session {} of client {client}, MQTT {}, {expiry}", contents.generation, identity.version)
        }
        None => "no broker has had a session of it yet".to_owned(),
    });
    lines.push(format!(
        "{} to be sent ({} bytes with their topics)",
        counted(contents.waiting, ["message waits", "messages wait"]),
        contents.waiting_bytes
    ));
    lines.extend(contents.oldest_waiting.iter().map(|oldest| format!("  oldest: {}", one(oldest))));
    let in_flight = contents.in_flight.len() as u64;
    lines.push(format!(
        "{} sent, perhaps, and not acknowledged to the end",
        counted(in_flight, ["message was", "messages were"])
    ));
    lines.extend(contents.in_flight.iter().take(SHOWN_MAX).map(|stored| format!("  {}", one(stored))));
    if contents.in_flight.len() > SHOWN_MAX {
        lines.push("  ... (--json has all)".to_owned());
    }
    lines.push(counted(contents.wanted.len() as u64, ["subscription", "subscriptions"]));
    let subscribed = |wanted: &Wanted| format!("  {} with QoS {}", wanted.filter, wanted.options.qos.as_u8());
    lines.extend(contents.wanted.iter().map(subscribed));
    lines.push(format!("packet identifiers that the broker may still know: {}", ids(&contents.retired)));
    lines.push(format!(
        "packet identifiers of QoS 2 messages that were taken once and may come again: {}",
        ids(&contents.received)
    ));
    lines.push(counted(
        contents.outcomes,
        ["end of a publication with a key is kept", "ends of publications with a key are kept"],
    ));
    lines.extend(advice(path, contents.waiting + in_flight));
    lines.join("\n")
}

/// How what is not delivered gets delivered.
fn advice(path: &Path, undelivered: u64) -> Option<String> {
    let them = match undelivered {
        0 => return None,
        1 => "it",
        _ => "them",
    };
    Some(format!(
        "`bowline pub --store {}` delivers {them}, with the options for the connection that the run before had",
        path.display()
    ))
}

fn counted(count: u64, [one, several]: [&str; 2]) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn one(stored: &StoredPublication) -> String {
    let message = &stored.message;
    let mut text = format!("publication {} to {}", stored.publication.as_u64(), message.topic);
    let (phase, packet_id) = phase(stored.phase);
    let bytes = message.payload.len();
    write!(text, ", QoS {}, {bytes} bytes, {phase}", message.qos.as_u8()).expect("a string takes all");
    if let Some(packet_id) = packet_id {
        write!(text, " as {}", packet_id.as_u16()).expect("a string takes all");
    }
    text
}

fn ids(ids: &[PacketId]) -> String {
    if ids.is_empty() {
        return "none".to_owned();
    }
    let mut shown: Vec<String> = ids.iter().take(SHOWN_MAX).map(|id| id.as_u16().to_string()).collect();
    if ids.len() > SHOWN_MAX {
        shown.push(format!("... ({} in all)", ids.len()));
    }
    shown.join(" ")
}
