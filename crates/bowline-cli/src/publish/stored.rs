//! What is different about publishing with a store: lines are accepted without a connection, and what an earlier run has accepted
//! is delivered. Knows no input.

use std::time::Duration;

use bowline::{Connection, ConnectionState};
use tokio::time::sleep;

use crate::connect::StorePath;
use crate::exit::{Failure, WAITS, say};
use crate::watching::Unfortunate;

/// How long before the end of the patience the last attempt to connect is made.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// A store, and what to do without a connection.
pub(super) struct Stored {
    pub(super) path: StorePath,
    /// How long to go on without a connection once there is no more input.
    pub(super) patience: Duration,
}

impl Stored {
    /// Says what earlier runs have left, and returns how much that is.
    pub(super) fn tell_left(&self, connection: &Connection) -> usize {
        let stats = connection.stats();
        let left = stats.queued_messages + stats.in_flight;
        if left > 0 {
            say(
                "pub",
                &format!(
                    "{} of an earlier run {} in {}",
                    messages(left as u64),
                    waits(left as u64),
                    self.path
                ),
            );
        }
        left
    }

    /// Resolves when there was no connection for as long as there is patience. The delays between attempts may have grown longer
    /// than that: one is made at once, and one shortly before the end.
    pub(super) async fn without_connection(&self, connection: &Connection) -> Failure {
        let mut watch = connection.connection();
        loop {
            if !matches!(watch.state(), ConnectionState::Connected(_)) {
                tokio::select! {
                    _ = watch.connected() => {}
                    () = self.try_until_the_end(connection) => {
                        let secs = self.patience.as_secs();
                        return Failure { code: WAITS, text: format!("no connection for {secs} s") };
                    }
                }
            }
            watch.changed().await;
        }
    }

    async fn try_until_the_end(&self, connection: &Connection) {
        if self.patience.is_zero() {
            return;
        }
        let last = LAST_ATTEMPT.min(self.patience / 2);
        connection.probe();
        sleep(self.patience.saturating_sub(last)).await;
        connection.probe();
        sleep(last).await;
    }

    /// The exit code of a run that came to its end.
    pub(super) async fn result(
        &self,
        result: Result<u8, Failure>,
        left: usize,
        unfortunate: Unfortunate,
    ) -> Result<u8, Failure> {
        match (result, told(unfortunate)) {
            (Ok(code), None) => {
                if left > 0 {
                    say("pub", &format!("{} of an earlier run delivered", messages(left as u64)));
                }
                Ok(code)
            }
            (Ok(_), Some(text)) => Err(Failure::new(text)),
            (Err(mut failure), text) => {
                failure.text.extend(text.iter().flat_map(|text| ["\n", text]));
                Err(self.with_rest(failure).await)
            }
        }
    }

    /// Says of a run that did not come to its end what waits in the store, once the client is over.
    pub(super) async fn with_rest(&self, mut failure: Failure) -> Failure {
        let Some(contents) = self.path.after().await else { return failure };
        let count = contents.waiting + contents.in_flight.len() as u64;
        if count > 0 {
            let it = if count == 1 { "it" } else { "them" };
            failure.text += &format!(
                "\n{} {} in {path}: `bowline pub --store {path}` delivers {it}, with the options for the connection and no \
                 message",
                messages(count),
                waits(count),
                path = self.path
            );
        }
        failure
    }
}

/// What is to be said of messages of earlier runs that did not end well.
fn told(Unfortunate { failed, unknown }: Unfortunate) -> Option<String> {
    let mut lines = Vec::new();
    if failed > 0 {
        lines.push(format!("{} could not be delivered", messages(failed)));
    }
    if unknown > 0 {
        let (were, are) = if unknown == 1 { ("it was", "it is") } else { ("they were", "they are") };
        lines.push(format!(
            "of {} it is unknown whether {were} delivered; {are} not sent again, as with QoS 2 none may arrive twice",
            messages(unknown)
        ));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

const fn waits(count: u64) -> &'static str {
    if count == 1 { "waits" } else { "wait" }
}
