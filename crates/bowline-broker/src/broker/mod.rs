//! The broker on tokio: what a program starts, watches, disturbs and stops. Decides nothing about MQTT; the core does.

mod accepting;
mod builder;
mod event_log;
mod hub;
mod login;
mod serving;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bowline_proto::error::RequestError;
use bowline_proto::{Message, ReasonCode};
use bowline_transport::DuplexConnector;
use tokio::task::JoinHandle;

pub use builder::{BrokerBuilder, StartError};
pub use login::Login;

use crate::core::{BrokerEvent, BrokerStats, Violation};
use hub::Hub;

/// A broker that runs on the tokio runtime it was started on.
///
/// Dropping it closes its listeners, tells its clients goodbye and lets go of them; [`shut_down`](Self::shut_down) does
/// the same and waits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bowline_broker::Broker;
///
/// let broker = Broker::builder().start().await?;
/// println!("mqtt://{}", broker.address().expect("it listens on TCP by default"));
/// // ... clients come and go ...
/// broker.assert_no_violations();
/// broker.shut_down().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broker {
    hub: Arc<Hub>,
    addresses: Addresses,
    connector: DuplexConnector,
    accepting: Vec<JoinHandle<()>>,
}

/// Where it listens.
#[derive(Debug, Default)]
struct Addresses {
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    #[cfg_attr(not(feature = "websocket"), expect(dead_code, reason = "there are none then"))]
    websocket: Vec<SocketAddr>,
    #[cfg(all(feature = "tls", feature = "websocket"))]
    secure_websocket: Vec<SocketAddr>,
}

impl Broker {
    /// A broker to be, with the defaults: TCP on 127.0.0.1 and a free port, and everybody may connect.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    fn new(
        hub: Arc<Hub>,
        addresses: Addresses,
        connector: DuplexConnector,
        accepting: Vec<JoinHandle<()>>,
    ) -> Self {
        Self { hub, addresses, connector, accepting }
    }

    /// Where it listens for TCP, the first address if there are several; `None` if it does not.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.tcp.first().copied()
    }

    /// Where it listens for TCP, in the order of [`BrokerBuilder::listen`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses.tcp
    }

    /// Where it listens for WebSocket, in the order of [`BrokerBuilder::listen_websocket`].
    #[cfg(feature = "websocket")]
    pub fn websocket_addresses(&self) -> &[SocketAddr] {
        &self.addresses.websocket
    }

    /// Where it listens for WebSocket over TLS, in the order of [`BrokerBuilder::listen_secure_websocket`].
    #[cfg(all(feature = "tls", feature = "websocket"))]
    pub fn secure_websocket_addresses(&self) -> &[SocketAddr] {
        &self.addresses.secure_websocket
    }

    /// Where it listens for TLS, in the order of `BrokerBuilder::listen_tls`. Empty without the feature `tls`.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.addresses.tls
    }

    /// A way to the broker inside this process, without sockets; it ignores the endpoint.
    pub fn connector(&self) -> DuplexConnector {
        self.connector.clone()
    }

    /// The figures at this moment.
    pub fn stats(&self) -> BrokerStats {
        self.hub.state().core.stats()
    }

    /// The client identifiers of all who are connected, in order.
    pub fn clients(&self) -> Vec<String> {
        self.hub.state().core.clients().map(str::to_owned).collect()
    }

    /// What clients did wrong so far, oldest first: the first thousand. [`BrokerStats::violations`] counts all.
    pub fn violations(&self) -> Vec<Violation> {
        self.hub.state().core.violations().cloned().collect()
    }

    /// Checks that no client has done anything wrong.
    ///
    /// # Panics
    /// If one has; the text lists what.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let violations: Vec<String> = self.violations().iter().map(Violation::to_string).collect();
        assert!(violations.is_empty(), "clients broke the protocol:\n{}", violations.join("\n"));
    }

    /// What happens from now on. A reader that is more than 1,024 events behind misses some and is told how many.
    pub fn events(&self) -> BrokerEvents {
        let mut state = self.hub.state();
        state.events.readers += 1;
        let place = state.events.next();
        drop(state);
        BrokerEvents { hub: self.hub.clone(), place }
    }

    /// Publishes a message to all who subscribe, and keeps it if it is retained. Returns how many get it; for those whose
    /// queue is full it is dropped.
    pub fn publish(&self, message: &Message) -> usize {
        self.hub.drive(|core, now| core.publish(message, now))
    }

    /// Ends the connection of a client, in 5.0 with this reason; whether it was connected. Its will is published.
    ///
    /// # Errors
    /// [`RequestError`] if a server cannot say this reason.
    pub fn disconnect_client(&self, client_id: &str, reason: ReasonCode) -> Result<bool, RequestError> {
        self.hub.drive(|core, now| core.disconnect_client(client_id, reason, now))
    }

    /// Resets the connection of a client without a word, as a network does; whether it was connected.
    pub fn kill_connection(&self, client_id: &str) -> bool {
        self.hub.drive(|core, now| core.kill_connection(client_id, now))
    }

    /// Closes the listeners, tells every client goodbye, in 5.0 with Server shutting down, and waits until they are
    /// gone: 6 s at most, for clients that do not read. Sessions and retained messages can still be looked at; they go
    /// with the `Broker`.
    ///
    /// # Cancel safety
    /// Once it has been polled the shutdown goes on without it.
    pub async fn shut_down(&self) {
        self.stop();
        self.hub.wait_until_over().await;
        // They were told to end, and hold their ports and sockets until they have.
        while !self.accepting.iter().all(JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }

    fn stop(&self) {
        for accepting in &self.accepting {
            accepting.abort();
        }
        self.hub.shut_down();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if !self.hub.is_broken() {
            self.stop();
        }
    }
}

/// A reader of a broker's events, from [`Broker::events`].
#[derive(Debug)]
pub struct BrokerEvents {
    hub: Arc<Hub>,
    place: u64,
}

impl BrokerEvents {
    /// The next event; `None` when the broker is over.
    ///
    /// # Cancel safety
    /// A dropped future has lost no event.
    pub async fn next(&mut self) -> Option<BrokerEvent> {
        poll_fn(|cx| self.hub.poll_event(&mut self.place, cx)).await
    }
}

impl Drop for BrokerEvents {
    fn drop(&mut self) {
        self.hub.forget_reader();
    }
}
