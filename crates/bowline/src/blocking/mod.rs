//! The client without async: the same names, and calls that wait. Owns how callers wait; the client itself is the async one.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bowline::QoS;
//! use bowline::blocking::Client;
//!
//! let client = Client::connect("mqtt://localhost:1883")?;
//! let readings = client.subscribe("sensors/+/temperature").qos(QoS::AtLeastOnce).call()?;
//! client.publish("sensors/attic/temperature", "21.5").qos(QoS::ExactlyOnce).retain().call()?;
//! for message in readings {
//!     println!("{} {}", message.topic(), message.text()?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | async | blocking | with a time limit |
//! |---|---|---|
//! | [`Client::connect(url).await`](crate::Client::connect) | [`Client::connect(url)`](Client::connect) | option [`connect_timeout`](Builder::connect_timeout) |
//! | [`builder.connect().await`](crate::Builder::connect) | [`builder.connect()`](Builder::connect) | option [`connect_timeout`](Builder::connect_timeout) |
//! | `client.publish(..).await` | [`client.publish(..).call()`](Publish::call) | [`call_timeout(d)`](Publish::call_timeout) |
//! | [`.send().await`](crate::Publish::send) | [`.send()`](Publish::send) | [`send_timeout(d)`](Publish::send_timeout) |
//! | [`.try_send()`](crate::Publish::try_send) | [`.try_send()`](Publish::try_send) | never waits |
//! | [`receipt.await`](crate::Receipt) | [`receipt.wait()`](Receipt::wait) | [`wait_timeout(d)`](Receipt::wait_timeout) |
//! | [`topic.publish_all(stream).await`](crate::Topic::publish_all) | [`topic.publish_all(iterator)`](Topic::publish_all) | |
//! | `client.subscribe(..).await` | [`client.subscribe(..).call()`](Subscribe::call) | [`call_timeout(d)`](Subscribe::call_timeout) |
//! | [`while let Some(m) = stream.next().await`](crate::Subscription::next) | [`for m in stream`](Subscription) | [`next_timeout(d)`](Subscription::next_timeout) |
//! | [`stream.next_batch(n).await`](crate::Subscription::next_batch) | [`stream.next_batch(n)`](Subscription::next_batch) | [`next_batch_timeout(n, d)`](Subscription::next_batch_timeout) |
//! | [`delivery.ack().await`](crate::Delivery::ack) | [`delivery.ack()`](Delivery::ack) | never waits |
//! | [`client.on_message(filter, async handler).await`](crate::Client::on_message) | [`client.on_message(filter, handler).call()`](OnMessage::call) | [`call_timeout(d)`](OnMessage::call_timeout) |
//! | [`unsubscribe(..).await`](crate::Client::unsubscribe) | [`unsubscribe(..)`](Client::unsubscribe) | [`unsubscribe_timeout(.., d)`](Client::unsubscribe_timeout) |
//! | [`flush().await`](crate::Connection::flush) | [`flush()`](Connection::flush) | [`flush_timeout(d)`](Connection::flush_timeout) |
//! | [`drain(d).await`](crate::Connection::drain) | [`drain(d)`](Connection::drain) | always |
//! | [`disconnect().await`](crate::Connection::disconnect) | [`disconnect()`](Connection::disconnect) | [`disconnect_timeout(d)`](Connection::disconnect_timeout) |
//! | [`events().next().await`](crate::Events) | [`for event in client.events()`](Events) | [`next_timeout(d)`](Events::next_timeout) |
//! | [`connection().connected().await`](crate::ConnectionWatch::connected) | [`connection().connected()`](ConnectionWatch::connected) | [`connected_timeout(d)`](ConnectionWatch::connected_timeout) |
//!
//! Everything else is the same type as in the async client: options, messages, errors, events.
//!
//! # Threads
//! All blocking clients of a process share one thread, `bowline`, on which a tokio runtime drives their connections. The first
//! client starts it, and it stays; idle it only sleeps. What is given to a [`Builder`] and runs there, a connector or a
//! credentials provider, must not block: it would hold up every client. Who needs a core for each connection uses the async client on
//! runtimes of their own.
//!
//! Callers park on their own thread; every handle can be used from many threads at once. Nothing runs a runtime on the
//! caller's thread, so all of this can be used, and dropped, within a tokio runtime too, where a call that waits blocks the
//! thread of its worker as any blocking call does: other tasks of that worker stand still meanwhile. The connection does
//! not, because it runs on its own thread.
//!
//! # Time limits
//! A call that waits has a twin whose name ends in `_timeout`. When its time is up it returns
//! [`WaitError::TimedOut`] or [`TimedOut`] and leaves things as dropping the future of the async call does. What can be answered
//! at once is answered even if the limit is zero.
//!
//! # The end of a program
//! Dropping the last handle sends DISCONNECT in the background; a program that ends at once may be faster, and then the broker
//! publishes the will. [`Connection::disconnect`] waits until it is done.

mod builder;
mod client;
mod connection;
mod delivery;
mod error;
mod events;
mod on_message;
mod publish;
mod publisher;
mod runtime;
mod same_options;
mod subscribe;
mod subscriber;
mod subscription;
mod topic;
mod wait;

pub use builder::{Builder, BuilderWithUnrouted, Role};
pub use client::Client;
pub use connection::{Connection, ConnectionWatch};
pub use delivery::{Ack, Delivery, StreamItem};
pub use error::{TimedOut, WaitError};
pub use events::Events;
pub use on_message::{MessageHandler, OnMessage};
pub use publish::{Publish, Receipt};
pub use publisher::Publisher;
pub use subscribe::Subscribe;
pub use subscriber::Subscriber;
pub use subscription::{Subscription, Unrouted};
pub use topic::Topic;
