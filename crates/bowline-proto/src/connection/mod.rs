//! What dies with the socket: quota, keep alive, topic aliases, granted limits. Knows no session and no bytes.
//!
//! One set of these belongs to one Network Connection. The state that holds the connection owns them, so that they
//! are dropped with it; none of them has a reset.

pub mod keep_alive;
pub mod limits;
pub(crate) mod link;
pub mod quota;
pub(crate) mod silence;
pub mod topic_alias;
pub(crate) mod turns;

pub use keep_alive::{KeepAlive, KeepAliveAction};
pub use limits::{LimitError, Limits};
pub use quota::Quota;
pub use topic_alias::{AliasError, InboundAliases};
