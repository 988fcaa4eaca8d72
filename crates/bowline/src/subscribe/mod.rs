//! Subscribing: from topic filters to messages and their acknowledgements. Knows handles and the lock, no socket.

mod answer;
mod delivery;
mod error;
mod on_message;
mod reader;
mod request;
mod subscription;
mod unrouted;

pub(crate) use answer::unsubscribe;
pub use delivery::{Ack, AckError, Delivery, OnAbandon, StreamItem};
pub use error::{SubscribeError, UnsubscribeError};
pub use on_message::{MessageHandler, OnMessage};
pub use request::{Subscribe, SubscribeFuture};
pub use subscription::Subscription;
pub use unrouted::Unrouted;
