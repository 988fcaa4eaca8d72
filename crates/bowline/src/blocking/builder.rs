//! The builder without async: the options of the async one, and a connect that waits.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::{Reconnect, SessionLoss, Unmatched, VersionFallback};
use bowline_proto::retry::Retry;
#[cfg(feature = "websocket")]
use bowline_transport::WebSocket;
use bowline_transport::{Connector, TcpOptions};

use crate::blocking::runtime::on_runtime;
use crate::blocking::same_options::same_options;
use crate::blocking::subscription::Unrouted;
use crate::blocking::wait::wait;
use crate::builder::{self, ConnectError, SendQueue, Session, Will};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::{AddressOrder, AddressSessions, BeforeConnect};

/// What a connection is for: a blocking [`Client`](super::Client), [`Publisher`](super::Publisher) or
/// [`Subscriber`](super::Subscriber). Sealed.
pub trait Role: sealed::Sealed + Sized + Send + 'static {}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "this is what seals the role")]
    pub trait Sealed {
        /// The async handle of the same role.
        #[doc(hidden)]
        type Async: crate::builder::Role;

        #[doc(hidden)]
        fn of_async(handle: Self::Async) -> Self;
    }
}

/// Makes a blocking client. Options, defaults and ranges are those of the async [`Builder`](crate::Builder).
///
/// ```no_run
/// # fn example() -> Result<(), bowline::ConnectError> {
/// use bowline::blocking::Client;
/// use std::time::Duration;
///
/// let client = Client::builder("mqtt://broker.example")?
///     .client_id("meter-7")
///     .connect_timeout(Duration::from_secs(5))
///     .connect()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until it is connected"]
pub struct Builder<R: Role> {
    inner: builder::Builder<R::Async>,
}

impl<R: Role> Builder<R> {
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        Ok(Self { inner: builder::Builder::new(url)? })
    }

    same_options! {
        /// As [`Builder::also`](crate::Builder::also).
        also(url: &str);
        /// As [`Builder::address_order`](crate::Builder::address_order).
        address_order(order: AddressOrder);
        /// As [`Builder::address_sessions`](crate::Builder::address_sessions).
        address_sessions(sessions: AddressSessions);
        /// As [`Builder::redirects_max`](crate::Builder::redirects_max).
        redirects_max(redirects: u8);
        /// As [`Builder::version`](crate::Builder::version).
        version(version: Version);
        /// As [`Builder::version_fallback`](crate::Builder::version_fallback).
        version_fallback(fallback: VersionFallback);
        /// As [`Builder::client_id`](crate::Builder::client_id).
        client_id(client_id: impl Into<String>);
        /// As [`Builder::allow_long_client_id`](crate::Builder::allow_long_client_id).
        allow_long_client_id();
        /// As [`Builder::session`](crate::Builder::session).
        session(session: Session);
        /// As [`Builder::on_session_loss`](crate::Builder::on_session_loss).
        on_session_loss(choice: SessionLoss);
        /// As [`Builder::keep_alive`](crate::Builder::keep_alive).
        keep_alive(keep_alive: Duration);
        /// As [`Builder::connect_timeout`](crate::Builder::connect_timeout). It bounds how long [`connect`](Self::connect)
        /// waits.
        connect_timeout(limit: Duration);
        /// As [`Builder::ping_timeout`](crate::Builder::ping_timeout).
        ping_timeout(limit: Duration);
        /// As [`Builder::in_flight_max`](crate::Builder::in_flight_max).
        in_flight_max(messages: u16);
        /// As [`Builder::send_queue`](crate::Builder::send_queue).
        send_queue(queue: SendQueue);
        /// As [`Builder::inbound_max`](crate::Builder::inbound_max).
        inbound_max(messages: u16, bytes: usize);
        /// As [`Builder::packet_bytes_max`](crate::Builder::packet_bytes_max).
        packet_bytes_max(bytes: u32);
        /// As [`Builder::topic_alias_max`](crate::Builder::topic_alias_max).
        topic_alias_max(aliases: u16);
        /// As [`Builder::reconnect`](crate::Builder::reconnect).
        reconnect(reconnect: impl Into<Reconnect>);
        /// As [`Builder::retry`](crate::Builder::retry).
        retry(retry: Retry);
        /// As [`Builder::credentials`](crate::Builder::credentials).
        credentials(credentials: Credentials);
        /// As [`Builder::credentials_provider`](crate::Builder::credentials_provider). It runs on the thread of all blocking
        /// clients and must not block it.
        credentials_provider(provider: impl CredentialsProvider);
        /// As [`Builder::before_connect`](crate::Builder::before_connect). It runs on the thread of all blocking clients and must
        /// not block it.
        before_connect(hook: impl BeforeConnect);
        /// As [`Builder::will`](crate::Builder::will).
        will(will: Will);
        /// As [`Builder::stall_after`](crate::Builder::stall_after).
        stall_after(limit: Duration);
        /// As [`Builder::unmatched`](crate::Builder::unmatched).
        unmatched(unmatched: Unmatched);
        /// As [`Builder::connector`](crate::Builder::connector). It runs on the thread of all blocking clients and must not
        /// block it.
        connector(connector: impl Connector);
        /// As [`Builder::tls`](crate::Builder::tls).
        #[cfg(feature = "tls")]
        tls(tls: bowline_transport::Tls);
        /// As [`Builder::tcp`](crate::Builder::tcp).
        tcp(options: TcpOptions);
        /// As [`Builder::bind_address`](crate::Builder::bind_address).
        bind_address(local: SocketAddr);
        /// As [`Builder::bind_interface`](crate::Builder::bind_interface).
        bind_interface(name: &str);
        /// As [`Builder::websocket`](crate::Builder::websocket). Its hook runs on the thread of all blocking clients and must not
        /// block it.
        #[cfg(feature = "websocket")]
        websocket(options: WebSocket);
        /// As [`Builder::user_property`](crate::Builder::user_property).
        user_property(name: impl Into<String>, value: impl Into<String>);
    }

    /// Connects, and returns when the broker has accepted.
    ///
    /// # Errors
    /// As [`Builder::connect`](crate::Builder::connect), and [`ConnectError::NoThread`] if the operating system gives no thread.
    pub fn connect(self) -> Result<R, ConnectError> {
        on_runtime(|| wait(self.inner.connect()))?.map(R::of_async)
    }

    /// As [`Builder::connect_lazy`](crate::Builder::connect_lazy).
    ///
    /// # Errors
    /// [`ConnectError`] if an option is not legal, or the operating system gives no thread.
    pub fn connect_lazy(self) -> Result<R, ConnectError> {
        on_runtime(|| self.inner.connect_lazy())?.map(R::of_async)
    }

    /// As [`Builder::unrouted`](crate::Builder::unrouted).
    pub fn unrouted(self, messages_max: usize) -> BuilderWithUnrouted<R> {
        BuilderWithUnrouted { inner: self.inner.unrouted(messages_max) }
    }
}

/// A [`Builder`] whose client comes with the stream of [`Unrouted`] messages.
#[derive(Debug)]
#[must_use = "nothing happens until it is connected"]
pub struct BuilderWithUnrouted<R: Role> {
    inner: builder::BuilderWithUnrouted<R::Async>,
}

impl<R: Role> BuilderWithUnrouted<R> {
    /// As [`Builder::connect`].
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub fn connect(self) -> Result<(R, Unrouted), ConnectError> {
        let (handle, unrouted) = on_runtime(|| wait(self.inner.connect()))??;
        Ok((R::of_async(handle), Unrouted::new(unrouted)))
    }

    /// As [`Builder::connect_lazy`].
    ///
    /// # Errors
    /// As [`Builder::connect_lazy`].
    pub fn connect_lazy(self) -> Result<(R, Unrouted), ConnectError> {
        let (handle, unrouted) = on_runtime(|| self.inner.connect_lazy())??;
        Ok((R::of_async(handle), Unrouted::new(unrouted)))
    }
}
