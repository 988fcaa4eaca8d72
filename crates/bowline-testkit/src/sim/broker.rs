//! The broker of a run: Bowline's own, which judges the clients, and a witness that it sends everything it takes.

use std::collections::BTreeMap;

use bowline_broker::{BrokerConfig, BrokerCore, BrokerEvent, BrokerOutput, ConnectionId};
use bowline_proto::client::DisconnectCause;
use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{ConnAck, Connect, ConnectProperties, Packet, Subscribe, Subscription};
use bowline_proto::types::{SubscriptionOptions, Text};
use bowline_proto::{PacketId, QoS, Role, Timestamp, TopicFilter, Version};

use crate::sim::World;
use crate::sim::manners::Numbers;
use crate::sim::plan::{BrokerLimits, Session};
use crate::sim::tasks::Task;
use crate::sim::wire::number_of;

/// The broker and the witness.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) core: BrokerCore,
    /// Which link a connection is.
    pub(super) links: BTreeMap<ConnectionId, usize>,
    /// A client that is always there, on a link that never fails. It is sent everything at QoS 0.
    witness: ConnectionId,
    by_witness: Decoder,
    /// What each client has been sent under which identifier.
    numbers: BTreeMap<usize, Numbers>,
    /// Whether it is to be polled.
    pub(super) is_dirty: bool,
    pub(super) until: Option<Timestamp>,
    /// The link whose bytes it is taking.
    pub(super) reads_from: Option<usize>,
}

const WITNESS: Version = Version::V5;

impl Broker {
    pub(super) fn new(limits: BrokerLimits, now: Timestamp) -> Self {
        let mut core = BrokerCore::new(config(limits)).expect("legal settings");
        let witness = core.open(now).expect("the first connection");
        core.handle_bytes(witness, &greeting());
        let by_witness = Decoder::for_client(WITNESS, u32::MAX);
        Self {
            core,
            links: BTreeMap::new(),
            witness,
            by_witness,
            numbers: BTreeMap::new(),
            is_dirty: true,
            until: None,
            reads_from: None,
        }
    }
}

fn config(limits: BrokerLimits) -> BrokerConfig {
    let mut config = BrokerConfig::new();
    config.connection.receive_maximum = limits.receive_maximum;
    config.connection.packet_bytes_max = limits.packet_bytes_max;
    config.connection.in_flight_max = limits.in_flight_max;
    config.maximum_qos = limits.maximum_qos;
    config
}

/// What the witness says: CONNECT and SUBSCRIBE to everything.
fn greeting() -> Vec<u8> {
    let connect = Connect {
        version: WITNESS,
        clean_start: true,
        keep_alive_secs: 0,
        client_id: Text::from_static("witness").expect("a legal client identifier"),
        properties: ConnectProperties::default(),
        will: None,
        user_name: None,
        password: None,
    };
    let filter = TopicFilter::from_static("#").expect("a legal filter");
    let subscribe = Subscribe {
        packet_id: PacketId::new(1).expect("not 0"),
        subscriptions: vec![Subscription { filter, options: SubscriptionOptions::new(QoS::AtMostOnce) }],
        subscription_id: None,
        user_properties: Vec::new(),
    };
    let encoder = Encoder::new(WITNESS, Role::Client, u32::MAX);
    let mut out = Outgoing::new();
    for packet in [Packet::Connect(Box::new(connect)), Packet::Subscribe(Box::new(subscribe))] {
        encoder.packet(&mut out, &packet).expect("legal packets");
    }
    out.to_vec()
}

impl World {
    /// Lets the broker do everything that it can do; whether there was something.
    pub(super) fn broker_step(&mut self, at: usize) -> bool {
        let is_due = self.brokers[at].until.is_some_and(|until| until <= self.now);
        if !std::mem::take(&mut self.brokers[at].is_dirty) && !is_due {
            return false;
        }
        loop {
            self.counts.steps += 1;
            match self.brokers[at].core.poll_output(self.now) {
                BrokerOutput::Transmit { connection, buffer } => self.broker_writes(at, connection, buffer),
                BrokerOutput::Close { connection, is_abrupt: _ } => self.broker_closes(at, connection),
                BrokerOutput::Event(event) => self.on_broker_event(at, event),
                BrokerOutput::Authenticate { .. } => {}
                BrokerOutput::Sleep { until } => {
                    self.brokers[at].until = until;
                    return true;
                }
            }
        }
    }

    fn broker_writes(&mut self, at: usize, connection: ConnectionId, buffer: Outgoing) {
        let bytes = buffer.to_vec();
        let broker = &mut self.brokers[at];
        if connection == broker.witness {
            broker.by_witness.feed(&bytes);
            self.witness_reads(at);
            self.brokers[at].core.handle_transmitted(connection, buffer, self.now);
            return;
        }
        let Some(&number) = broker.links.get(&connection) else { return };
        if let Some(link) = self.links.get_mut(&number) {
            let numbers = broker.numbers.entry(link.client).or_default();
            match &mut link.relay {
                Some(relay) => {
                    link.to_client.write(&relay.towards_client(&bytes, numbers, self.now), self.now)
                }
                None => link.to_client.write(&bytes, self.now),
            }
        }
        let at = self.pause();
        self.schedule(at, Task::ServerWritten { link: number, buffer });
    }

    /// Sends again what clients have not answered for long, where the broker does that; whether there was something.
    pub(super) fn broker_sends_again(&mut self) -> bool {
        let mut all = 0;
        let log = self.log;
        for (number, link) in self.links.iter_mut().filter(|(_, link)| link.connection.is_some()) {
            let Some(relay) = &mut link.relay else { continue };
            let (bytes, packets) = relay.again(self.now);
            if packets > 0 {
                link.to_client.write(&bytes, self.now);
                log.note(self.now, || format!("broker: sends {packets} packets again on link {number}"));
            }
            all += packets;
        }
        self.counts.sent_again += all;
        all > 0
    }

    fn witness_reads(&mut self, at: usize) {
        while let Ok(Some(packet)) = self.brokers[at].by_witness.next_packet() {
            if let Packet::Publish(publish) = packet {
                let number = number_of(&publish.payload);
                let topic = self.ledger.topic_of(number);
                let clients = 0..self.clients.len();
                let expects = |&index: &usize| {
                    let client = &self.clients[index];
                    client.at == at && client.expects(topic)
                };
                let expecting: Vec<usize> = clients.filter(expects).collect();
                self.log.note(self.now, || format!("broker {at}: takes message {number} for {expecting:?}"));
                let verdict = self.ledger.witnessed(number, at, &expecting);
                self.judge(verdict);
            }
        }
    }

    fn broker_closes(&mut self, at: usize, connection: ConnectionId) {
        let Some(number) = self.brokers[at].links.remove(&connection) else { return };
        let Some(link) = self.links.get_mut(&number) else { return };
        link.connection = None;
        link.to_client.end(self.now);
        self.clients[link.client].silenced += u64::from(link.was_silenced);
        if self.clients[link.client].link != Some(number) {
            self.links.remove(&number);
        }
    }

    fn on_broker_event(&mut self, at: usize, event: BrokerEvent) {
        self.log.note(self.now, || format!("broker {at}: {event:?}"));
        match event {
            BrokerEvent::Violation(violation) => self.on_violation(&violation),
            BrokerEvent::Connected { client_id, session_present, .. } => {
                let Some(index) = index_of(&client_id) else { return };
                let client = &mut self.clients[index];
                // What was said of its last connection was said by now.
                client.silenced = 0;
                if session_present && client.is_loss_unheard[at] {
                    self.log
                        .note(self.now, || format!("broker: client {index} missed that its session was new"));
                    self.loses_session(index, true);
                }
                let client = &mut self.clients[index];
                client.is_loss_unheard[at] |= !session_present;
                if !session_present && client.at == at {
                    client.active.clear();
                }
                let is_left = self.brokers[at].reads_from.is_some_and(|link| client.link != Some(link));
                client.left_connect_came[at] |= is_left;
                client.left_connect_came[at] &= is_left || session_present;
            }
            _ => {}
        }
    }

    fn on_violation(&mut self, violation: &bowline_broker::Violation) {
        let index = index_of(&violation.client_id);
        // What a client writes on a connection that stands still cannot be heard. The broker closes before or
        // after it says why.
        let mut links = self.links.values();
        let is_open = links.any(|link| Some(link.client) == index && link.was_silenced);
        let silenced = index.map_or(0, |index| self.clients[index].silenced);
        let is_silence = violation.text.contains("keep alive") && (is_open || silenced > 0);
        if let Some(index) = index.filter(|_| is_silence && !is_open) {
            self.clients[index].silenced -= 1;
        }
        // A new process without a store starts its identifiers anywhere, and may meet one of the last process.
        let forgot_identifiers = violation.text.contains("while")
            && index.is_some_and(|index| self.clients[index].wire.names_forgotten(&violation.text));
        // What a client began in a session whose loss it could not hear of, it ends in the order of that session.
        let has_older_order = (violation.text.contains("left later")
            || violation.text.contains("sent later"))
            && index.is_some_and(|index| self.clients[index].wire.has_older_order(&violation.text));
        // What is sent again on a timer is taken when somebody is there for it, after what was taken meanwhile.
        let came_again = self.plan.manners.resends_after.is_some()
            && violation.text.contains("after that for a later one")
            && index.is_some_and(|index| self.clients[index].wire.passed_over);
        if !is_silence && !forgot_identifiers && !has_older_order && !came_again {
            self.judge(Err(format!("the broker complains: {violation}")));
        }
    }

    /// CONNACK reaches a client.
    pub(super) fn on_connack(&mut self, index: usize, at: usize, connack: &ConnAck) {
        if connack.reason.is_failure() {
            return;
        }
        let client = &mut self.clients[index];
        let rules = client.plan.version.rules();
        let is_new = connack.session_present == Some(false)
            || client.plan.session == Session::Clean
            || client.wire.started_clean;
        let receive_maximum = connack.properties.receive_maximum.filter(|_| rules.has_properties);
        let quota = client.quota(receive_maximum);
        client.wire.connected(is_new, quota);
        client.application.on_connected(is_new);
        client.is_loss_unheard[at] = false;
        let is_elsewhere = std::mem::replace(&mut client.at, at) != at;
        client.expects_session &= !client.was_elsewhere;
        client.loss_heard_in = is_new.then_some(client.disk.committed.generation);
        if is_new {
            client.active.clear();
            if client.expects_session && client.is_kept_for_ever() {
                self.judge(Err(format!("client {index} lost its session, and the broker had it")));
            }
        }
        // What the other broker still has for it does not come. It may come back to a session that it never gave up,
        // having begun none elsewhere, and that is lost.
        if is_new || is_elsewhere {
            let client = &mut self.clients[index];
            client.active.clear();
            let is_unheard = std::mem::take(&mut client.may_miss_loss[at]) && !is_new;
            self.loses_session(index, is_unheard);
        }
    }

    /// The session of a client is gone, and perhaps it cannot hear of that.
    fn loses_session(&mut self, index: usize, is_unheard: bool) {
        let client = &mut self.clients[index];
        if is_unheard {
            let disk = client.is_durable().then_some(&client.disk.committed);
            client.wire.lost_unheard(disk);
        }
        self.ledger.session_lost(index, is_unheard);
    }

    pub(super) fn on_client_connected(&mut self, index: usize, _: Option<bool>) {
        let client = &mut self.clients[index];
        client.was_elsewhere = false;
        client.expects_session = client.is_kept_for_ever();
    }

    pub(super) fn on_client_disconnected(&mut self, index: usize, cause: &DisconnectCause) {
        // What it finds after a clean start is the session of a CONNECT of its own that it had left on its way.
        let finds_own =
            matches!(cause, DisconnectCause::Protocol(ProtocolError::SessionPresentAfterCleanStart))
                && self.clients[index].left_connect_came.contains(&true);
        if let DisconnectCause::Protocol(error) = cause
            && !finds_own
        {
            self.judge(Err(format!("client {index} closed for an error of the broker: {error}")));
        }
    }

    /// The process of a broker ends and starts again.
    pub(super) fn restart_broker(&mut self, keeps_sessions: bool) {
        let at = self.random.below(self.brokers.len() as u64) as usize;
        let links: Vec<usize> =
            self.links.iter().filter(|(_, link)| link.broker == at).map(|(number, _)| *number).collect();
        for &link in &links {
            self.cut(link);
        }
        if keeps_sessions {
            self.counts.restarts_with_sessions += 1;
            for link in links {
                self.server_lost(link);
            }
            return;
        }
        self.counts.restarts_without_sessions += 1;
        for link in self.links.values_mut().filter(|link| link.broker == at) {
            link.connection = None;
        }
        self.brokers[at] = Broker::new(self.broker_limits(), self.now);
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            // A client that cannot be told goes on as if nothing had happened.
            let is_unheard = !client.plan.version.rules().has_session_present;
            if client.at != at {
                client.may_miss_loss[at] = is_unheard;
                continue;
            }
            client.active.clear();
            client.expects_session = false;
            self.loses_session(index, is_unheard);
        }
    }

    pub(super) fn new_limits(&mut self, which: usize) {
        self.counts.new_limits += 1;
        self.limits = which;
        let config = config(self.broker_limits());
        for broker in &mut self.brokers {
            broker.core.set_config(config.clone()).expect("legal settings");
        }
    }

    fn broker_limits(&self) -> BrokerLimits {
        self.plan.limits[self.limits]
    }
}

fn index_of(client_id: &Text) -> Option<usize> {
    client_id.as_str().strip_prefix('c')?.parse().ok()
}
