//! Tells on stderr what happens to a connection after it was made. Decides nothing.

use bowline::{Event, Events};

/// Follows the events until the client is over. The log has more; this is what everybody wants to know.
pub(crate) async fn tell(program: &'static str, mut events: Events) {
    let mut is_lost = false;
    while let Some(event) = events.next().await {
        match event {
            Event::Disconnected(why) if !why.is_requested() => {
                is_lost = true;
                eprintln!("bowline {program}: connection lost: {why}");
            }
            Event::Reconnecting { delay, .. } => {
                eprintln!("bowline {program}: connecting again in {:.1} s", delay.as_secs_f64());
            }
            Event::Connected(_) if is_lost => {
                is_lost = false;
                eprintln!("bowline {program}: connected again");
            }
            Event::SessionLost { indeterminate: count @ 1.., .. } => {
                eprintln!(
                    "bowline {program}: the broker has lost the session: what became of {count} messages is unknown"
                );
            }
            Event::PublishFailed { kind, .. } => {
                eprintln!("bowline {program}: a message could not be sent: {kind:?}");
            }
            Event::Qos0Dropped { messages } => {
                eprintln!("bowline {program}: {messages} messages of QoS 0 came too fast and were dropped");
            }
            _ => {}
        }
    }
}
