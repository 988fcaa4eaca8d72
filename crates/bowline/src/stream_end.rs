//! Why a stream of messages ended, as applications see it.

use std::fmt;

use bowline_proto::ReasonCode;
use bowline_proto::client;

use crate::disconnection::Disconnection;

/// Why a stream returned its last message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamEnd {
    /// All its filters were unsubscribed.
    Unsubscribed,
    /// The broker refused all its filters; the last reason.
    Refused(ReasonCode),
    /// The client is over.
    ClientEnded(Disconnection),
}

impl From<client::StreamEnd> for StreamEnd {
    fn from(end: client::StreamEnd) -> Self {
        match end {
            client::StreamEnd::Unsubscribed => Self::Unsubscribed,
            client::StreamEnd::Refused(reason) => Self::Refused(reason),
            _ => Self::Unsubscribed,
        }
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsubscribed => f.write_str("all topic filters of the stream were unsubscribed"),
            Self::Refused(reason) => {
                write!(f, "the broker refused all topic filters of the stream: {reason}")
            }
            Self::ClientEnded(why) => write!(f, "the client ended: {why}"),
        }
    }
}
