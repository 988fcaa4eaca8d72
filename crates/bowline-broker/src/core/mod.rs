//! The broker without I/O: bytes of connections and commands go in, outputs come out. Knows no clock, no socket and no
//! runtime; time is an argument.

mod conduct;
mod config;
mod connecting;
mod connection;
mod delivering;
mod event;
mod judging;
mod keys;
mod retained;
mod sessions;
mod statement;
mod stats;
mod subscribing;
mod subscriptions;
mod timers;
mod violation;

use std::collections::{BTreeMap, VecDeque};

use bowline_proto::codec::Outgoing;
use bowline_proto::error::RequestError;
use bowline_proto::packet::{Disconnect, Packet};
use bowline_proto::server::{PublishOutcome, ServerEngine, ServerEvent, ServerInput, ServerOutput};
use bowline_proto::types::Text;
use bowline_proto::{ReasonCode, Timestamp};

pub use config::{BrokerConfig, VersionRefusal};
pub use event::{BrokerEvent, BrokerOutput};
pub use keys::ConnectionId;
pub use stats::BrokerStats;
pub use violation::Violation;

use connection::Connection;
use retained::Retained;
use sessions::{Place, Sessions};
use statement::both;
use stats::Counters;
use subscriptions::{Subscriptions, Target};
use timers::{Timer, Timers};
use violation::Violations;

/// The broker as a synchronous struct.
///
/// Give inputs and commands in any number, then call [`poll_output`](Self::poll_output) and do what it says until it says
/// [`BrokerOutput::Sleep`]. Every call takes the time, which must not go backwards.
///
/// # What it decides
///
/// - **Acknowledgement.** A publisher gets PUBACK or PUBREC when the message is in the session of everyone who gets it.
/// - **Overlapping subscriptions.** A client gets one copy of a message for all of its subscriptions that match, with the
///   highest of their QoS and, in 5.0, all of their Subscription Identifiers. Each shared subscription that chooses it adds
///   a copy.
/// - **Shared subscriptions** take turns; a member that is connected and has room goes before one that is away, and that
///   before one whose queue is full. They work in all versions.
/// - **A full queue** of a client that is connected makes the publisher wait, for
///   [`full_queue_wait`](BrokerConfig::full_queue_wait) at most: its messages above QoS 0 are not acknowledged, and after one
///   of QoS 0 nothing more is read from it. Then, until the queue is half empty, messages for this client are dropped and
///   counted. For a client that is away, for a will, for what [`publish`](Self::publish) injects and for what a publisher
///   leaves behind, they are dropped at once.
/// - **QoS 0** is not queued for a client that is away.
/// - **`$SYS`** belongs to brokers: a message that a client publishes below it goes to nobody, and is refused with 0x87
///   where the version can say so. Other topics that begin with `$` are topics like any other.
/// - **Retained messages** that a subscription gets and that its queue has no room for are dropped and counted.
///
/// Everything is bounded, see [`BrokerConfig`].
#[derive(Debug)]
pub struct BrokerCore {
    config: BrokerConfig,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    /// Connections that are to be polled, each once.
    dirty: VecDeque<ConnectionId>,
    sessions: Sessions,
    subscriptions: Subscriptions,
    retained: Retained,
    timers: Timers,
    violations: Violations,
    counters: Counters,
    /// What was found to be done; bounded by what the bytes of one connection can cause.
    outputs: VecDeque<BrokerOutput>,
    next_assigned_id: u64,
    is_shutting_down: bool,
    /// Kept for its memory.
    targets: Vec<Target>,
}

impl BrokerCore {
    /// A broker without connections and sessions.
    ///
    /// # Errors
    /// [`RequestError`] if a setting is out of its range.
    pub fn new(config: BrokerConfig) -> Result<Self, RequestError> {
        config.check()?;
        Ok(Self {
            subscriptions: Subscriptions::new(config.seed),
            retained: Retained::new(config.retained_messages_max, config.retained_bytes_max),
            config,
            connections: BTreeMap::new(),
            next_connection: 1,
            dirty: VecDeque::new(),
            sessions: Sessions::default(),
            timers: Timers::default(),
            violations: Violations::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            next_assigned_id: 1,
            is_shutting_down: false,
            targets: Vec::new(),
        })
    }

    /// Changes the settings. Those of `connection` and what CONNACK announces hold for connections that begin later, the
    /// rest from now on.
    ///
    /// # Errors
    /// [`RequestError`] if a setting is out of its range; nothing is changed then.
    pub fn set_config(&mut self, config: BrokerConfig) -> Result<(), RequestError> {
        config.check()?;
        self.config = config;
        Ok(())
    }

    /// A transport was opened. `None` if there are too many or the broker shuts down: close it.
    pub fn open(&mut self, now: Timestamp) -> Option<ConnectionId> {
        if self.is_shutting_down || self.connections.len() >= self.config.connections_max {
            return None;
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let settings = self.config.connection.clone();
        let packet_bytes_max = settings.packet_bytes_max;
        let engine =
            ServerEngine::new(settings, now).expect("the settings were checked when the core was made");
        self.connections.insert(id, Connection::new(engine, packet_bytes_max));
        self.touch(id);
        Some(id)
    }

    /// Bytes came from a client. Do not read while [`is_reading_paused`](Self::is_reading_paused).
    pub fn handle_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.decoder.feed(bytes);
            self.touch(connection);
        }
    }

    /// All of a [`BrokerOutput::Transmit`] was written; the buffer comes back to be used again.
    pub fn handle_transmitted(&mut self, connection: ConnectionId, buffer: Outgoing, now: Timestamp) {
        self.input(connection, ServerInput::Transmitted(buffer), now);
    }

    /// The client closed its stream.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Timestamp) {
        self.input(connection, ServerInput::Closed, now);
    }

    /// Reading or writing failed.
    pub fn handle_failed(&mut self, connection: ConnectionId, now: Timestamp) {
        self.input(connection, ServerInput::TransportFailed, now);
    }

    /// Whether nothing is to be read from a client at the moment.
    pub fn is_reading_paused(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_none_or(Connection::is_reading_paused)
    }

    /// Ends the connection of a client, in 5.0 with this reason; whether it was connected. Its will is published.
    ///
    /// # Errors
    /// [`RequestError`] if a server cannot say this reason.
    pub fn disconnect_client(
        &mut self,
        client_id: &str,
        reason: ReasonCode,
        now: Timestamp,
    ) -> Result<bool, RequestError> {
        let Some((id, connection)) = self.connection_of(client_id) else { return Ok(false) };
        connection.engine.disconnect(&Disconnect::new(reason), now)?;
        self.touch(id);
        Ok(true)
    }

    /// Cuts the connection of a client without a word, as a network does; whether it was connected.
    pub fn kill_connection(&mut self, client_id: &str, now: Timestamp) -> bool {
        let Some((id, connection)) = self.connection_of(client_id) else { return false };
        connection.is_killed = true;
        self.input(id, ServerInput::TransportFailed, now);
        true
    }

    /// Ends all connections, in 5.0 with Server shutting down, and opens no more. Wills are published, for whom it may
    /// concern.
    pub fn shut_down(&mut self, now: Timestamp) {
        self.is_shutting_down = true;
        let goodbye = Disconnect::new(ReasonCode::ServerShuttingDown);
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in all {
            if let Some(connection) = self.connections.get_mut(&id) {
                // One that is closing already needs no second goodbye.
                let _ = connection.engine.disconnect(&goodbye, now);
                self.touch(id);
            }
        }
    }

    /// What to do next. Call it until it returns [`BrokerOutput::Sleep`], after every batch of inputs and commands and when
    /// the time that `Sleep` named has come.
    pub fn poll_output(&mut self, now: Timestamp) -> BrokerOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if let Some(id) = self.dirty.pop_front() {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.is_dirty = false;
                    self.settle(id, now);
                }
                continue;
            }
            match self.timers.pop_due(now) {
                Some(timer) => self.on_timer(timer, now),
                None => return BrokerOutput::Sleep { until: self.timers.next() },
            }
        }
    }

    /// Lets a connection do all that it can do now.
    fn settle(&mut self, id: ConnectionId, now: Timestamp) {
        if self.connections.get_mut(&id).is_some_and(Connection::take_retry) {
            self.unblock(id, now);
        }
        while let Some(connection) = self.connections.get_mut(&id) {
            match connection.engine.poll_output(now) {
                ServerOutput::Transmit(buffer) => {
                    self.outputs.push_back(BrokerOutput::Transmit { connection: id, buffer });
                }
                ServerOutput::Event(event) => self.on_event(id, event, now),
                ServerOutput::Close => {
                    let is_abrupt = connection.is_killed;
                    self.outputs.push_back(BrokerOutput::Close { connection: id, is_abrupt });
                }
                ServerOutput::Sleep { until } => {
                    if connection.engine.is_ended() {
                        self.connections.remove(&id);
                        self.timers.clear(Timer::Connection(id));
                        return;
                    }
                    if self.read(id, now) {
                        continue;
                    }
                    if let Some(until) = until {
                        self.timers.set_if_earlier(Timer::Connection(id), until);
                    }
                    return self.wake_waiters_of(id);
                }
            }
        }
    }

    /// Passes on one packet, if there is one and reading is not paused.
    fn read(&mut self, id: ConnectionId, now: Timestamp) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if connection.is_malformed || connection.is_reading_paused() {
            return false;
        }
        match connection.decoder.next_packet() {
            Ok(Some(packet)) => self.on_packet(id, packet, now),
            Ok(None) => return false,
            Err(error) => {
                connection.is_malformed = true;
                connection.engine.handle_input(ServerInput::Malformed(error), now);
            }
        }
        true
    }

    fn on_packet(&mut self, id: ConnectionId, packet: Packet, now: Timestamp) {
        if let Err(charge) = self.charge(id, &packet) {
            return self.convict(id, charge, now);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Packet::Publish(publish) = &packet {
            connection.arriving = publish.packet_id;
        }
        let what = packet.packet_type();
        let unknown_before = connection.engine.stats().unknown_acknowledgements;
        connection.engine.handle_input(ServerInput::Packet(packet), now);
        if connection.engine.stats().unknown_acknowledgements > unknown_before {
            let text = format!("the client sent {what} for a packet identifier that waits for none");
            self.convict(id, (both("MQTT-2.2.1-5", "MQTT-2.3.1-6 of 3.1.1"), text), now);
        }
    }

    fn on_event(&mut self, id: ConnectionId, event: ServerEvent, now: Timestamp) {
        match event {
            ServerEvent::ConnectReceived(connect) => self.on_connect(id, connect, now),
            ServerEvent::Message(received) => self.on_message(id, received, now),
            ServerEvent::Subscribe(subscribe) => self.on_subscribe(id, &subscribe, now),
            ServerEvent::Unsubscribe(unsubscribe) => self.on_unsubscribe(id, &unsubscribe),
            ServerEvent::PublishEnded { outcome, .. } => match *outcome {
                PublishOutcome::Expired { .. } => self.counters.expired += 1,
                PublishOutcome::NotSendable { .. } => self.counters.oversized += 1,
                _ => {}
            },
            ServerEvent::Disconnected(disconnected) => self.on_disconnected(id, *disconnected, now),
            _ => {}
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Timestamp) {
        match timer {
            Timer::Connection(id) => self.touch(id),
            Timer::Will(key) => self.publish_delayed_will(key, now),
            Timer::SessionEnd(key) => self.end_session(key, now),
            Timer::FullQueue(key) => self.wake_waiters(key),
        }
    }

    fn input(&mut self, id: ConnectionId, input: ServerInput, now: Timestamp) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.engine.handle_input(input, now);
            self.touch(id);
        }
    }

    /// Has a connection polled.
    fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !std::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push_back(id);
        }
    }

    fn connection_of(&mut self, client_id: &str) -> Option<(ConnectionId, &mut Connection)> {
        let key = Text::try_from(client_id).ok().and_then(|client_id| self.sessions.find(&client_id))?;
        let session = self.sessions.at(key)?;
        let Place::Connected(id) = session.place else { return None };
        self.connections.get_mut(&id).map(|connection| (id, connection))
    }
}
