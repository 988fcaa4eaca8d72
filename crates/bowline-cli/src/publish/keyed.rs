//! Sends lines with keys, one after the other. Knows no store's file.

use bowline::Topic;
use tokio::io::AsyncRead;

use crate::exit::Failure;
use crate::publish::ledger::Ledger;
use crate::publish::lines::Lines;
use crate::publish::progress::Progress;

/// Sends the lines that no earlier run has had accepted. Each is accepted before the next one is handed over: whether its key is
/// free is for the store to say, and two that ask at the same time could overtake each other.
pub(super) async fn send(
    lines: &mut Lines<impl AsyncRead + Unpin>,
    topic: &Topic,
    progress: &mut Progress,
    ledger: &mut Ledger,
) -> Result<(), Failure> {
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = ledger.settle_next(), if !ledger.is_settled() => continue,
        };
        let Some(line) = line.map_err(|error| Failure::new(format!("stdin: {error}")))? else {
            progress.end()?;
            if lines.is_cut() {
                progress.tell_cut();
            }
            return Ok(());
        };
        let Some((number, key)) = progress.next(&line)? else { continue };
        let sent = topic.publish(line).key(key).send().await;
        let is_refused = sent.is_err();
        if !ledger.has_room() {
            ledger.leave_oldest_to_store();
        }
        ledger.taken_line(number, sent);
        if is_refused {
            return Err(Failure::new(format!(
                "line {number} was not accepted, and none behind it was read: run it again with the whole input"
            )));
        }
    }
}
