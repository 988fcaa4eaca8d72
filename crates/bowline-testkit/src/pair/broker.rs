//! The smallest broker that has a point: one client, sessions that are kept, taken over and lost, and every message
//! echoed to the client's own subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::packet::{ConnAckProperties, Connect, Disconnect, Subscribe, Unsubscribe};
use bowline_proto::server::{Disconnected, EndCause, PublishOutcome, Received, ServerEvent, ServerSession};
use bowline_proto::session::{DeliveryId, PublicationId, QueueLimits};
use bowline_proto::types::{Message, SubscriptionId, SubscriptionIds};
use bowline_proto::{QoS, ReasonCode, TopicFilter};

use crate::pair::Pair;
use crate::pair::tasks::Task;

/// What the broker keeps.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// The session, while no connection has it.
    pub(super) parked: Option<ServerSession>,
    /// Counts sessions; the number of the one that there is.
    pub(super) session: u64,
    subscriptions: BTreeMap<TopicFilter, (QoS, Option<SubscriptionId>)>,
    /// Which echo a publication of the present session is.
    echoes: BTreeMap<PublicationId, u64>,
    /// Whether the client has seen the CONNACK that told of this session.
    pub(super) is_heard_of: bool,
    /// The session is to be lost before the next CONNECT.
    pub(super) loses_session: bool,
}

impl Pair {
    /// The server of a connection has something to tell.
    pub(super) fn on_server_event(&mut self, connection: usize, event: ServerEvent) {
        match event {
            ServerEvent::ConnectReceived(connect) => {
                self.note(|| format!("broker {connection}: CONNECT, clean start {}", connect.clean_start));
                let at = self.pause();
                self.schedule(at, Task::Decide { connection, connect });
            }
            ServerEvent::Message(received) => self.on_received(connection, received),
            ServerEvent::Subscribe(subscribe) => self.on_subscribe(connection, &subscribe),
            ServerEvent::Unsubscribe(unsubscribe) => self.on_unsubscribe(connection, &unsubscribe),
            ServerEvent::PublishEnded { publication, outcome } => {
                self.on_echo_ended(connection, publication, &outcome);
            }
            ServerEvent::Disconnected(disconnected) => self.on_disconnected(connection, &disconnected),
            _ => {}
        }
    }

    /// The broker decides about a CONNECT: it takes the session over from wherever it is.
    pub(super) fn decide(&mut self, connection: usize, connect: &Connect) {
        let now = self.now;
        if self.connections.get(&connection).is_none_or(|one| one.engine.state_name() != "AwaitDecision") {
            return;
        }
        let others: Vec<usize> = self.connections.keys().copied().filter(|&one| one != connection).collect();
        for other in others {
            let Some(old) = self.connections.get_mut(&other) else { continue };
            if old.engine.session().is_some() {
                // It may be over already, and its session not yet taken.
                let _ = old.engine.disconnect(&Disconnect::new(ReasonCode::SessionTakenOver), now);
                let session = old.engine.take_session();
                self.broker.parked = session;
            }
        }
        // A version that cannot tell the client must not lose the session behind its back.
        let can_tell = connect.version.rules().has_session_present;
        // A client that missed the CONNACK of a new session would be told that its own session is present. The
        // protocol has no answer to that; this broker avoids it.
        let loses_session = std::mem::take(&mut self.broker.loses_session) || !self.broker.is_heard_of;
        if connect.clean_start || (loses_session && can_tell) {
            self.lose_session();
        }
        let session_present = self.broker.parked.is_some();
        let session = match self.broker.parked.take() {
            Some(session) => session,
            None => {
                self.broker.session += 1;
                self.broker.is_heard_of = false;
                self.broker.echoes.clear();
                self.broker.subscriptions.clear();
                ServerSession::new(QueueLimits::default())
            }
        };
        let number = self.broker.session;
        self.note(|| format!("broker {connection}: accepts, session {number}, present {session_present}"));
        let one = self.connections.get_mut(&connection).expect("asked before");
        one.session = number;
        let accepted = one.engine.accept(session, session_present, ConnAckProperties::default(), now);
        accepted.expect("the broker accepts legally");
        let is_counted = connect.version.rules().has_properties;
        let announced = one.engine.limits().map_or(0, |limits| usize::from(limits.receive_maximum));
        let client_maximum = connect.properties.receive_maximum.map_or(usize::MAX, |most| most.get().into());
        self.by_client.on_connected(!session_present, if is_counted { announced } else { usize::MAX });
        self.by_server.on_connected(!session_present, if is_counted { client_maximum } else { usize::MAX });
    }

    fn lose_session(&mut self) {
        if self.broker.parked.take().is_some() {
            let session = self.broker.session;
            self.note(|| format!("broker: loses session {session}"));
            self.checker.session_lost(session);
        }
    }

    fn on_received(&mut self, connection: usize, received: Received) {
        let Received { message, delivery, .. } = received;
        let number = number_of(&message);
        self.note(|| format!("broker {connection}: gets message {number}"));
        let verdict = self.checker.at_broker(number);
        self.judge(verdict);
        if let Some(delivery) = delivery {
            let session = self.connections[&connection].session;
            let at = self.pause();
            self.schedule(at, Task::Acknowledge { session, delivery });
        }
        self.echo(message);
    }

    /// Sends a message to the client's own subscriptions, in the session wherever it is.
    fn echo(&mut self, mut message: Message) {
        let matching = self.broker.subscriptions.iter().find(|(filter, _)| filter.matches(&message.topic));
        let Some((_, &(granted, id))) = matching else { return };
        message.qos = message.qos.min(granted);
        let (now, session) = (self.now, self.broker.session);
        let number = self.checker.echo(message.qos, session);
        let padding = message.payload.len();
        message.payload = format!("{number}:{}", "x".repeat(padding)).into();
        let ids: SubscriptionIds = id.into_iter().collect();
        let holder = self.connections.values_mut().find(|one| one.session == session && one.has_session());
        let published = match (holder, &mut self.broker.parked) {
            (Some(one), _) => one.engine.publish(message, ids, now),
            (None, Some(parked)) => parked.publish(message, ids, now),
            (None, None) => return,
        };
        let publication = published.expect("the queue has room");
        self.broker.echoes.insert(publication, number);
        self.note(|| format!("broker: sends echo {number}"));
    }

    /// The broker has finished with a message.
    pub(super) fn acknowledge(&mut self, session: u64, delivery: DeliveryId) {
        if session != self.broker.session {
            return;
        }
        let holder = self.connections.values_mut().find(|one| one.session == session && one.has_session());
        let result = match (holder, &mut self.broker.parked) {
            (Some(one), _) => one.engine.acknowledge(delivery, ReasonCode::Success),
            (None, Some(parked)) => parked.acknowledge(delivery, ReasonCode::Success),
            (None, None) => Ok(()),
        };
        // A message whose identifier carries another one by now has no acknowledgement.
        self.note(|| format!("broker: acknowledges {delivery:?}, {result:?}"));
    }

    fn on_subscribe(&mut self, connection: usize, subscribe: &Subscribe) {
        let mut reasons = Vec::new();
        for one in &subscribe.subscriptions {
            let granted = (one.options.qos, subscribe.subscription_id);
            self.broker.subscriptions.insert(one.filter.clone(), granted);
            reasons.push(ReasonCode::from_u8(one.options.qos.as_u8()).expect("a granted QoS"));
        }
        let engine = &mut self.connections.get_mut(&connection).expect("it has an event").engine;
        let answered = engine.subscribe_result(subscribe.packet_id, reasons, Default::default());
        self.note(|| format!("broker {connection}: answers SUBSCRIBE, {answered:?}"));
    }

    fn on_unsubscribe(&mut self, connection: usize, unsubscribe: &Unsubscribe) {
        let reasons = vec![ReasonCode::Success; unsubscribe.filters.len()];
        for filter in &unsubscribe.filters {
            self.broker.subscriptions.remove(filter);
        }
        let engine = &mut self.connections.get_mut(&connection).expect("it has an event").engine;
        let answered = engine.unsubscribe_result(unsubscribe.packet_id, reasons, Default::default());
        self.note(|| format!("broker {connection}: answers UNSUBSCRIBE, {answered:?}"));
    }

    fn on_echo_ended(&mut self, connection: usize, publication: PublicationId, outcome: &PublishOutcome) {
        if self.connections[&connection].session != self.broker.session {
            return;
        }
        let Some(number) = self.broker.echoes.remove(&publication) else { return };
        self.note(|| format!("broker {connection}: echo {number} ended, {outcome:?}"));
        let verdict = match outcome {
            PublishOutcome::Acknowledged { .. } => self.checker.echo_acknowledged(number),
            other => Err(format!("echo {number} ended as {other:?}")),
        };
        self.judge(verdict);
    }

    fn on_disconnected(&mut self, connection: usize, disconnected: &Disconnected) {
        let Disconnected { cause, session_expiry_secs, .. } = disconnected;
        self.note(|| format!("broker {connection}: over, {cause}"));
        if let EndCause::Protocol(error) = cause {
            self.judge(Err(format!("the server closed for an error of the client: {error}")));
        }
        let one = self.connections.get_mut(&connection).expect("it has an event");
        // Without a session it never had one, or another connection took it over.
        let Some(session) = one.engine.take_session() else { return };
        self.broker.parked = Some(session);
        if *session_expiry_secs == 0 {
            self.lose_session();
        }
    }

    /// Whether the broker's session has nothing to do.
    pub(super) fn broker_is_settled(&self) -> bool {
        let holder = self.connections.values().find_map(|one| one.engine.session());
        holder.or(self.broker.parked.as_ref()).is_none_or(|session| {
            session.in_flight() == 0 && session.queued().0 == 0 && session.unacknowledged() == 0
        })
    }

    /// A time within the pauses of this scenario.
    pub(super) fn pause(&mut self) -> Duration {
        self.random.up_to(self.scenario.pause_max)
    }
}

/// The number that a payload begins with.
pub(super) fn number_of(message: &Message) -> u64 {
    let text = std::str::from_utf8(&message.payload).expect("payloads are text");
    let number = text.split(':').next().and_then(|number| number.parse().ok());
    number.expect("payloads begin with a number")
}
