//! Tells on stderr what happens to a connection after it was made. Decides nothing.

use bowline::{Event, Events, PublishErrorKind};

use crate::exit::{Codes, say};

/// Publications of earlier runs, whose receipts nobody has, that did not end well.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unfortunate {
    /// They will not be delivered.
    pub(crate) failed: u64,
    /// They may have been.
    pub(crate) unknown: u64,
}

/// Follows the events until the client is over. The log has more; this is what everybody wants to know.
pub(crate) async fn tell(program: &'static str, codes: Codes, mut events: Events) -> Unfortunate {
    let mut is_lost = false;
    let mut unfortunate = Unfortunate::default();
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
                let messages = if count == 1 { "message" } else { "messages" };
                say(
                    program,
                    &format!(
                        "the broker has lost the session: what became of {count} {messages} is unknown (--on-session-loss again has such sent again)"
                    ),
                );
            }
            // What it kept for a subscriber is gone with it.
            Event::SessionLost { .. } if program == "sub" => {
                say(program, "the broker has lost the session: messages may be missing");
            }
            // The store has it.
            Event::PublishFailed { kind: PublishErrorKind::Stored, .. } => {}
            // `SessionLost` says so.
            Event::PublishFailed { kind: PublishErrorKind::Indeterminate { limit: None }, .. } => {
                unfortunate.unknown += 1;
            }
            Event::PublishFailed { topic, kind } => {
                let is_unknown =
                    matches!(kind, PublishErrorKind::Indeterminate { .. } | PublishErrorKind::Poison { .. });
                *(if is_unknown { &mut unfortunate.unknown } else { &mut unfortunate.failed }) += 1;
                let to = topic.map_or_else(String::new, |topic| format!(" to {topic}"));
                say(program, &format!("a message{to} was given up: {}", why(&kind)));
            }
            Event::Qos0Dropped { messages } => {
                say(program, &format!("{messages} messages of QoS 0 came too fast and were dropped"));
            }
            Event::StoreFailed { error } => say(program, &error.to_string()),
            _ => {}
        }
    }
    unfortunate
}

/// Why a message of an earlier run was given up.
fn why(kind: &PublishErrorKind) -> String {
    match kind {
        PublishErrorKind::Rejected { reason, .. } => format!("the broker refused it: {reason}"),
        PublishErrorKind::Forbidden(limit) => limit.to_string(),
        PublishErrorKind::Indeterminate { limit: Some(limit) } => {
            format!("it was sent, and must not be sent again: {limit}")
        }
        PublishErrorKind::Expired => "its expiry interval is over".to_owned(),
        PublishErrorKind::Poison { closes } => {
            format!("the broker closed {closes} connections on which it was sent")
        }
        PublishErrorKind::StoreFailed => "the store could not keep it".to_owned(),
        other => format!("{other:?}"),
    }
}
