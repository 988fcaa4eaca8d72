//! Sends lines that go into a store first: as many as are there go together, and none waits for acknowledgements. Knows no store's
//! file.

use bowline::Topic;
use bytes::Bytes;
use tokio::io::AsyncRead;

use crate::exit::Failure;
use crate::publish::is_over;
use crate::publish::ledger::Ledger;
use crate::publish::lines::Lines;
use crate::publish::progress::Progress;
use crate::publish::window::Window;

/// Sends the lines; with a progress those that no earlier run has had accepted.
///
/// With a progress no line is accepted behind one that is not, also if the store fails in between and is well again: the last key
/// would tell of more than there is. All that are on their way into the store when it fails are refused together; so it is enough
/// that no line is handed over between that and our hearing of it. The window is asked first, and from there to the handing over
/// nothing is awaited; on the one thread of [`runtime`](crate::runtime) nothing else can happen meanwhile.
pub(super) async fn send(
    lines: &mut Lines<impl AsyncRead + Unpin>,
    topic: &Topic,
    progress: Option<Progress>,
    ledger: &mut Ledger,
) -> Result<(), Failure> {
    let mut window = Window::new(topic);
    let mut numbers = Numbers { progress, last: 0 };
    let mut end = None;
    while end.is_none() || !window.is_empty() {
        tokio::select! {
            biased;
            (number, stored) = window.next(), if !window.is_empty() => {
                if stored.is_err() && numbers.progress.is_some() {
                    // Of several the first counts; that the input is over does not.
                    if !matches!(end, Some(Err(_))) {
                        end = Some(Err(not_accepted(number)));
                    }
                } else if is_over(&stored) {
                    end.get_or_insert(Ok(()));
                }
                if !ledger.has_room() {
                    ledger.leave_oldest_to_store();
                }
                ledger.taken_line(number, stored);
            }
            line = lines.next(), if end.is_none() && window.has_room() => match line {
                Ok(Some(line)) => match numbers.next(&line) {
                    Ok(Some((number, key))) => {
                        let has_key = key.is_some();
                        if !window.push(number, line, key).await && has_key {
                            end = Some(Err(not_accepted(number)));
                        }
                    }
                    Ok(None) => {}
                    Err(failure) => end = Some(Err(failure)),
                },
                Ok(None) => end = Some(numbers.end(lines.is_cut())),
                Err(error) => end = Some(Err(Failure::new(format!("stdin: {error}")))),
            },
            () = ledger.settle_next(), if !ledger.is_settled() => {}
        }
    }
    end.unwrap_or(Ok(()))
}

fn not_accepted(number: u64) -> Failure {
    Failure::new(format!(
        "line {number} was not accepted, and none behind it: run it again with the whole input"
    ))
}

/// Numbers of lines, and their keys if they have some.
struct Numbers {
    progress: Option<Progress>,
    last: u64,
}

impl Numbers {
    /// Of the next line, if it has to be sent.
    fn next(&mut self, line: &Bytes) -> Result<Option<(u64, Option<String>)>, Failure> {
        if let Some(progress) = &mut self.progress {
            return Ok(progress.next(line)?.map(|(number, key)| (number, Some(key))));
        }
        self.last += 1;
        Ok(Some((self.last, None)))
    }

    /// The input is over; its last line may have been cut off.
    fn end(&self, is_cut: bool) -> Result<(), Failure> {
        let Some(progress) = &self.progress else { return Ok(()) };
        progress.end()?;
        if is_cut {
            progress.tell_cut();
        }
        Ok(())
    }
}
