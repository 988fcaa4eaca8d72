//! How much may wait to be sent, how long, and what happens beyond that.

use std::time::Duration;

use bowline_proto::client::{self, ClientConfig};
use bowline_proto::session::QueueLimits;

/// The limits of what was accepted and is not sent, connected or not.
///
/// | limit | default |
/// |---|---|
/// | [`messages_max`](Self::messages_max) | 65,536 |
/// | [`bytes_max`](Self::bytes_max) | 64 MiB |
/// | [`memory_bytes_max`](Self::memory_bytes_max) (durable sessions) | 4 MiB |
/// | [`age_max`](Self::age_max) | none |
/// | [`on_full`](Self::on_full) | [`OnFull::Wait`] |
///
/// What is dropped by these limits ends with [`PublishErrorKind::Dropped`](crate::PublishErrorKind::Dropped), is counted in
/// [`Stats::publications_dropped`](crate::Stats::publications_dropped), and told as
/// [`Event::Dropped`](crate::Event::Dropped). Only what was never sent is ever dropped: a message that was sent, and goes out
/// again because the broker has lost the session, stays.
///
/// ```
/// use bowline::{OnFull, SendQueue};
/// use std::time::Duration;
///
/// // Readings: only the last of each sensor matters, and none that is older than a minute.
/// let queue = SendQueue::new().on_full(OnFull::KeepLastPerTopic).age_max(Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SendQueue {
    limits: QueueLimits,
    age_max: Option<Duration>,
    on_full: OnFull,
}

/// What happens to a message for which the send queue has no room. A message that alone is larger than the queue is always
/// an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// `send` and a publish that is awaited wait for room; `try_send` hands the message back.
    #[default]
    Wait,
    /// Every way to publish hands the message back at once, with
    /// [`PublishErrorKind::Full`](crate::PublishErrorKind::Full).
    Reject,
    /// The messages that wait longest, of any QoS, are dropped to make room. Not with a durable session.
    DropOldest,
    /// The message is accepted, and dropped.
    DropNewest,
    /// Of each topic only the newest message waits, whether the queue is full or not: it takes the place of the one that
    /// waits, which is dropped, so that a busy topic neither loses its turn nor holds up others. Between QoS 0 and the rest,
    /// which have no common order, it takes the last place. Retained and not retained messages are kept apart. Without room
    /// for another topic it is as with [`Wait`](Self::Wait). Not with a durable session.
    KeepLastPerTopic,
}

impl SendQueue {
    /// The defaults.
    pub fn new() -> Self {
        Self { limits: QueueLimits::default(), age_max: None, on_full: OnFull::Wait }
    }

    /// Most messages. With 0 a message is accepted only if it can be sent at once.
    pub const fn messages_max(mut self, messages_max: usize) -> Self {
        self.limits.messages_max = messages_max;
        self
    }

    /// Most bytes of topics, payloads and properties.
    pub const fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.limits.bytes_max = bytes_max;
        self
    }

    /// Of the queue of a durable session, most bytes that are held in memory; the rest is read back from the store when its turn
    /// comes.
    pub const fn memory_bytes_max(mut self, bytes_max: usize) -> Self {
        self.limits.memory_bytes_max = bytes_max;
        self
    }

    /// How long a message may wait from its acceptance on, above 0: then it is dropped, at that time, connected or not.
    /// [`expires_in`](crate::Publish::expires_in) does that for one message, tells a 5.0 broker what is left of it, and ends as
    /// [`Expired`](crate::PublishErrorKind::Expired). Not with a durable session.
    pub const fn age_max(mut self, age_max: Duration) -> Self {
        self.age_max = Some(age_max);
        self
    }

    /// What happens to a message for which there is no room.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// What happens to a message for which there is no room.
    pub(super) const fn when_full(self) -> OnFull {
        self.on_full
    }

    pub(super) const fn apply(self, config: &mut ClientConfig) {
        config.queue = self.limits;
        config.queue_age_max = self.age_max;
        config.on_full = match self.on_full {
            OnFull::Wait | OnFull::Reject => client::OnFull::Refuse,
            OnFull::DropOldest => client::OnFull::DropOldest,
            OnFull::DropNewest => client::OnFull::DropNewest,
            OnFull::KeepLastPerTopic => client::OnFull::KeepLastPerTopic,
        };
    }
}

impl Default for SendQueue {
    fn default() -> Self {
        Self::new()
    }
}
