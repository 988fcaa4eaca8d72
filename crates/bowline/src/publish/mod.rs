//! Publishing: from a message to its acknowledgement. Knows handles and the lock, no socket.

mod admission;
mod all;
mod key_check;
mod key_outcome;
mod keyed_admission;
mod message_options;
mod receipt;
mod request;
mod topic;

pub use all::PublishAllError;
pub use key_outcome::OutcomeError;
pub(crate) use key_outcome::outcome as key_outcome;
pub use receipt::Receipt;
pub use request::{Publish, PublishFuture};
pub use topic::Topic;
