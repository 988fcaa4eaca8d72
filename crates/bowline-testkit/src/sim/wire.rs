//! Looks at the packets of one client as they are written and read: identifiers, quota, acknowledgements, and what of
//! a durable session must be on the disk before (the barriers). Never sees an engine.

use std::collections::{BTreeMap, BTreeSet};

use bowline_proto::packet::{Packet, Publish};
use bowline_proto::session::Recovered;
use bowline_proto::session::stored::StoredPhase;
use bowline_proto::types::TopicFilter;
use bowline_proto::{PacketId, QoS};

use crate::pair::traffic::Traffic;
use crate::sim::ledger::Verdict;

/// One client's side of the wire.
#[derive(Debug, Default)]
pub(super) struct Wire {
    traffic: Traffic,
    /// Identifiers that a process without a store had in use when it was killed: the next one, which starts anywhere, may
    /// meet them.
    forgotten: BTreeSet<u16>,
    /// Which message came last under an identifier.
    inbound: BTreeMap<PacketId, u64>,
    /// The identifier under which a QoS 2 message came last.
    came_as: BTreeMap<u64, PacketId>,
    /// The order in which PUBACKs and PUBRECs are due on this connection.
    arrived: [Vec<Due>; 2],
    /// Identifiers of QoS 2 messages for which a PUBREC was written on this connection: their acknowledgement was stored.
    received: BTreeSet<PacketId>,
    /// Filters of SUBSCRIBEs without an answer on this connection.
    asked: BTreeMap<PacketId, Vec<TopicFilter>>,
    /// PUBRECs for which no flow was known: they are answered without a barrier.
    strange: Vec<PacketId>,
    /// On this connection an acknowledgement left before that of a message which was left to the broker.
    pub(super) passed_over: bool,
    /// Whether the client may leave the message that comes next.
    pub(super) may_leave: bool,
    /// Whether the last CONNECT had Clean Start.
    pub(super) started_clean: bool,
    /// UNSUBSCRIBEs that are not answered yet: what is granted meanwhile is of before.
    unsubscribing: Vec<TopicFilter>,
    /// UNSUBSCRIBEs on this connection.
    ending: BTreeMap<PacketId, Vec<TopicFilter>>,
    /// Filters that were unsubscribed: a SUBSCRIBE for one that had been asked for before may still go out.
    pub(super) unwanted: BTreeSet<TopicFilter>,
    /// Of those, what is wanted again: its UNSUBSCRIBE may still go out.
    wanted_again: BTreeSet<TopicFilter>,
    /// Identifiers that the client may have recorded: of QoS 2 messages without a PUBCOMP.
    recorded: BTreeSet<PacketId>,
    /// Those of them that were so when the broker lost the session and could not say so: what comes under one is
    /// swallowed, and the protocol has no answer to that.
    stale: BTreeSet<PacketId>,
    /// The client's own identifiers that were in use then: it ends what it had begun in the order of the lost session.
    older: BTreeSet<u16>,
}

/// An acknowledgement that is due.
#[derive(Debug)]
struct Due {
    id: PacketId,
    /// The message came again while it was due: the first answer may be for both.
    is_repeated: bool,
    /// Nobody was handed it, and the client may leave it to the broker without an answer.
    may_be_left: bool,
}

impl Due {
    const fn may_be_skipped(&self) -> bool {
        self.is_repeated || self.may_be_left
    }
}

/// What a packet that a client writes means for the books.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    /// This message goes out, for the first time as far as the client can know.
    Publishes(u64),
    /// This message goes out again, or perhaps for the first time.
    PublishesAgain(u64),
    /// This message is acknowledged, which came last under this identifier.
    Acknowledges(PacketId, u64),
}

impl Wire {
    /// CONNACK came.
    pub(super) fn connected(&mut self, is_new_session: bool, quota: usize) {
        self.traffic.on_connected(is_new_session, quota);
        self.arrived = Default::default();
        self.passed_over = false;
        self.received.clear();
        self.asked.clear();
        self.ending.clear();
        self.strange.clear();
        if is_new_session {
            self.forgotten.clear();
            self.inbound.clear();
            // One that was begun clean elsewhere may be left again for the session before, with all that is known of it.
            if !self.started_clean {
                self.recorded.clear();
                self.stale.clear();
                self.older.clear();
            }
        }
    }

    /// The message of a packet that is about to be read, if it is of QoS 2 and came under another identifier before in
    /// this session: a client cannot know that it is the same.
    pub(super) fn renumbered(&mut self, packet: &Packet) -> Option<u64> {
        let Packet::Publish(publish) = packet else { return None };
        let id = publish.packet_id.filter(|_| publish.qos == QoS::ExactlyOnce)?;
        let number = number_of(&publish.payload);
        self.came_as.insert(number, id).filter(|before| *before != id).map(|_| number)
    }

    /// The identifiers whose PUBACK and PUBREC are due first, and which message came last under each. One that came again may
    /// have its answer already.
    pub(super) fn first_due(&self) -> [Option<(PacketId, u64)>; 2] {
        let first = |due: &Vec<Due>| {
            let id = due.first().filter(|due| !due.may_be_skipped())?.id;
            Some((id, self.inbound.get(&id).copied()?))
        };
        [first(&self.arrived[0]), first(&self.arrived[1])]
    }

    /// The application was handed a message, or the client has left it to the broker.
    pub(super) fn was_left(&mut self, id: PacketId, number: u64, is_left: bool) {
        if self.inbound.get(&id) == Some(&number) {
            for arrived in &mut self.arrived {
                // One that is left is so however often it has come; it is handed out as it came last.
                let of_id = arrived.iter_mut().rev().filter(|due| due.id == id);
                let most = if is_left { usize::MAX } else { 1 };
                of_id.take(most).for_each(|due| due.may_be_left = is_left);
            }
        }
    }

    /// The application does not want a filter any more.
    pub(super) fn unsubscribes(&mut self, filter: TopicFilter) {
        self.unsubscribing.push(filter.clone());
        self.unwanted.insert(filter);
    }

    /// The application wants a filter.
    pub(super) fn subscribes(&mut self, filter: TopicFilter) {
        if self.unwanted.contains(&filter) {
            self.wanted_again.insert(filter);
        }
    }

    /// The client's memory of its own identifiers is gone.
    pub(super) fn forget(&mut self) {
        let lost = std::mem::take(&mut self.traffic);
        self.forgotten.extend(lost.live());
        self.recorded.clear();
        self.stale.clear();
        self.older.clear();
    }

    /// The broker has lost the session, and the client goes on with what it and its disk have of it.
    pub(super) fn lost_unheard(&mut self, disk: Option<&Recovered>) {
        let of_disk = disk.into_iter().flat_map(|disk| disk.received.iter().copied());
        self.recorded.extend(of_disk);
        self.stale.clone_from(&self.recorded);
        let flows = disk.into_iter().flat_map(|disk| disk.flows.iter().filter_map(|flow| id_of(flow.phase)));
        self.older.extend(self.traffic.live().chain(flows.map(PacketId::as_u16)));
    }

    /// Whether the client may take a QoS 2 message under this identifier for one of a session that is lost.
    pub(super) fn is_stale(&self, id: PacketId) -> bool {
        self.stale.contains(&id)
    }

    /// Whether a complaint about an order may come of flows that began in a session that is lost.
    pub(super) fn has_older_order(&self, text: &str) -> bool {
        self.traffic.live().any(|id| self.older.contains(&id)) || names(text, &self.older)
    }

    /// Whether an identifier that a process which is gone had in use is named in a text.
    pub(super) fn names_forgotten(&self, text: &str) -> bool {
        names(text, &self.forgotten)
    }

    /// A packet reaches the client; the filters that are granted by it.
    pub(super) fn reads(&mut self, packet: &Packet, disk: Option<&Recovered>) -> Vec<TopicFilter> {
        self.traffic.on_answer(packet);
        match packet {
            Packet::Publish(publish) => self.reads_publish(publish),
            Packet::PubRec(ack) => {
                let is_known = disk.is_none_or(|disk| phase_of(disk, ack.packet_id).is_some());
                if !is_known {
                    self.strange.push(ack.packet_id);
                }
            }
            Packet::SubAck(suback) => {
                let filters = self.asked.remove(&suback.packet_id).unwrap_or_default();
                let granted = filters.into_iter().zip(&suback.reasons);
                return granted
                    .filter(|(_, reason)| !reason.is_failure())
                    .map(|(filter, _)| filter)
                    .filter(|filter| !self.unsubscribing.contains(filter))
                    .collect();
            }
            Packet::UnsubAck(unsuback) => {
                for filter in self.ending.remove(&unsuback.packet_id).unwrap_or_default() {
                    // It may be under way a second time.
                    if let Some(at) = self.unsubscribing.iter().position(|one| *one == filter) {
                        self.unsubscribing.swap_remove(at);
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn reads_publish(&mut self, publish: &Publish) {
        let Some(id) = publish.packet_id else { return };
        let number = number_of(&publish.payload);
        if self.inbound.insert(id, number) != Some(number) || publish.qos != QoS::ExactlyOnce {
            self.received.remove(&id);
        }
        if publish.qos == QoS::ExactlyOnce {
            self.recorded.insert(id);
        }
        let due = &mut self.arrived[usize::from(publish.qos == QoS::ExactlyOnce)];
        let is_repeated = due.iter().any(|due| due.id == id) || self.received.contains(&id);
        due.push(Due { id, is_repeated, may_be_left: self.may_leave });
    }

    /// A client writes a packet.
    pub(super) fn writes(&mut self, packet: &Packet, disk: Option<&Recovered>) -> Result<Meaning, String> {
        if let Some(complaint) = self.traffic.on_sent(packet) {
            return Err(complaint);
        }
        if let Some(disk) = disk {
            self.check_barrier(packet, disk)?;
        }
        match packet {
            Packet::Publish(publish) => {
                let number = number_of(&publish.payload);
                if publish.dup {
                    return Ok(Meaning::PublishesAgain(number));
                }
                if let Some(id) = publish.packet_id {
                    self.older.remove(&id.as_u16());
                }
                Ok(Meaning::Publishes(number))
            }
            Packet::PubComp(ack) => {
                self.forget_recorded(ack.packet_id);
                Ok(Meaning::Nothing)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) => {
                let is_rec = matches!(packet, Packet::PubRec(_));
                let due = &mut self.arrived[usize::from(is_rec)];
                let first = due.iter().position(|due| due.id == ack.packet_id || !due.may_be_skipped());
                let Some(at) = first.filter(|&at| due[at].id == ack.packet_id) else {
                    return Err(format!("{packet:?} is out of turn, due are {due:?}"));
                };
                self.passed_over |= due.drain(..=at).any(|due| due.may_be_left && due.id != ack.packet_id);
                if is_rec && !ack.reason.is_failure() {
                    self.received.insert(ack.packet_id);
                } else if is_rec {
                    self.forget_recorded(ack.packet_id);
                }
                let number = self.inbound.get(&ack.packet_id).copied().unwrap_or(0);
                Ok(if ack.reason.is_failure() {
                    Meaning::Nothing
                } else {
                    Meaning::Acknowledges(ack.packet_id, number)
                })
            }
            Packet::Connect(connect) => {
                self.started_clean = connect.clean_start;
                Ok(Meaning::Nothing)
            }
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.subscriptions.iter().map(|one| one.filter.clone()).collect();
                self.asked.insert(subscribe.packet_id, filters);
                Ok(Meaning::Nothing)
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.ending.insert(unsubscribe.packet_id, unsubscribe.filters.clone());
                Ok(Meaning::Nothing)
            }
            _ => Ok(Meaning::Nothing),
        }
    }

    fn forget_recorded(&mut self, id: PacketId) {
        self.recorded.remove(&id);
        self.stale.remove(&id);
    }

    /// What a durable session writes must be on the disk before: B2 to B6, B8 and B9.
    fn check_barrier(&self, packet: &Packet, disk: &Recovered) -> Verdict {
        // B9: a session in which something goes on has a name on the disk.
        let goes_on = match packet {
            Packet::Publish(publish) => publish.packet_id.is_some(),
            Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PubRec(_) | Packet::PubRel(_) => true,
            _ => false,
        };
        if goes_on && disk.identity.is_none() {
            return Err(format!("{packet:?} before the disk has whose session it is"));
        }
        let holds = match packet {
            Packet::Publish(publish) => publish.packet_id.is_none_or(|id| {
                disk.flows.iter().any(|flow| {
                    flow.phase == StoredPhase::Sent { packet_id: id }
                        && flow.message.payload == publish.payload
                })
            }),
            Packet::PubRel(ack) => {
                self.strange.contains(&ack.packet_id)
                    || matches!(phase_of(disk, ack.packet_id), Some(StoredPhase::Released { .. }))
            }
            Packet::PubRec(ack) => {
                let is_stored = disk.received.contains(&ack.packet_id);
                ack.reason.is_failure()
                    || self.is_stale(ack.packet_id)
                    || is_stored
                    || self.received.contains(&ack.packet_id)
            }
            Packet::PubComp(ack) => !disk.received.contains(&ack.packet_id),
            Packet::Connect(connect) if connect.clean_start => {
                disk.generation > 0 && disk.received.is_empty() && disk.flows.is_empty()
            }
            Packet::Connect(connect) => {
                disk.identity.as_ref().is_none_or(|identity| identity.client_id == connect.client_id)
            }
            Packet::Subscribe(subscribe) => subscribe
                .subscriptions
                .iter()
                .filter(|one| !self.unwanted.contains(&one.filter))
                .all(|one| disk.wanted.iter().any(|wanted| wanted.filter == one.filter)),
            Packet::Unsubscribe(unsubscribe) => unsubscribe
                .filters
                .iter()
                .filter(|filter| !self.wanted_again.contains(*filter))
                .all(|filter| disk.wanted.iter().all(|wanted| wanted.filter != *filter)),
            _ => true,
        };
        if holds { Ok(()) } else { Err(format!("{packet:?} before the disk has what it stands for")) }
    }
}

fn phase_of(disk: &Recovered, id: PacketId) -> Option<StoredPhase> {
    let mut phases = disk.flows.iter().map(|flow| flow.phase);
    phases.find(|phase| id_of(*phase) == Some(id))
}

const fn id_of(phase: StoredPhase) -> Option<PacketId> {
    match phase {
        StoredPhase::Sent { packet_id } | StoredPhase::Released { packet_id, .. } => Some(packet_id),
        StoredPhase::Waiting | StoredPhase::Requeued => None,
    }
}

/// Whether a text has one of these identifiers in it.
fn names(text: &str, ids: &BTreeSet<u16>) -> bool {
    let mut words = text.split(|one: char| !one.is_ascii_digit()).filter_map(|word| word.parse().ok());
    words.any(|id| ids.contains(&id))
}

/// The number that a payload begins with; 0 if it begins with none.
pub(super) fn number_of(payload: &[u8]) -> u64 {
    let digits = payload.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, byte| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
}
