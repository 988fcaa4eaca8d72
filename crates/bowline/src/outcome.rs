//! How publications end: acknowledged, or one of the errors. Owns the mapping of the engine's outcomes onto them.

use std::error::Error;
use std::fmt;

use bowline_proto::ReasonCode;
use bowline_proto::client::{DropReason, Outcome};
use bowline_proto::connection::LimitError;
use bowline_proto::error::RequestError;
use bowline_proto::packet::AckProperties;
use bowline_proto::session::{KeyState, StoredOutcome};
use bowline_proto::types::Message;
use bowline_proto::types::topic::TopicError;

use crate::store::StoreError;

/// The broker has the message; with QoS 0: it was accepted to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    reason: ReasonCode,
    properties: Option<Box<AckProperties>>,
    is_downgraded: bool,
}

impl Acknowledgement {
    pub(crate) const fn new(
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
        is_downgraded: bool,
    ) -> Self {
        Self { reason, properties, is_downgraded }
    }

    /// What a QoS 0 publication ends with.
    pub(crate) const fn of_acceptance() -> Self {
        Self::new(ReasonCode::Success, None, false)
    }

    /// The reason code of PUBACK or PUBCOMP, below 0x80. `Success` before 5.0, which has none, and with QoS 0.
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// What a 5.0 broker said besides.
    pub fn properties(&self) -> Option<&AckProperties> {
        self.properties.as_deref()
    }

    /// Whether the broker treated a QoS 2 publication as QoS 1, as some do.
    pub const fn is_downgraded(&self) -> bool {
        self.is_downgraded
    }
}

/// Why a publication was not acknowledged. Where the message was never sent, it is handed back.
pub struct PublishError {
    parts: Box<Parts>,
}

struct Parts {
    kind: PublishErrorKind,
    message: Option<Message>,
    store_error: Option<StoreError>,
}

/// What a [`PublishError`] comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The send queue is at its limit. `try_send` says so; the others wait, unless the queue is to
    /// [`Reject`](crate::OnFull::Reject).
    Full {
        /// Messages that wait.
        messages: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The topic is none.
    Topic(TopicError),
    /// The message cannot be sent as it is: the caller's mistake, or more than this broker takes.
    Request(RequestError),
    /// A value given to the builder is out of its range or not legal.
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The broker refused it.
    Rejected {
        /// 0x80 or above.
        reason: ReasonCode,
        /// What the broker said besides.
        properties: Option<Box<AckProperties>>,
    },
    /// It waited until a connection whose limits forbid it.
    Forbidden(LimitError),
    /// Its expiry interval passed before it could be sent.
    Expired,
    /// The limits of the send queue had it dropped before it was sent.
    Dropped(DropReason),
    /// It was cancelled before it was sent.
    Cancelled,
    /// The client ended before it was sent.
    NotSent,
    /// It was sent, and nobody knows whether the broker has it: the session or the client ended before its last word.
    Indeterminate {
        /// The limit of a new connection that keeps it from being sent again, if that is why.
        limit: Option<LimitError>,
    },
    /// Each time it was sent the broker closed the connection, the last time with nothing else unanswered. It is not sent
    /// again, and nobody knows whether the broker has it.
    Poison {
        /// How many connections the broker closed over it.
        closes: u32,
    },
    /// The time given with [`timeout`](crate::Publish::timeout) was over. With the message in the error it was not sent;
    /// without, it stays queued or in flight and is delivered all the same.
    TimedOut,
    /// The client has ended and accepts nothing.
    Ended,
    /// The session store could not keep it; [`PublishError::store_error`] says why.
    StoreFailed,
    /// The [`key`](crate::Publish::key) is that of an earlier message.
    KnownKey(KnownKey),
    /// The client ended; the message is stored, and the next client on the durable session goes on with it.
    Stored,
}

/// What is known of the earlier message with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it goes on or is over")]
pub enum KnownKey {
    /// It was accepted, or is about to be, and has not ended.
    Pending,
    /// It has ended.
    Ended(StoredOutcome),
}

impl KnownKey {
    /// What a store knows of the key; `None` if it is not known.
    pub(crate) const fn of_state(state: KeyState) -> Option<Self> {
        match state {
            KeyState::Unknown => None,
            KeyState::Pending(_) => Some(Self::Pending),
            KeyState::Ended(outcome) => Some(Self::Ended(outcome)),
        }
    }
}

impl fmt::Display for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("it has not ended"),
            Self::Ended(outcome) => outcome.fmt(f),
        }
    }
}

impl PublishError {
    pub(crate) fn new(kind: PublishErrorKind, message: Option<Message>) -> Self {
        Self { parts: Box::new(Parts { kind, message, store_error: None }) }
    }

    /// The same error, with what the store said last if it is about the store.
    pub(crate) fn of_store(mut self, said: Option<&StoreError>) -> Self {
        if self.parts.kind == PublishErrorKind::StoreFailed {
            self.parts.store_error = said.cloned();
        }
        self
    }

    /// What it comes down to.
    pub const fn kind(&self) -> &PublishErrorKind {
        &self.parts.kind
    }

    /// Why the session store could not keep it, with [`PublishErrorKind::StoreFailed`]; what the text of this error ends with.
    pub const fn store_error(&self) -> Option<&StoreError> {
        self.parts.store_error.as_ref()
    }

    /// The message, if it was never sent.
    pub const fn message(&self) -> Option<&Message> {
        self.parts.message.as_ref()
    }

    /// Hands the message back, if it was never sent.
    pub fn into_message(self) -> Option<Message> {
        self.parts.message
    }

    /// Whether the broker does not have the message and will not get it. False only for
    /// [`PublishErrorKind::Indeterminate`], [`PublishErrorKind::Poison`], [`PublishErrorKind::Stored`] and
    /// [`PublishErrorKind::KnownKey`], and for [`PublishErrorKind::TimedOut`] without
    /// the message.
    pub const fn is_certain(&self) -> bool {
        match self.parts.kind {
            PublishErrorKind::Indeterminate { .. }
            | PublishErrorKind::Poison { .. }
            | PublishErrorKind::Stored
            | PublishErrorKind::KnownKey(_) => false,
            PublishErrorKind::TimedOut => self.parts.message.is_some(),
            _ => true,
        }
    }

    /// Whether the queue was full.
    pub const fn is_full(&self) -> bool {
        matches!(self.parts.kind, PublishErrorKind::Full { .. })
    }
}

/// What the engine says of an ended publication, as applications see it.
pub(crate) fn result_of(outcome: Outcome) -> Result<Acknowledgement, PublishError> {
    let (kind, message) = match outcome {
        Outcome::Acknowledged { reason, properties, downgraded } => {
            return Ok(Acknowledgement::new(reason, properties, downgraded));
        }
        Outcome::Rejected { reason, properties } => (PublishErrorKind::Rejected { reason, properties }, None),
        Outcome::Forbidden { message, limit } => (PublishErrorKind::Forbidden(limit), Some(message)),
        Outcome::Expired { message } => (PublishErrorKind::Expired, Some(message)),
        Outcome::Dropped { message, why } => (PublishErrorKind::Dropped(why), Some(message)),
        Outcome::Cancelled { message } => (PublishErrorKind::Cancelled, Some(message)),
        Outcome::NotSent { message } => (PublishErrorKind::NotSent, Some(message)),
        Outcome::StoreFailed { message } => (PublishErrorKind::StoreFailed, Some(message)),
        Outcome::KeyKnown { message, state } => {
            let known = KnownKey::of_state(state).unwrap_or(KnownKey::Pending);
            (PublishErrorKind::KnownKey(known), Some(message))
        }
        Outcome::Stored => (PublishErrorKind::Stored, None),
        Outcome::Poison { closes } => (PublishErrorKind::Poison { closes }, None),
        Outcome::Indeterminate { limit } => (PublishErrorKind::Indeterminate { limit }, None),
        _ => (PublishErrorKind::Indeterminate { limit: None }, None),
    };
    Err(PublishError::new(kind, message))
}

/// The text, as with `Display`: what a program shows that returns it from `main`. The message, which may be a secret, is not in it.
impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parts.kind {
            PublishErrorKind::Full { messages, bytes } => {
                write!(f, "the send queue is full with {messages} messages and {bytes} bytes")
            }
            PublishErrorKind::Topic(error) => write!(f, "the topic {error}"),
            PublishErrorKind::Request(error) => error.fmt(f),
            PublishErrorKind::Option { option, problem } => write!(f, "{option} {problem}"),
            PublishErrorKind::Rejected { reason, properties } => {
                write!(f, "the broker refused the message: {reason}")?;
                match properties.as_ref().and_then(|properties| properties.reason_string.as_ref()) {
                    Some(text) => write!(f, " ({text})"),
                    None => Ok(()),
                }
            }
            PublishErrorKind::Forbidden(limit) => limit.fmt(f),
            PublishErrorKind::Expired => {
                f.write_str("the expiry interval passed before the message could be sent")
            }
            PublishErrorKind::Dropped(why) => write!(f, "the message was dropped before it was sent: {why}"),
            PublishErrorKind::Cancelled => f.write_str("the publication was cancelled before it was sent"),
            PublishErrorKind::NotSent => f.write_str("the client ended before the message was sent"),
            PublishErrorKind::Indeterminate { limit: Some(limit) } => {
                write!(
                    f,
                    "the message was sent, and must not be sent again for the broker's last word: {limit}"
                )
            }
            PublishErrorKind::Indeterminate { limit: None } => {
                f.write_str("the message was sent, but session or client ended before the broker's last word")
            }
            PublishErrorKind::Poison { closes } => {
                write!(
                    f,
                    "the broker closed {closes} connections on which the message was sent and unanswered"
                )
            }
            PublishErrorKind::TimedOut if self.is_certain() => {
                f.write_str("the message was not sent within its time limit")
            }
            PublishErrorKind::TimedOut => {
                f.write_str("the message was not acknowledged within its time limit; it stays on its way")
            }
            PublishErrorKind::Ended => f.write_str("the client has ended and accepts no messages"),
            PublishErrorKind::KnownKey(known) => {
                write!(f, "the key is that of an earlier message: {known}")
            }
            PublishErrorKind::Stored => {
                f.write_str("the client ended, and the message is stored for the next one on its session")
            }
            PublishErrorKind::StoreFailed => {
                f.write_str("the session store could not keep the message")?;
                self.store_error().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.parts.kind {
            PublishErrorKind::Topic(error) => Some(error),
            PublishErrorKind::Request(error) => Some(error),
            PublishErrorKind::Forbidden(error) | PublishErrorKind::Indeterminate { limit: Some(error) } => {
                Some(error)
            }
            PublishErrorKind::StoreFailed => self.store_error().map(|error| error as _),
            _ => None,
        }
    }
}
