//! Tells on stderr what happens to a connection after it was made. Decides nothing.

use bowline::{Event, Events, PublishErrorKind};

use crate::exit::{Codes, say};

/// Follows the events until the client is over. The log has more; this is what everybody wants to know. Returns how many
/// publications failed whose receipts nobody has.
pub(crate) async fn tell(program: &'static str, codes: Codes, mut events: Events) -> u64 {
    let mut is_lost = false;
    let mut failed = 0;
    while let Some(event) = events.next().await {
        match event {
            Event::Disconnected(why) if !why.is_requested() => {
                is_lost = true;
                say(program, &format!("connection lost: {}", codes.text(&why)));
            }
            Event::VersionRefused { refused, next } => {
                say(program, &format!("the broker does not take MQTT {refused} any more; trying {next}"));
            }
            Event::Reconnecting { delay, .. } => {
                say(program, &format!("connecting again in {:.1} s", delay.as_secs_f64()));
            }
            Event::Connected(_) if is_lost => {
                is_lost = false;
                say(program, "connected again");
            }
            Event::SessionLost { indeterminate: count @ 1.., .. } => {
                say(
                    program,
                    &format!("the broker has lost the session: what became of {count} messages is unknown"),
                );
            }
            // What it kept for a subscriber is gone with it.
            Event::SessionLost { .. } if program == "sub" => {
                say(program, "the broker has lost the session: messages may be missing");
            }
            // The store has it.
            Event::PublishFailed { kind: PublishErrorKind::Stored, .. } => {}
            Event::PublishFailed { kind, .. } => {
                failed += 1;
                say(program, &format!("a message could not be sent: {kind:?}"));
            }
            Event::Qos0Dropped { messages } => {
                say(program, &format!("{messages} messages of QoS 0 came too fast and were dropped"));
            }
            Event::StoreFailed { error } => say(program, &error.to_string()),
            _ => {}
        }
    }
    failed
}
