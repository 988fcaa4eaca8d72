//! Lines on their way into the store: many at a time, in their order. Knows no input, and of receipts only that there are some.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use bowline::{PublishError, Receipt, Topic};
use bytes::Bytes;
use tokio::task::unconstrained;

/// Most lines that the store has not confirmed.
const LINES_MAX: usize = 4_096;
/// Most bytes of them, unless one alone has more.
const BYTES_MAX: usize = 64 * 1024 * 1024;

type Accepting<'a> = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>> + Send + 'a>>;

/// Lines that were handed over and are not known to be stored, oldest first. Together they cost one sync, not one each.
pub(super) struct Window<'a> {
    topic: &'a Topic,
    lines: VecDeque<Line<'a>>,
    bytes: usize,
}

struct Line<'a> {
    number: u64,
    bytes: usize,
    accepting: Accepting<'a>,
}

impl<'a> Window<'a> {
    pub(super) const fn new(topic: &'a Topic) -> Self {
        Self { topic, lines: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.lines.is_empty() || self.lines.len() < LINES_MAX && self.bytes < BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Hands the next line over, perhaps with a key; false if it was refused at once. The queue of a session with a store has no
    /// limit that it could wait for, so that it is behind the lines before it from now on.
    pub(super) async fn push(&mut self, number: u64, line: Bytes, key: Option<String>) -> bool {
        let bytes = line.len();
        let publish = self.topic.publish(line);
        let publish = if let Some(key) = key { publish.key(key) } else { publish };
        // Without a budget, as it would else be told to come again when that is used up, and then be behind lines after it.
        let mut accepting: Accepting<'a> = Box::pin(unconstrained(publish.send()));
        // What it comes to is asked for later: one that is ready must not be asked twice.
        let polled = poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx))).await;
        let is_refused = matches!(polled, Poll::Ready(Err(_)));
        if let Poll::Ready(result) = polled {
            accepting = Box::pin(std::future::ready(result));
        }
        self.bytes += bytes;
        self.lines.push_back(Line { number, bytes, accepting });
        !is_refused
    }

    /// The number of the oldest line, and what became of it; there must be one.
    ///
    /// A dropped future has lost nothing.
    pub(super) async fn next(&mut self) -> (u64, Result<Receipt, PublishError>) {
        let Line { number, bytes, accepting } = self.lines.front_mut().expect("there is a line");
        let (number, bytes, result) = (*number, *bytes, accepting.await);
        self.lines.pop_front();
        self.bytes -= bytes;
        (number, result)
    }
}
