//! The links between clients and broker: two pipes each, and what is seen of the packets in them.

use bowline_broker::ConnectionId;
use bowline_proto::client::{Address, Input};
use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::{QoS, Timestamp, Version};

use crate::link::{Arrival, Pipe};
use crate::pair::Direction;
use crate::sim::World;
use crate::sim::log;
use crate::sim::manners::{Numbering, Relay};
use crate::sim::plan::{FILTERS, Session, filter};
use crate::sim::tasks::Task;
use crate::sim::wire::{Meaning, number_of};

/// A connection from the dial until both ends are done with it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: usize,
    /// Which broker it leads to.
    pub(super) broker: usize,
    to_server: Pipe,
    pub(super) to_client: Pipe,
    /// The broker's end, while it is open.
    pub(super) connection: Option<ConnectionId>,
    /// What the client wrote stood still for a while, or was kept back as a second answer: the broker may have heard nothing for longer than the keep alive.
    pub(super) was_silenced: bool,
    /// What the broker does besides.
    pub(super) relay: Option<Relay>,
    /// What the client reads with.
    from_server: Decoder,
    /// Looks at what the client writes.
    by_client: Decoder,
}

impl Link {
    pub(super) const fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    fn new(client: usize, broker: usize, version: Version, to_server: Pipe, to_client: Pipe) -> Self {
        Self {
            client,
            broker,
            to_server,
            to_client,
            connection: None,
            was_silenced: false,
            relay: None,
            from_server: Decoder::for_client(version, u32::MAX),
            by_client: Decoder::for_server(u32::MAX),
        }
    }
}

impl World {
    pub(super) fn dial(&mut self, index: usize) {
        self.dialled += 1;
        let number = self.dialled;
        let shape = self.plan.shape;
        let [to_server, to_client] = [(), ()].map(|()| Pipe::new(shape, self.random.split()));
        let client = &mut self.clients[index];
        let address = match client.engine.address() {
            Address::Listed(address) => usize::from(address),
            Address::Redirected(_) => 0,
        };
        let broker = address % self.brokers.len();
        let mut link = Link::new(index, broker, client.plan.version, to_server, to_client);
        link.relay = client
            .manners(self.plan.manners)
            .map(|manners| Relay::new(manners, client.plan.version.rules().pubrel_carries_dup));
        client.link = Some(number);
        let is_away = self.outages[address] > self.now;
        let fails = std::mem::take(&mut client.fails_next_dial) || is_away;
        self.counts.elsewhere +=
            u64::from(client.address.replace(address).is_some_and(|last| last != address));
        self.links.insert(number, link);
        self.counts.connections += 1;
        self.counts.failed_dials += u64::from(fails);
        self.log.note(self.now, || {
            format!(
                "client {index}: dials {number} at address {address}{}",
                if fails { ", in vain" } else { "" }
            )
        });
        let at = self.pause();
        self.schedule(at, Task::Opened { link: number, fails });
    }

    pub(super) fn on_opened(&mut self, link: usize, fails: bool) {
        if !self.is_current(link) {
            return;
        }
        let Some(at) = self.links.get(&link).map(|one| one.broker) else { return };
        let opened = if fails { None } else { self.brokers[at].core.open(self.now) };
        if let Some(one) = self.links.get_mut(&link) {
            one.connection = opened;
        }
        if let Some(connection) = opened {
            self.brokers[at].links.insert(connection, link);
            self.brokers[at].is_dirty = true;
            // The client may give up its session at the other broker from now on.
            let index = self.links[&link].client;
            if self.clients[index].at != at {
                self.clients[index].was_elsewhere = true;
                self.ledger.session_may_end(index);
            }
            self.tell_client(link, Input::Connected);
        } else {
            self.tell_client(link, Input::DialFailed);
            self.links.remove(&link);
        }
    }

    /// Whether a client has or dials this link.
    fn is_current(&self, link: usize) -> bool {
        self.links.get(&link).is_some_and(|one| self.clients[one.client].link == Some(link))
    }

    pub(super) fn tell_client(&mut self, link: usize, input: Input) {
        if self.is_current(link) {
            let index = self.links[&link].client;
            let clock = self.show_clock(index);
            self.clients[index].engine.handle_input(input, clock);
        }
    }

    /// The connection is gone; its ends learn of it each in its own time.
    pub(super) fn cut(&mut self, link: usize) {
        let Some(one) = self.links.get_mut(&link) else { return };
        for direction in Direction::BOTH {
            let pipe = one.pipe(direction);
            pipe.cut_at(pipe.arrived());
        }
        self.log.note(self.now, || format!("link {link}: cut"));
        let (client, server) = (self.pause(), self.pause());
        self.schedule(client, Task::ClientLost { link });
        self.schedule(server, Task::ServerLost { link });
    }

    pub(super) fn client_writes(&mut self, index: usize, buffer: Outgoing) {
        let link = self.clients[index].link.expect("only a connected client writes");
        let bytes = buffer.to_vec();
        if let Some(one) = self.links.get_mut(&link) {
            one.to_server.write(&bytes, self.now);
            one.by_client.feed(&bytes);
        }
        while let Some(packet) = self.next_written(link) {
            self.client_wrote(index, &packet);
        }
        let client = &mut self.clients[index];
        client.written_at = client.clocks.engine(self.now);
        let at = self.pause();
        self.schedule(at, Task::ClientWritten { link, buffer });
    }

    fn next_written(&mut self, link: usize) -> Option<Packet> {
        match self.links.get_mut(&link)?.by_client.next_packet() {
            Ok(packet) => packet,
            Err(error) => {
                self.judge(Err(format!("the client wrote what is no packet: {error}")));
                None
            }
        }
    }

    fn client_wrote(&mut self, index: usize, packet: &Packet) {
        self.log.note(self.now, || format!("client {index}: writes {}", log::packet(packet)));
        let client = &mut self.clients[index];
        let disk = client.is_durable().then_some(&client.disk.committed);
        let verdict = match client.wire.writes(packet, disk) {
            Ok(Meaning::Nothing) => Ok(()),
            Ok(Meaning::Publishes(number)) => {
                // What leaves now was put together after the last buffer had left.
                let is_over = client.clocks.is_over(number, client.written_at);
                self.ledger.sent(number, is_over)
            }
            Ok(Meaning::PublishesAgain(number)) => self.ledger.sent(number, false),
            Ok(Meaning::Acknowledges(id, number)) => {
                client.unproven.push((id, number));
                Ok(())
            }
            Err(what) => Err(format!("client {index}: {what}")),
        };
        self.judge(verdict);
    }

    /// Takes one thing that has arrived; whether there was one.
    pub(super) fn client_reads(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        let Some(number) = client.link else { return false };
        let Some(link) = self.links.get_mut(&number) else { return false };
        if client.engine.is_reading_paused() {
            return false;
        }
        let input = match link.from_server.next_packet() {
            Ok(Some(packet)) => {
                self.client_read(index, &packet);
                Input::Packet(packet)
            }
            Err(error) => Input::Malformed(error),
            Ok(None) => match link.to_client.poll(self.now) {
                Some(Arrival::Bytes(bytes)) => {
                    link.from_server.feed(&bytes);
                    Input::BytesReceived
                }
                Some(Arrival::End) => Input::Closed,
                Some(Arrival::Cut) => {
                    self.cut(number);
                    return true;
                }
                None => return false,
            },
        };
        let clock = self.clients[index].clocks.engine(self.now);
        self.clients[index].engine.handle_input(input, clock);
        true
    }

    fn client_read(&mut self, index: usize, packet: &Packet) {
        self.log.note(self.now, || format!("client {index}: reads {}", log::packet(packet)));
        match packet {
            Packet::ConnAck(connack) => {
                let at = self.clients[index].link.and_then(|link| self.links.get(&link));
                let at = at.map_or(0, |link| link.broker);
                self.on_connack(index, at, connack);
            }
            Packet::Publish(publish) if publish.qos == QoS::AtMostOnce => {
                self.expect_qos0(index, number_of(&publish.payload));
            }
            Packet::Publish(publish) => {
                let id = publish.packet_id.expect("a packet above QoS 0 has an identifier");
                let number = number_of(&publish.payload);
                if publish.qos == QoS::ExactlyOnce && self.clients[index].wire.is_stale(id) {
                    self.ledger.may_be_swallowed(index, number);
                }
                // A QoS 1 message without DUP is another one, whatever it says.
                let may_be_held = publish.dup || publish.qos == QoS::ExactlyOnce;
                self.expect_message(index, number, id, may_be_held);
            }
            _ => {}
        }
        let client = &mut self.clients[index];
        if let Some(number) = client.wire.renumbered(packet)
            && self.plan.manners.numbering != Numbering::Kept
        {
            self.counts.renumbered += 1;
            self.ledger.renumbered(index, number);
        }
        let disk = client.is_durable().then_some(&client.disk.committed);
        for granted in client.wire.reads(packet, disk) {
            let found = (0..FILTERS.len()).find(|&one| filter(one) == granted);
            client.active.extend(found.filter(|one| client.wanted.contains(one)));
        }
    }

    pub(super) fn client_closes(&mut self, index: usize) {
        let Some(number) = self.clients[index].link.take() else { return };
        self.log.note(self.now, || format!("client {index}: closes {number}"));
        if !self.clients[index].is_kept_for_ever() {
            self.ledger.session_may_end(index);
        }
        if self.clients[index].plan.session == Session::Clean {
            self.clients[index].active.clear();
            self.ledger.session_lost(index, false);
        }
        if let Some(link) = self.links.get_mut(&number) {
            link.to_server.end(self.now);
            if link.connection.is_none() {
                self.links.remove(&number);
            }
        }
    }

    /// When something arrives at one of the ends of a link.
    pub(super) fn link_next_at(&self, number: usize, link: &Link) -> Option<Timestamp> {
        let client = &self.clients[link.client];
        let is_awake = client.clocks.asleep_until(self.now).is_none();
        let reads = client.link == Some(number) && is_awake && !client.engine.is_reading_paused();
        let to_client = link.to_client.next_at().filter(|_| reads);
        let is_taken = link
            .connection
            .is_some_and(|connection| !self.brokers[link.broker].core.is_reading_paused(connection));
        let to_server = link.to_server.next_at().filter(|_| is_taken);
        let again = link.relay.as_ref().filter(|_| link.connection.is_some()).and_then(Relay::due_at);
        [to_client, to_server, again].into_iter().flatten().min()
    }

    /// Gives the broker what has arrived; whether there was something.
    pub(super) fn server_reads(&mut self, number: usize) -> bool {
        let Some(link) = self.links.get_mut(&number) else { return false };
        let Some(connection) = link.connection else { return false };
        let broker = &mut self.brokers[link.broker];
        let at = link.broker;
        if broker.core.is_reading_paused(connection) {
            return false;
        }
        match link.to_server.poll(self.now) {
            Some(Arrival::Bytes(mut bytes)) => {
                if let Some(relay) = &mut link.relay {
                    bytes = relay.towards_broker(&bytes);
                    link.was_silenced |= relay.has_kept_back;
                }
                broker.reads_from = Some(number);
                broker.core.handle_bytes(connection, &bytes);
            }
            Some(Arrival::End) => broker.core.handle_closed(connection, self.now),
            Some(Arrival::Cut) => self.cut(number),
            None => return false,
        }
        self.counts.steps += 1;
        self.brokers[at].is_dirty = true;
        self.broker_step(at);
        self.brokers[at].reads_from = None;
        true
    }

    pub(super) fn server_written(&mut self, link: usize, buffer: Outgoing) {
        let Some(link) = self.links.get(&link) else { return };
        if let Some(connection) = link.connection {
            let broker = &mut self.brokers[link.broker];
            broker.core.handle_transmitted(connection, buffer, self.now);
            broker.is_dirty = true;
        }
    }

    pub(super) fn server_lost(&mut self, link: usize) {
        let Some(link) = self.links.get(&link) else { return };
        if let Some(connection) = link.connection {
            let broker = &mut self.brokers[link.broker];
            broker.core.handle_failed(connection, self.now);
            broker.is_dirty = true;
        }
    }
}
