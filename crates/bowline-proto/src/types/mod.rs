//! The vocabulary of the protocol: values that exist only valid.

pub mod message;
pub mod packet_id;
pub mod packet_type;
pub mod qos;
pub mod subscription;
pub mod text;
pub mod topic;
pub mod varint;

pub use message::{Message, MessageProperties, PayloadFormat, UserProperties};
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use qos::QoS;
pub use subscription::{RetainHandling, SubscriptionId, SubscriptionIds, SubscriptionOptions};
pub use text::{Text, TextError};
pub use topic::{TopicError, TopicFilter, TopicName};
