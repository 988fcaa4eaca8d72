//! Publishing a whole stream: as many at a time as queue and window allow, never one round trip after the other.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::QoS;
use bowline_proto::session::SessionLoss;
use bowline_proto::types::Message;
use futures_core::Stream;

use crate::outcome::{PublishError, PublishErrorKind};
use crate::publish::admission::{Admission, Until};
use crate::publish::receipt::Receipt;
use crate::shared::Lease;

/// Receipts that are held at most; beyond it the oldest is waited for.
const RECEIPTS_MAX: usize = 16_384;

/// Why a stream was not published to its end.
#[derive(Debug)]
pub struct PublishAllError {
    acknowledged: u64,
    error: PublishError,
}

impl PublishAllError {
    /// How many messages before the one that failed were acknowledged.
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Why the next one was not.
    pub const fn error(&self) -> &PublishError {
        &self.error
    }

    /// Why the next one was not.
    pub fn into_error(self) -> PublishError {
        self.error
    }
}

impl fmt::Display for PublishAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} was not acknowledged: {}", self.acknowledged + 1, self.error)
    }
}

impl Error for PublishAllError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

pub(super) async fn publish_all<S: Stream>(
    lease: &Arc<Lease>,
    choice: Option<SessionLoss>,
    payloads: S,
    to_message: impl Fn(S::Item) -> Result<Message, PublishErrorKind>,
) -> Result<u64, PublishAllError> {
    let mut payloads = pin!(payloads);
    let mut open = OpenReceipts::default();
    let mut admission: Option<(Admission<'_>, QoS)> = None;
    let mut is_exhausted = false;
    poll_fn(|cx| {
        loop {
            if let Some((pending, qos)) = &mut admission {
                let Poll::Ready(admitted) = Pin::new(pending).poll(cx) else { return open.wait(cx) };
                match admitted {
                    Ok(publication) => {
                        open.receipts.push_back(Receipt::new(lease.clone(), publication, *qos));
                    }
                    Err(error) => return open.fail(error),
                }
                admission = None;
            }
            if is_exhausted || open.receipts.len() == RECEIPTS_MAX {
                match open.settle(cx) {
                    Err(error) => return open.fail(error),
                    Ok(()) if open.receipts.is_empty() && is_exhausted => {
                        return Poll::Ready(Ok(open.acknowledged));
                    }
                    Ok(()) if is_exhausted || open.receipts.len() == RECEIPTS_MAX => return Poll::Pending,
                    Ok(()) => {}
                }
            }
            match payloads.as_mut().poll_next(cx) {
                Poll::Ready(Some(payload)) => match to_message(payload) {
                    Ok(message) => {
                        let qos = message.qos;
                        admission =
                            Some((Admission::new(lease, message, Until::Queued).choosing(choice), qos));
                    }
                    Err(kind) => return open.fail(PublishError::new(kind, None)),
                },
                Poll::Ready(None) => is_exhausted = true,
                Poll::Pending => return open.wait(cx),
            }
        }
    })
    .await
}

/// What was accepted and is not known to be acknowledged, oldest first.
#[derive(Debug, Default)]
struct OpenReceipts {
    receipts: VecDeque<Receipt>,
    acknowledged: u64,
}

impl OpenReceipts {
    /// Takes the acknowledgements that are there; the task is woken at the next one.
    fn settle(&mut self, cx: &mut Context<'_>) -> Result<(), PublishError> {
        while let Some(receipt) = self.receipts.front_mut()
            && let Poll::Ready(result) = Pin::new(receipt).poll(cx)
        {
            self.receipts.pop_front();
            result?;
            self.acknowledged += 1;
        }
        Ok(())
    }

    /// Settles, and waits unless something failed.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, PublishAllError>> {
        match self.settle(cx) {
            Ok(()) => Poll::Pending,
            Err(error) => self.fail(error),
        }
    }

    const fn fail(&self, error: PublishError) -> Poll<Result<u64, PublishAllError>> {
        Poll::Ready(Err(PublishAllError { acknowledged: self.acknowledged, error }))
    }
}
