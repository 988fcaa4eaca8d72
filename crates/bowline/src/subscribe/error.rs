//! Why a subscribe or unsubscribe request failed.

use std::error::Error;
use std::fmt;

use bowline_proto::error::RequestError;
use bowline_proto::types::topic::TopicError;
use bowline_proto::{ReasonCode, TopicFilter};

/// Why nothing was subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// This is no topic filter.
    Filter {
        /// Which of the filters, from 0.
        index: usize,
        /// What is wrong with it.
        error: TopicError,
    },
    /// A value given to the builder is not legal.
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The caller's mistake, or something that this broker said it would refuse.
    Request(RequestError),
    /// The broker refused every filter. If it refuses only some, there is a stream, and
    /// [`granted`](crate::Subscription::granted) says which.
    Refused {
        /// One reason for each filter.
        results: Vec<(TopicFilter, ReasonCode)>,
    },
    /// The broker did not answer within the time given with [`timeout`](crate::Subscribe::timeout); the stream is given up.
    TimedOut,
    /// The client has ended, or ended before the broker answered.
    Ended,
}

/// Why nothing was unsubscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsubscribeError {
    /// This is no topic filter.
    Filter(TopicError),
    /// The caller's mistake.
    Request(RequestError),
    /// The client has ended, or ended before the broker answered. The stream has ended either way.
    Ended,
}

impl From<RequestError> for SubscribeError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Ended => Self::Ended,
            error => Self::Request(error),
        }
    }
}

impl From<RequestError> for UnsubscribeError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Ended => Self::Ended,
            error => Self::Request(error),
        }
    }
}

const ENDED: &str = "the client has ended";

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter { index, error } => write!(f, "topic filter {} {error}", index + 1),
            Self::Option { option, problem } => write!(f, "{option} {problem}"),
            Self::Request(error) => error.fmt(f),
            Self::Refused { results } => {
                f.write_str("the broker refused")?;
                for (index, (filter, reason)) in results.iter().enumerate() {
                    write!(f, "{} {filter} ({reason})", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::TimedOut => f.write_str("the broker did not answer within the time limit"),
            Self::Ended => f.write_str(ENDED),
        }
    }
}

impl Error for SubscribeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Filter { error, .. } => Some(error),
            Self::Request(error) => Some(error),
            Self::Option { .. } | Self::Refused { .. } | Self::TimedOut | Self::Ended => None,
        }
    }
}

impl fmt::Display for UnsubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => write!(f, "the topic filter {error}"),
            Self::Request(error) => error.fmt(f),
            Self::Ended => f.write_str(ENDED),
        }
    }
}

impl Error for UnsubscribeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Filter(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Ended => None,
        }
    }
}
