//! An MQTT 3.1, 3.1.1 and 5.0 client on tokio.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = bowline::Client::connect("mqtt://localhost:1883").await?;
//! let mut readings = client.subscribe("sensors/+/temperature").await?;
//! client.publish("sensors/attic/temperature", "21.5").await?;
//! if let Some(message) = readings.next().await {
//!     println!("{} {}", message.topic(), message.text()?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`], [`Publisher`] and [`Subscriber`] are handles to a connection that drives itself; [`Builder`] has every option
//!   and its default in one table.
//! - [`Publish`], [`Topic`] and [`Receipt`]: a message is accepted, then acknowledged, and its end is told honestly
//!   ([`PublishErrorKind`]).
//! - [`Subscription`] is a stream of messages that are acknowledged when they are taken, or by hand ([`Delivery`], [`Ack`]), or
//!   when a handler has returned ([`OnMessage`]).
//! - [`ConnectionState`] and [`Event`] say what happens to the connection, which is made again when it is lost ([`Backoff`]).
//! - TLS (feature `tls`, off by default): `mqtts://`, with the options of `Tls`.
//! - [`blocking`] (feature `blocking`, on by default) has the same without async.
//!
//! Logs go to `tracing` with the target `bowline`; at debug level there is a line for each packet, without payloads:
//! `==> PUBLISH (id=7 qos=1 dup=0)`, `<== PUBACK (id=7)`.

#[cfg(feature = "blocking")]
pub mod blocking;

mod attempt;
mod builder;
mod client;
mod connection;
mod credentials;
mod disconnection;
mod event;
mod io;
mod message;
mod names;
mod outcome;
mod publish;
mod publisher;
mod shared;
mod state;
mod stats;
pub mod store;
mod stream_end;
mod subscribe;
mod subscriber;
mod time_limit;

pub use bowline_proto as proto;
pub use bowline_transport as transport;

pub use bowline_proto::backoff::Backoff;
pub use bowline_proto::client::{
    AddressOrder, AddressSessions, DisconnectCause, DropReason, LossClass, Qos0Full, Reconnect, SessionLoss,
    Unmatched, V5Options, VersionFallback,
};
pub use bowline_proto::connection::Limits;
pub use bowline_proto::error::RequestError;
pub use bowline_proto::retry::Retry;
pub use bowline_proto::types::topic::TopicError;
pub use bowline_proto::types::{MessageProperties, RetainHandling};
pub use bowline_proto::{PacketId, QoS, ReasonCode, Text, TopicFilter, TopicName, Version};

#[cfg(feature = "tls")]
pub use bowline_transport::{
    Certificates, Identity, PrivateKey, RevocationLists, Tls, TlsError, TlsErrorKind, TlsVersion, rustls,
};

pub use attempt::{Attempt, AttemptChanges, BeforeConnect, BeforeConnectFuture};
pub use builder::{Builder, BuilderWithUnrouted, ConnectError, OnFull, Role, SendQueue, Session, Will};
pub use client::Client;
pub use connection::{Connection, ConnectionWatch, DrainError};
pub use credentials::{Credentials, CredentialsFuture, CredentialsProvider};
pub use disconnection::Disconnection;
pub use event::{EVENTS_MAX, Event, Events};
pub use message::Message;
pub use names::{IntoFilter, IntoTopic};
pub use outcome::{Acknowledgement, KnownKey, PublishError, PublishErrorKind};
pub use publish::{OutcomeError, Publish, PublishAllError, PublishFuture, Receipt, Topic};
pub use publisher::Publisher;
pub use state::{ConnectionInfo, ConnectionState};
pub use stats::Stats;
pub use stream_end::StreamEnd;
pub use subscribe::{
    Ack, AckError, Delivery, MessageHandler, OnAbandon, OnMessage, StreamItem, Subscribe, SubscribeError,
    SubscribeFuture, Subscription, Unrouted, UnsubscribeError,
};
pub use subscriber::Subscriber;
