//! The broker at the other end of a test: ours, which judges strictly, or a real Mosquitto. Knows nothing of what is tested.

mod mosquitto;
pub(crate) mod program;
pub(crate) mod rabbitmq;
mod relay;

use std::net::SocketAddr;
use std::time::Duration;

use bowline::{Backoff, Builder, Client, ReasonCode, Version};
use bowline_broker::Broker;
use bowline_testkit::ports::free_address;

pub(crate) use crate::counterpart::mosquitto::{Clients, Mosquitto};
pub(crate) use crate::counterpart::relay::Relay;
use crate::peer::within;

/// What Mosquitto is configured to take at once, and more than it takes by default.
const IN_FLIGHT_MAX: u16 = 1_000;

/// Who can log in where a login is wanted.
pub(crate) const USER: &str = "meter";
pub(crate) const PASSWORD: &str = "a-password-of-the-tests";

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Mosquitto,
}

/// A running broker, or one that is stopped for a while.
pub(crate) struct Counterpart {
    kind: Kind,
    address: SocketAddr,
    running: Running,
}

enum Running {
    Embedded(Broker),
    Mosquitto(Mosquitto),
    Stopped,
}

impl Counterpart {
    /// On a free port, open to everybody.
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_at(kind, free_address(), Clients::Anybody).await
    }

    /// The same, with every packet in [`log`](Self::log).
    pub(crate) async fn start_logged(kind: Kind) -> Self {
        Self::start_at(kind, free_address(), Clients::Logged).await
    }

    async fn start_at(kind: Kind, address: SocketAddr, clients: Clients<'_>) -> Self {
        let running = match kind {
            Kind::Embedded => {
                let builder = Broker::builder().listen(address);
                Running::Embedded(builder.start().await.expect("the port is free"))
            }
            Kind::Mosquitto => Running::Mosquitto(Mosquitto::start_at(address, clients).await),
        };
        Self::of(kind, running)
    }

    /// On a free port, for [`USER`] with [`PASSWORD`] and nobody else.
    pub(crate) async fn start_with_login(kind: Kind) -> Self {
        let running = match kind {
            Kind::Embedded => {
                let builder = Broker::builder().authenticate(|login| {
                    let is_right =
                        login.user_name == Some(USER) && login.password == Some(PASSWORD.as_bytes());
                    if is_right { Ok(()) } else { Err(ReasonCode::NotAuthorized) }
                });
                Running::Embedded(builder.start().await.expect("a free port"))
            }
            Kind::Mosquitto => Running::Mosquitto(Mosquitto::start(Clients::Login(USER, PASSWORD)).await),
        };
        Self::of(kind, running)
    }

    fn of(kind: Kind, running: Running) -> Self {
        let address = match &running {
            Running::Embedded(broker) => broker.address().expect("the broker listens on TCP"),
            Running::Mosquitto(broker) => broker.address(),
            Running::Stopped => unreachable!("it was just started"),
        };
        Self { kind, address, running }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it has said so far; ours has nothing to say.
    pub(crate) fn log(&self) -> String {
        match &self.running {
            Running::Mosquitto(broker) => broker.log(),
            Running::Embedded(_) | Running::Stopped => String::new(),
        }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A relay before the broker, whose connections the test can cut.
    pub(crate) async fn relay(&self) -> Relay {
        Relay::start(self.address).await
    }

    /// A builder of clients that connect straight to the broker, and soon again when they lose it.
    pub(crate) fn builder(&self, version: Version) -> Builder<Client> {
        builder_to(self.address, version)
    }

    /// A connected client with the defaults of [`builder`](Self::builder).
    pub(crate) async fn client(&self, version: Version) -> Client {
        within(self.builder(version).connect()).await.expect("the broker accepts")
    }

    /// Ends the broker as an operator would. What it had in memory is gone.
    pub(crate) async fn stop(&mut self) {
        match std::mem::replace(&mut self.running, Running::Stopped) {
            Running::Embedded(broker) => {
                broker.assert_no_violations();
                broker.shut_down().await;
            }
            Running::Mosquitto(broker) => broker.stop().await,
            Running::Stopped => panic!("it is stopped already"),
        }
    }

    /// Starts it on the same port again.
    pub(crate) async fn start_again(&mut self) {
        assert!(matches!(self.running, Running::Stopped), "it runs");
        *self = Self::start_at(self.kind, self.address, Clients::Anybody).await;
    }

    /// Ends it and checks that it has nothing to complain of.
    pub(crate) async fn finish(mut self) {
        self.stop().await;
    }
}

/// A builder of clients that connect to this address.
pub(crate) fn builder_to(address: SocketAddr, version: Version) -> Builder<Client> {
    let (least, most) = (Duration::from_millis(10), Duration::from_millis(100));
    Client::builder(&format!("mqtt://{address}"))
        .expect("a legal URL")
        .version(version)
        .in_flight_max(IN_FLIGHT_MAX)
        .reconnect(Backoff::full_jitter(least, most).expect("a legal backoff"))
}
