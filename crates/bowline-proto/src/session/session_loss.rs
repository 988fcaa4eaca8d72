//! What becomes of a QoS 2 publication that was sent in a session that is lost: the choice. Knows no flow.

/// What becomes of a QoS 2 publication that was sent, in either phase, and not completed when the broker has lost the session.
///
/// Nobody knows then whether the broker has passed the message on. What was never sent waits on, and QoS 1 is published again,
/// whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "it comes at most once, or at least once")]
pub enum SessionLoss {
    /// It ends as [`Outcome::Indeterminate`](crate::client::Outcome::Indeterminate): the message arrives at most once.
    #[default]
    Indeterminate,
    /// It is published again as a new one, ahead of all that was never sent: the message arrives at least once, and twice if it
    /// had arrived before the loss. If its expiry interval passes, or a limit forbids it, before it is sent again, it ends as
    /// indeterminate all the same.
    PublishAgain,
}
