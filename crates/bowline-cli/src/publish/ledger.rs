//! Who keeps count of what was sent and what became of it. Knows no connection and no input.

use std::collections::VecDeque;

use bowline::{PublishError, PublishErrorKind, Receipt};

use crate::exit::{FAILED, Failure, say};
use crate::stop::Stop;

/// Receipts that are held at most; beyond it no line is read.
const RECEIPTS_MAX: usize = 16_384;
/// Failures that are told one by one; the others are counted.
const TOLD_MAX: u64 = 10;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noun {
    /// There is one.
    OnlyMessage,
    Message,
    Line,
}

/// What was sent, what of it was acknowledged, and what failed.
#[derive(Debug)]
pub(super) struct Ledger {
    noun: Noun,
    /// Sent or refused so far: the number of the last line.
    count: u64,
    acknowledged: u64,
    failed: u64,
    /// Accepted and not acknowledged as far as is known, and in the store.
    left_to_store: u64,
    first_failed: Option<u64>,
    /// Accepted and not known to be acknowledged, with the line's number, oldest first.
    open: VecDeque<(u64, Receipt)>,
}

impl Noun {
    const fn word(self) -> &'static str {
        match self {
            Self::OnlyMessage | Self::Message => "message",
            Self::Line => "line",
        }
    }
}

impl Ledger {
    pub(super) const fn new(noun: Noun) -> Self {
        Self {
            noun,
            count: 0,
            acknowledged: 0,
            failed: 0,
            left_to_store: 0,
            first_failed: None,
            open: VecDeque::new(),
        }
    }

    /// Whether another message may be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < RECEIPTS_MAX
    }

    /// Whether it is known of all what became of them.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// The client has taken the next message, or not.
    pub(super) fn taken(&mut self, sent: Result<Receipt, PublishError>) {
        self.taken_line(self.count + 1, sent);
    }

    /// The same, of the line with this number, if some are left out.
    pub(super) fn taken_line(&mut self, number: u64, sent: Result<Receipt, PublishError>) {
        self.count += 1;
        match sent {
            Ok(receipt) => self.open.push_back((number, receipt)),
            Err(error) => self.fail(number, &error),
        }
    }

    /// Follows the oldest message no longer. The store has it: if it fails an event says so.
    pub(super) fn leave_oldest_to_store(&mut self) {
        if self.open.pop_front().is_some() {
            self.left_to_store += 1;
        }
    }

    /// Waits for the end of the oldest message that is open; there must be one.
    ///
    /// A dropped future has lost nothing.
    pub(super) async fn settle_next(&mut self) {
        let Some((_, receipt)) = self.open.front_mut() else { return };
        let result = receipt.await;
        let Some((number, _)) = self.open.pop_front() else { return };
        match result {
            Ok(_) => self.acknowledged += 1,
            Err(error) if *error.kind() == PublishErrorKind::Stored => self.left_to_store += 1,
            Err(error) => self.fail(number, &error),
        }
    }

    /// Waits for the end of all that was sent.
    pub(super) async fn settle_all(&mut self) {
        while !self.is_settled() {
            self.settle_next().await;
        }
    }

    fn fail(&mut self, number: u64, error: &PublishError) {
        self.failed += 1;
        self.first_failed.get_or_insert(number);
        // That the client is over concerns all of them, and is said once.
        let is_own = !matches!(
            error.kind(),
            PublishErrorKind::Ended
                | PublishErrorKind::NotSent
                | PublishErrorKind::Indeterminate { limit: None }
        );
        if is_own && self.failed <= TOLD_MAX {
            let what = match self.noun {
                Noun::OnlyMessage => "the message".to_owned(),
                noun => format!("{} {number}", noun.word()),
            };
            say("pub", &format!("{what} was not acknowledged: {error}"));
        }
    }

    /// Says what is not acknowledged when a signal ends the command.
    pub(super) fn interrupted(&self, stop: Stop) -> Failure {
        let missing = self.count - self.acknowledged;
        let text = if self.count == 0 {
            "interrupted".to_owned()
        } else {
            format!("interrupted: {missing} of {} messages are not acknowledged", self.count)
        };
        Failure { code: stop.exit_code(), text }
    }

    /// The exit code, when it is known of all messages what became of them.
    pub(super) fn result(self, sent: Result<(), Failure>) -> Result<u8, Failure> {
        let Self { noun, count, acknowledged, first_failed, left_to_store, .. } = self;
        let missing = count - acknowledged - left_to_store;
        if missing == 0 {
            return sent.map(|()| 0);
        }
        let (code, mut text) = match sent {
            Ok(()) => (FAILED, String::new()),
            Err(failure) => (failure.code, failure.text + "\n"),
        };
        if noun != Noun::OnlyMessage {
            let (word, first) = (noun.word(), first_failed.unwrap_or(acknowledged + 1));
            text +=
                &format!("{missing} of {count} {word}s were not acknowledged, the first is {word} {first}");
        } else if !text.is_empty() {
            text += "the message was not acknowledged";
        }
        Err(Failure { code, text })
    }
}
