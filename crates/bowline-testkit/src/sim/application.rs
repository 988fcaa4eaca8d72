//! The receiving half of a client's application: its streams, and what becomes of the messages in them. Says to the
//! engine what a driver would; looks at no wire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bowline_proto::client::{Delivery, Qos0Limits, UNROUTED, Unmatched};
use bowline_proto::packet::Subscription;
use bowline_proto::routing::StreamId;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::{SubscriptionOptions, TopicName};
use bowline_proto::{PacketId, QoS, ReasonCode, Timestamp};

use crate::sim::World;
use crate::sim::held::Held;
use crate::sim::plan::{FILTERS, Session, TOPICS, filter};
use crate::sim::tasks::Task;
use crate::sim::wire::number_of;

/// What an application has open and in its hands.
#[derive(Debug, Default)]
pub(super) struct Application {
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// QoS 1 and 2 messages that not all of their streams have finished with.
    pub(super) held: BTreeMap<DeliveryId, Held>,
    /// Messages that the application has finished with and whose acknowledgement is not stored.
    pub(super) taken: BTreeMap<DeliveryId, u64>,
    /// Which message came under an identifier.
    pub(super) by_id: BTreeMap<PacketId, (DeliveryId, u64)>,
    /// How many acknowledgements are due for messages that were finished with on this connection.
    pub(super) finished: BTreeMap<(PacketId, u64), u32>,
    /// Identifiers of messages that were handed out, as they came last.
    pub(super) handed_out: BTreeSet<PacketId>,
    /// Whose turn it is to be acknowledged, of QoS 1 and of QoS 2, and since when nothing but the engine is waited for.
    pub(super) turns: [Option<(PacketId, Timestamp)>; 2],
    /// The QoS 1 or 2 message that came last and was not handed out.
    pub(super) came: Option<u64>,
    connections: u64,
    pub(super) qos0_dropped: u64,
    /// The QoS 0 message that came last, and the streams that must get it or lose it.
    pub(super) qos0_due: (u64, BTreeSet<StreamId>),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) filters: BTreeSet<usize>,
    /// Whether messages are acknowledged when the application has finished with them, not when it takes them.
    is_manual: bool,
    pub(super) qos0_max: usize,
    pub(super) qos0: VecDeque<u64>,
}

impl Application {
    /// Whether nothing waits for the application.
    pub(super) fn is_idle(&self) -> bool {
        self.held.values().all(|held| held.is_settled(self.connections))
    }

    /// The messages that wait for the application.
    pub(super) fn unsettled(&self) -> Vec<u64> {
        self.held.values().filter(|held| !held.is_settled(self.connections)).map(|held| held.number).collect()
    }

    /// A connection begins.
    pub(super) fn on_connected(&mut self, is_new_session: bool) {
        self.connections += 1;
        for held in self.held.values_mut() {
            held.is_let_go |= is_new_session;
        }
        self.turns = [None; 2];
    }

    pub(super) fn on_stream_ended(&mut self, stream: StreamId) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.filters.clear();
        }
    }

    /// What a kill takes from the application, and must come again in a session that goes on.
    pub(super) fn unfinished(&self) -> Vec<u64> {
        let is_unfinished = |held: &&Held| !held.is_let_go && (held.is_abandoned() || !held.is_loose());
        let unfinished = self.held.values().filter(is_unfinished);
        unfinished.map(|held| held.number).collect()
    }

    fn drop_filter(&mut self, filter: usize) {
        for stream in self.streams.values_mut() {
            stream.filters.remove(&filter);
        }
    }

    pub(super) fn has_stream_for(&self, filter: usize) -> bool {
        self.streams.values().any(|stream| stream.filters.contains(&filter))
    }
}

impl World {
    /// Opens a stream.
    pub(super) fn open_stream(&mut self, index: usize, filters: &[usize]) {
        let is_manual = self.random.once_in(3);
        let client = &mut self.clients[index];
        let options = SubscriptionOptions::new(client.plan.subscription_qos);
        let subscriptions = filters.iter().map(|&one| Subscription { filter: filter(one), options });
        let (qos0_max, when_full) = client.plan.qos0;
        let limits = Qos0Limits::new(qos0_max, when_full);
        let asked = client.engine.subscribe(subscriptions.collect(), limits, Vec::new());
        let (_, stream) = asked.expect("a legal subscription");
        client.wanted.extend(filters);
        client.known.extend(filters);
        for &one in filters {
            client.wire.subscribes(filter(one));
        }
        let filters: BTreeSet<usize> = filters.iter().copied().collect();
        self.log.note(self.now, || format!("client {index}: opens {stream:?} for {filters:?}"));
        let opened = Stream { filters, is_manual, qos0_max, qos0: VecDeque::new() };
        self.clients[index].application.streams.insert(stream, opened);
        self.counts.streams_opened += 1;
    }

    /// From now on the application takes what no other stream wants.
    pub(super) fn open_unrouted(&mut self, index: usize) {
        let is_manual = self.random.once_in(3);
        let client = &mut self.clients[index];
        let (qos0_max, when_full) = client.plan.qos0;
        if client.application.streams.contains_key(&UNROUTED) {
            return;
        }
        client.engine.open_unrouted(Qos0Limits::new(qos0_max, when_full));
        let opened = Stream { filters: BTreeSet::new(), is_manual, qos0_max, qos0: VecDeque::new() };
        client.application.streams.insert(UNROUTED, opened);
        self.counts.unrouted_opened += 1;
        self.log.note(self.now, || format!("client {index}: opens unrouted"));
    }

    /// The application changes what it listens to.
    pub(super) fn change_streams(&mut self, index: usize) {
        match self.random.below(5) {
            0 | 1 => {
                let first = self.random.below(FILTERS.len() as u64) as usize;
                let second = self.random.below(FILTERS.len() as u64) as usize;
                let both = [first, second];
                self.open_stream(index, &both[..1 + usize::from(first != second)]);
            }
            2 => self.open_unrouted(index),
            _ => {
                let open: Vec<StreamId> = self.clients[index].application.streams.keys().copied().collect();
                if !open.is_empty() {
                    let stream = self.random.pick(&open);
                    self.close_stream(index, stream);
                }
            }
        }
    }

    /// The application drops a stream.
    fn close_stream(&mut self, index: usize, stream: StreamId) {
        let client = &mut self.clients[index];
        let may_be_passed_over: Vec<bool> =
            (0..TOPICS.len()).map(|topic| stream == UNROUTED && client.has_unwanted(topic)).collect();
        let application = &mut client.application;
        let Some(closed) = application.streams.remove(&stream) else { return };
        let is_clean = client.plan.session == Session::Clean;
        let leaves = stream == UNROUTED && client.plan.unmatched == Unmatched::Leave;
        let streams = &application.streams;
        let has_stream = |topic: usize| {
            let topic = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
            streams.values().any(|open| open.filters.iter().any(|&one| filter(one).matches(&topic)))
        };
        let mut left = Vec::new();
        let is_for_nobody = stream == UNROUTED && client.plan.unmatched == Unmatched::Acknowledge;
        let acknowledges = is_clean && !leaves || is_for_nobody;
        let mut untaken = Vec::new();
        for (&delivery, held) in &mut application.held {
            let topic = self.ledger.topic_of(held.number);
            let abandoned_it = leaves && held.abandoned.contains(&stream);
            let at = held.waiting.iter().position(|one| *one == stream);
            if at.is_none() && !abandoned_it {
                continue;
            }
            held.waiting.retain(|one| *one != stream);
            let is_passed_over = may_be_passed_over[topic] && !leaves;
            if leaves && held.is_loose() && !held.is_let_go && !held.had_stream && !has_stream(topic) {
                let is_last = held.abandoned.iter().all(|one| *one == stream);
                left.extend(is_last.then_some(delivery));
            }
            // What another stream has let go of is kept for that one.
            let is_kept = held.abandoned.iter().any(|one| *one != stream);
            if held.is_loose() && !is_kept && (acknowledges || is_passed_over) {
                held.is_let_go = true;
                held.is_due |= is_for_nobody || stream != UNROUTED;
                self.ledger.taken(index, held.number);
                // It may come again before that acknowledgement is written.
                if let Some(packet_id) = held.packet_id {
                    *application.finished.entry((packet_id, held.number)).or_default() += 1;
                }
            }
            untaken.extend(at.map(|_| delivery));
        }
        for held in left.iter().filter_map(|delivery| application.held.remove(delivery)) {
            self.ledger.left(index, held.number);
            if let Some(packet_id) = held.packet_id {
                client.wire.was_left(packet_id, held.number, true);
            }
        }
        self.counts.streams_dropped += 1;
        client.engine.close_stream(stream, &untaken);
        self.log.note(self.now, || format!("client {index}: drops {stream:?} with {untaken:?} in it"));
        // A kept session goes on with the filter, and what comes is held for whoever comes.
        if is_clean {
            let unused = closed.filters.into_iter();
            let application = &self.clients[index].application;
            let unused: Vec<usize> = unused.filter(|&one| !application.has_stream_for(one)).collect();
            for one in unused {
                self.no_longer_wants(index, one);
            }
        }
    }

    /// The application does not want a filter any more.
    pub(super) fn unsubscribe(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(&one) = client.wanted.first() else { return };
        client.engine.unsubscribe(vec![filter(one)], Vec::new()).expect("a legal request");
        self.log.note(self.now, || format!("client {index}: unsubscribes {}", FILTERS[one]));
        self.no_longer_wants(index, one);
    }

    fn no_longer_wants(&mut self, index: usize, one: usize) {
        let client = &mut self.clients[index];
        client.wanted.remove(&one);
        client.application.drop_filter(one);
        client.wire.unsubscribes(filter(one));
        client.active.remove(&one);
        self.let_go_of_held(index, one);
        let client = &self.clients[index];
        self.ledger.unsubscribed(index, |topic| client.expects(topic));
    }

    /// What is held for nobody is held for filters without a stream. This one is wanted no longer.
    fn let_go_of_held(&mut self, index: usize, one: usize) {
        let client = &mut self.clients[index];
        let application = &mut client.application;
        for held in application.held.values_mut() {
            let topic = TOPICS[self.ledger.topic_of(held.number)];
            let topic = TopicName::from_static(topic).expect("a legal topic");
            let matches = |one: usize| filter(one).matches(&topic);
            let has_stream =
                |one: usize| application.streams.values().any(|open| open.filters.contains(&one));
            let is_for_later = client.wanted.iter().any(|&one| !has_stream(one) && matches(one));
            if !matches(one) || is_for_later {
                continue;
            }
            // Who abandoned it gets it again while its stream is there for it.
            held.abandoned.retain(|stream| {
                let open = application.streams.get(stream);
                open.is_some_and(|open| *stream == UNROUTED || open.filters.iter().any(|&one| matches(one)))
            });
            if held.is_loose() && !held.is_abandoned() {
                held.is_let_go = true;
                held.is_due = true;
            }
        }
    }

    pub(super) fn on_delivery(&mut self, index: usize, delivery: Delivery) {
        let number = number_of(&delivery.message.payload);
        let streams: Vec<StreamId> = delivery.streams.iter().collect();
        let Some(id) = delivery.delivery else {
            let verdict = self.ledger.handed(index, number, QoS::AtMostOnce);
            self.judge(verdict);
            return self.on_qos0(index, number, &streams);
        };
        if streams.is_empty() {
            return;
        }
        let application = &mut self.clients[index].application;
        let is_new = !application.held.contains_key(&id);
        application.came = application.came.filter(|came| *came != number);
        application.by_id.extend(delivery.packet_id.map(|packet_id| (packet_id, (id, number))));
        application.handed_out.extend(delivery.packet_id);
        if let Some(packet_id) = delivery.packet_id {
            self.clients[index].wire.was_left(packet_id, number, false);
        }
        let application = &mut self.clients[index].application;
        let came_in = application.connections;
        let held = application.held.entry(id).or_insert_with(|| Held {
            number,
            packet_id: delivery.packet_id,
            waiting: Vec::new(),
            in_hand: Vec::new(),
            is_let_go: false,
            is_due: false,
            had_stream: false,
            abandoned: Vec::new(),
            came_in,
        });
        held.is_due = false;
        held.had_stream |= streams.iter().any(|stream| *stream != UNROUTED);
        // What unrouted had let go of when it was dropped goes to the next stream that wants it.
        let is_gone = |stream: StreamId| stream == UNROUTED && !application.streams.contains_key(&UNROUTED);
        held.abandoned.retain(|&stream| !streams.contains(&stream) && !is_gone(stream));
        let twice =
            streams.iter().find(|stream| held.waiting.contains(stream) || held.in_hand.contains(stream));
        let twice = twice.copied();
        held.waiting.extend(&streams);
        self.counts.delivered += u64::from(is_new);
        if let Some(stream) = twice {
            self.judge(Err(format!("client {index} got message {number} twice in {stream:?}")));
        }
        if is_new {
            let verdict = self.ledger.handed(index, number, delivery.message.qos);
            self.judge(verdict);
        } else {
            self.ledger.handed_again(index, number);
        }
        for stream in streams {
            let (after, life) = (self.taking_time(index), self.clients[index].life);
            self.schedule(after, Task::Take { client: index, life, delivery: id, stream });
        }
        if is_new && self.clients[index].replies_left > 0 {
            self.clients[index].replies_left -= 1;
            self.publish(index);
        }
    }

    /// The filter of a message is unsubscribed: nobody gets it any more.
    pub(super) fn on_withdrawn(&mut self, index: usize, stream: StreamId, delivery: DeliveryId) {
        let client = &mut self.clients[index];
        let Some(held) = client.application.held.get_mut(&delivery) else { return };
        held.waiting.retain(|one| *one != stream);
        held.abandoned.retain(|one| *one != stream);
        if !held.is_loose() || held.is_abandoned() {
            return;
        }
        held.is_let_go = true;
        let (number, packet_id) = (held.number, held.packet_id);
        let topic = TopicName::from_static(TOPICS[self.ledger.topic_of(number)]).expect("a legal topic");
        let is_for_later = client.is_wanted_without_stream(&topic);
        let application = &mut client.application;
        if let Some(held) = application.held.get_mut(&delivery) {
            held.is_due = !is_for_later;
        }
        if let Some(packet_id) = packet_id {
            *application.finished.entry((packet_id, number)).or_default() += 1;
        }
        self.ledger.taken(index, number);
    }

    /// The application takes a message out of a stream.
    pub(super) fn take(&mut self, index: usize, delivery: DeliveryId, stream: StreamId) {
        let client = &mut self.clients[index];
        let Some(held) = client.application.held.get_mut(&delivery) else { return };
        let Some(at) = held.waiting.iter().position(|one| *one == stream) else { return };
        held.waiting.swap_remove(at);
        held.in_hand.push(stream);
        if !client.application.streams.get(&stream).is_some_and(|stream| stream.is_manual) {
            return self.finish(index, delivery, stream);
        }
        client.engine.hand_over(delivery, stream);
        let (after, life) = (self.taking_time(index), self.clients[index].life);
        self.schedule(after, Task::Finish { client: index, life, delivery, stream });
    }

    /// The application has finished with a message.
    pub(super) fn finish(&mut self, index: usize, delivery: DeliveryId, stream: StreamId) {
        let client = &mut self.clients[index];
        let Some(held) = client.application.held.get_mut(&delivery) else { return };
        let Some(at) = held.in_hand.iter().position(|one| *one == stream) else { return };
        let is_manual = client.application.streams.get(&stream).is_some_and(|stream| stream.is_manual);
        held.in_hand.swap_remove(at);
        if is_manual && client.plan.abandons && !self.is_calm && self.random.once_in(8) {
            let abandoned = client.engine.abandon(delivery, stream);
            // In a lost session nothing comes again.
            held.is_let_go |= abandoned.is_err();
            held.abandoned.extend(abandoned.ok().map(|()| stream));
            self.ledger.must_come_again(index, held.number);
            self.counts.abandoned += 1;
            self.log.note(self.now, || format!("client {index}: abandons {delivery:?} in {stream:?}"));
            return;
        }
        let (number, packet_id, is_last) =
            (held.number, held.packet_id, held.is_loose() && !held.is_abandoned());
        let rejects = client.plan.rejects && self.random.once_in(4);
        let reason = if rejects { ReasonCode::UnspecifiedError } else { ReasonCode::Success };
        if is_last {
            client.application.held.remove(&delivery);
            client.application.taken.insert(delivery, number);
            if let Some(packet_id) = packet_id {
                *client.application.finished.entry((packet_id, number)).or_default() += 1;
            }
        }
        // A message of a lost session has no acknowledgement, which is no error.
        let taken = client.engine.take(delivery, stream, reason);
        self.log.note(self.now, || format!("client {index}: takes {number} with {reason}, {taken:?}"));
        self.counts.rejects += u64::from(rejects);
        if rejects {
            self.ledger.rejected(index, number);
        }
        if is_last {
            self.ledger.taken(index, number);
        }
    }

    pub(super) fn taking_time(&mut self, index: usize) -> std::time::Duration {
        let most = self.clients[index].plan.takes_within;
        self.random.up_to(most)
    }

    /// A QoS 1 or 2 message is on the wire.
    pub(super) fn expect_message(
        &mut self,
        index: usize,
        number: u64,
        packet_id: PacketId,
        may_be_held: bool,
    ) {
        let topic = self.ledger.topic_of(number);
        let name = TopicName::from_static(TOPICS[topic]).expect("a legal topic");
        let client = &mut self.clients[index];
        client.application.came = Some(number);
        // What came under this identifier before has no acknowledgement any more, and comes under another one.
        let connection = client.application.connections;
        let mut is_held = false;
        if let Some((delivery, before)) = client.application.by_id.get(&packet_id)
            && let Some(held) = client.application.held.get_mut(delivery)
        {
            is_held = *before == number && may_be_held;
            held.is_let_go |= !is_held;
            // Whoever abandoned it gets it again, or it goes to others, or is held for whoever comes.
            if std::mem::replace(&mut held.came_in, connection) != connection {
                held.abandoned.clear();
            }
        }
        client.wire.may_leave = !is_held && client.plan.unmatched == Unmatched::Leave;
        if !is_held {
            client.application.handed_out.remove(&packet_id);
        }
        let mut streams = client.application.streams.values().flat_map(|stream| &stream.filters);
        let is_for_nobody = !streams.any(|&one| filter(one).matches(&name));
        let is_acknowledged = client.plan.unmatched == Unmatched::Acknowledge;
        if is_for_nobody && is_acknowledged {
            self.ledger.passed_over(index, number);
        }
        if is_for_nobody && (is_acknowledged || client.has_unwanted(topic)) {
            *client.application.finished.entry((packet_id, number)).or_default() += 1;
        }
    }
}
