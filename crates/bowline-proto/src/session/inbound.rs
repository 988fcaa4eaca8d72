//! Inbound QoS 1 and 2 messages that are not acknowledged yet, and the QoS 2 identifiers that are recorded. Survives
//! reconnects; in which order the acknowledgements leave is the connection's business.

use alloc::vec::Vec;

use slab::Slab;

use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::session::DeliveryId;
use crate::session::held::{Held, HeldState};
use crate::session::id_table::IdTable;
use crate::session::stream_set::StreamSet;
use crate::types::{Message, PacketId, QoS};

/// All that is known of inbound messages.
#[derive(Debug)]
pub(crate) struct Inbound {
    held: Slab<Held>,
    ids: IdTable<InboundId>,
    next_generation: u32,
    messages: usize,
    bytes: usize,
    /// How many of the messages are orphans.
    orphans: usize,
    /// Messages of this connection that the sender still counts against our Receive Maximum.
    open: usize,
}

/// What an inbound packet identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InboundId {
    /// A message that the application has not finished with.
    Held(u32),
    /// A QoS 2 message that was taken; only the identifier is kept until PUBREL [MQTT-4.3.3-10].
    Recorded {
        /// Whether it was published on this connection, and so counts against our Receive Maximum.
        is_open: bool,
        /// Whether it came again and another PUBREC waits for its turn. One answers all repetitions until then, so
        /// that a peer cannot make the turns grow.
        is_in_turn: bool,
    },
    /// PUBREL came and is not durable yet (B5).
    Releasing {
        /// As above.
        is_open: bool,
    },
}

/// What a PUBLISH that arrives turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not seen before: hand it out.
    New,
    /// Not seen before, and the identifier stood for another QoS 2 message on an earlier connection, which the sender
    /// has forgotten: hand it out, and forget the identifier's earlier meaning.
    Replacing,
    /// A QoS 2 message that was taken before: PUBREC again in its turn, no second delivery [MQTT-4.3.3-10].
    Recorded,
    /// The same, and a PUBREC waits for its turn already.
    RecordedInTurn,
    /// A copy of a message that is still held: the copy that is held will acknowledge it.
    Joined(DeliveryId),
    /// The identifier is in use for another message on this very connection.
    IdInUse,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            held: Slab::new(),
            ids: IdTable::new(),
            next_generation: 0,
            messages: 0,
            bytes: 0,
            orphans: 0,
            open: 0,
        }
    }

    /// Messages held.
    pub(crate) const fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages of this connection that the sender still counts against our Receive Maximum.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Whether the sender has used this identifier on this connection and waits for our answer to it.
    pub(crate) fn is_open_id(&self, packet_id: PacketId) -> bool {
        match self.ids.get(packet_id) {
            None => false,
            Some(InboundId::Recorded { is_open, .. } | InboundId::Releasing { is_open }) => is_open,
            Some(InboundId::Held(slot)) => self.held[slot as usize].is_in_order,
        }
    }

    /// Whether nothing is known: no message is held and no identifier recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.ids.len() == 0
    }

    /// Classifies a PUBLISH with this identifier.
    pub(crate) fn classify(&mut self, packet_id: PacketId, message: &Message, dup: bool) -> Arrival {
        match self.ids.get(packet_id) {
            None => Arrival::New,
            Some(InboundId::Recorded { is_open, is_in_turn }) => {
                self.classify_recorded(packet_id, message.qos, is_open, is_in_turn)
            }
            // The PUBCOMP that is about to leave answers it, and the identifier is free then.
            Some(InboundId::Releasing { .. }) if message.qos == QoS::ExactlyOnce => Arrival::RecordedInTurn,
            Some(InboundId::Releasing { is_open }) => {
                self.classify_recorded(packet_id, message.qos, is_open, false)
            }
            Some(InboundId::Held(slot)) => self.classify_held(slot, message, dup),
        }
    }

    fn classify_recorded(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        is_open: bool,
        is_in_turn: bool,
    ) -> Arrival {
        match (qos, is_open) {
            (QoS::ExactlyOnce, _) => {
                self.open += usize::from(!is_open);
                self.ids.insert(packet_id, InboundId::Recorded { is_open: true, is_in_turn: true });
                if is_in_turn { Arrival::RecordedInTurn } else { Arrival::Recorded }
            }
            // [MQTT-2.2.1-4] [MQTT-2.3.1-4 of 3.1.1]
            (_, true) => Arrival::IdInUse,
            (_, false) => {
                self.ids.remove(packet_id);
                Arrival::Replacing
            }
        }
    }

    fn classify_held(&mut self, slot: u32, message: &Message, dup: bool) -> Arrival {
        let held = &mut self.held[slot as usize];
        let delivery = DeliveryId { slot, generation: held.generation };
        let is_same = held.message.qos == message.qos
            && held.message.topic == message.topic
            && held.message.payload == message.payload;
        // For QoS 2 the identifier alone makes a copy [MQTT-4.3.3-10]. A QoS 1 message without DUP is a new one
        // [MQTT-3.3.1-1], also if it says the same: rather twice than not at all.
        if is_same && (dup || message.qos == QoS::ExactlyOnce) {
            return Arrival::Joined(delivery);
        }
        if held.is_in_order {
            // [MQTT-2.2.1-4] [MQTT-2.3.1-4 of 3.1.1]
            return Arrival::IdInUse;
        }
        self.orphans += usize::from(!core::mem::replace(&mut held.is_orphan, true));
        let (packet_id, was_exactly_once) = (held.packet_id, held.message.qos == QoS::ExactlyOnce);
        self.ids.remove(packet_id);
        // Nobody will ask for one that was taken already, or let go of.
        if self.held[slot as usize].is_let_go() {
            self.remove(delivery);
        }
        if was_exactly_once { Arrival::Replacing } else { Arrival::New }
    }

    /// It is the turn of a recorded identifier that came again; whether PUBREC is still due.
    pub(crate) fn take_turn(&mut self, packet_id: PacketId) -> bool {
        let Some(InboundId::Recorded { is_open, is_in_turn: true }) = self.ids.get(packet_id) else {
            return false;
        };
        self.ids.insert(packet_id, InboundId::Recorded { is_open, is_in_turn: false });
        true
    }

    /// Holds a new message for these streams.
    pub(crate) fn hold(&mut self, packet_id: PacketId, message: Message, takers: StreamSet) -> DeliveryId {
        self.next_generation = self.next_generation.wrapping_add(1);
        let generation = self.next_generation;
        self.messages += 1;
        self.open += 1;
        self.bytes += message.content_bytes();
        let slot = self.held.insert(Held::new(generation, packet_id, message, takers));
        let slot = u32::try_from(slot)
            .expect("held messages are bounded by 65,535 identifiers and the orphans of reconnects");
        self.ids.insert(packet_id, InboundId::Held(slot));
        DeliveryId { slot, generation }
    }

    /// A copy of a held message arrived; whether it is the first one on this connection, so that it gets a turn.
    pub(crate) fn join(&mut self, delivery: DeliveryId) -> bool {
        match self.held_mut(delivery) {
            Some(held) if !held.is_in_order => {
                held.is_in_order = true;
                self.open += 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn held(&self, delivery: DeliveryId) -> Option<&Held> {
        self.held.get(delivery.slot as usize).filter(|held| held.generation == delivery.generation)
    }

    pub(crate) fn held_mut(&mut self, delivery: DeliveryId) -> Option<&mut Held> {
        self.held.get_mut(delivery.slot as usize).filter(|held| held.generation == delivery.generation)
    }

    /// A stream has taken (or acknowledged, or refused) a message. The highest failure wins.
    pub(crate) fn take(&mut self, delivery: DeliveryId, stream: StreamId, reason: ReasonCode) -> Taken {
        let Some(held) = self.held_mut(delivery) else { return Taken::Stale };
        if !held.waiting.remove(stream) {
            return Taken::Stale;
        }
        if reason.is_failure() {
            held.reason = held.reason.max(reason);
        }
        if !held.waiting.is_empty() {
            return if held.is_orphan { Taken::Stale } else { Taken::Partly };
        }
        if held.is_orphan {
            self.remove(delivery);
            return Taken::Stale;
        }
        let held = &self.held[delivery.slot as usize];
        Taken::ByAll { packet_id: held.packet_id, qos: held.message.qos, reason: held.reason }
    }

    /// Adds a stream that has to take a message before it is acknowledged.
    pub(crate) fn add_taker(&mut self, delivery: DeliveryId, stream: StreamId) {
        if let Some(held) = self.held_mut(delivery) {
            held.waiting.insert(stream);
            held.handed.insert(stream);
        }
    }

    /// The application has it in its hands and will finish with it later.
    pub(crate) fn hand_over(&mut self, delivery: DeliveryId, stream: StreamId) {
        if let Some(held) = self.held_mut(delivery) {
            held.hand_over(stream);
        }
    }

    /// The application has let go of it without finishing with it; whether an acknowledgement is still due.
    pub(crate) fn abandon(&mut self, delivery: DeliveryId, stream: StreamId) -> bool {
        let Some(held) = self.held_mut(delivery).filter(|held| held.waiting.contains(stream)) else {
            return false;
        };
        held.abandon(stream);
        let is_orphan = held.is_orphan;
        if is_orphan && held.is_let_go() {
            self.remove(delivery);
        }
        !is_orphan
    }

    /// A message is left to the broker: nothing of it is kept, and nothing is answered on this connection.
    pub(crate) fn leave(&mut self, delivery: DeliveryId) {
        let Some(held) = self.held(delivery) else { return };
        self.open -= usize::from(held.is_in_order);
        self.remove(delivery);
    }

    /// The streams that had let go of a message and wait for it again, because it came again.
    pub(crate) fn take_abandoned(&mut self, delivery: DeliveryId) -> StreamSet {
        self.held_mut(delivery).map(Held::take_abandoned).unwrap_or_default()
    }

    /// Whether the application has it in its hands.
    pub(crate) fn is_in_hand(&self, delivery: DeliveryId, stream: StreamId) -> bool {
        self.held(delivery).is_some_and(|held| held.in_hand.contains(stream))
    }

    /// Whether this stream has not taken it yet.
    pub(crate) fn is_waited_for_by(&self, delivery: DeliveryId, stream: StreamId) -> bool {
        self.held(delivery).is_some_and(|held| held.waiting.contains(stream))
    }

    /// Whether any stream but this one has not taken it yet.
    pub(crate) fn is_waited_for_by_another(&self, delivery: DeliveryId, stream: StreamId) -> bool {
        self.held(delivery).is_some_and(|held| held.waiting.iter().any(|other| other != stream))
    }

    /// Whether a stream has or had it.
    pub(crate) fn was_handed_to(&self, delivery: DeliveryId, stream: StreamId) -> bool {
        self.held(delivery).is_some_and(|held| held.handed.contains(stream))
    }

    /// Whether any stream but this one has or had it.
    pub(crate) fn was_handed_to_another(&self, delivery: DeliveryId, stream: StreamId) -> bool {
        self.held(delivery).is_some_and(|held| held.handed.iter().any(|other| other != stream))
    }

    /// Sets how far a message got.
    pub(crate) fn set_state(&mut self, delivery: DeliveryId, state: HeldState) {
        if let Some(held) = self.held_mut(delivery) {
            held.state = state;
        }
    }

    /// A message may be acknowledged, with this reason. A QoS 2 message that is not due on this connection leaves its
    /// identifier recorded at once: nothing but that is needed to answer when it comes again.
    pub(crate) fn settle(&mut self, delivery: DeliveryId, reason: ReasonCode) {
        let Some(held) = self.held_mut(delivery) else { return };
        held.state = HeldState::Settled(reason);
        if !held.is_in_order && held.message.qos == QoS::ExactlyOnce && !reason.is_failure() {
            self.acknowledge(delivery, reason);
        }
    }

    /// Forgets messages that were taken, or let go of, and are not due on this connection, for one that is new. Should one
    /// come again, it is handed out again, which is legal: none of them is a QoS 2 message that was accepted, and a broker
    /// sends what it has before what is new.
    pub(crate) fn forget_unclaimed(&mut self) {
        let is_over = |held: &Held| match held.state {
            HeldState::Settled(_) => true,
            // A broker may give it another identifier, or take the answer to a copy for its own: it is not waited for.
            HeldState::Waiting => held.is_let_go(),
            HeldState::Recording => false,
        };
        self.forget(|held| !held.is_in_order && is_over(held));
    }

    fn forget(&mut self, which: impl Fn(&Held) -> bool) {
        for delivery in self.of_whom(which) {
            self.remove(delivery);
        }
    }

    /// The messages of which something is true, in the order of arrival.
    fn of_whom(&self, which: impl Fn(&Held) -> bool) -> Vec<DeliveryId> {
        let mut found: Vec<DeliveryId> = self
            .held
            .iter()
            .filter(|(_, held)| which(held))
            .filter_map(|(slot, held)| {
                Some(DeliveryId { slot: u32::try_from(slot).ok()?, generation: held.generation })
            })
            .collect();
        found.sort_by_key(|delivery| delivery.generation);
        found
    }

    /// Forgets messages of sessions that are gone and that wait for this stream alone, which nobody reads.
    pub(crate) fn forget_orphans_of(&mut self, stream: StreamId) -> usize {
        let before = self.messages;
        if self.orphans > 0 {
            self.forget(|held| held.is_orphan && held.waiting.iter().all(|one| one == stream));
        }
        before - self.messages
    }

    /// The acknowledgement of a message was written: PUBACK, or a PUBREC that refuses, ends it; any other PUBREC leaves
    /// the identifier recorded [MQTT-4.3.3-8] [MQTT-4.3.3-9].
    pub(crate) fn acknowledge(&mut self, delivery: DeliveryId, reason: ReasonCode) {
        let Some(held) = self.held(delivery) else { return };
        let (packet_id, qos, is_open) = (held.packet_id, held.message.qos, held.is_in_order);
        self.remove(delivery);
        if qos == QoS::ExactlyOnce && !reason.is_failure() {
            self.ids.insert(packet_id, InboundId::Recorded { is_open, is_in_turn: false });
        } else if is_open {
            self.open -= 1;
        }
    }

    /// What a PUBREL for this identifier finds.
    // [MQTT-4.3.3-11] [MQTT-4.3.3-12]
    pub(crate) fn on_pubrel(&mut self, packet_id: PacketId) -> Release {
        match self.ids.get(packet_id) {
            None => Release::Unknown,
            Some(InboundId::Recorded { is_open, .. }) => {
                self.ids.insert(packet_id, InboundId::Releasing { is_open });
                Release::Recorded
            }
            Some(InboundId::Releasing { .. }) => Release::Repeated,
            Some(InboundId::Held(_)) => Release::OutOfPlace,
        }
    }

    /// PUBCOMP was written: the identifier is free.
    pub(crate) fn complete(&mut self, packet_id: PacketId) {
        if let Some(InboundId::Releasing { is_open }) = self.ids.get(packet_id) {
            self.ids.remove(packet_id);
            if is_open {
                self.open -= 1;
            }
        }
    }

    /// Restores a recorded identifier of a loaded session.
    // [MQTT-4.8.2-4]
    pub(crate) fn restore_recorded(&mut self, packet_id: PacketId) {
        self.ids.insert(packet_id, InboundId::Recorded { is_open: false, is_in_turn: false });
    }

    /// The connection is gone: no acknowledgement is due until the broker sends the messages again.
    pub(crate) fn on_connection_lost(&mut self) {
        self.open = 0;
        let mut settled = Vec::new();
        for (slot, held) in &mut self.held {
            held.is_in_order = false;
            if let (HeldState::Settled(reason), Ok(slot)) = (held.state, u32::try_from(slot)) {
                settled.push((DeliveryId { slot, generation: held.generation }, reason));
            }
        }
        for (delivery, reason) in settled {
            self.settle(delivery, reason);
        }
        let recorded: Vec<PacketId> = self
            .ids
            .iter()
            .filter(|(_, id)| !matches!(id, InboundId::Held(_)))
            .map(|(packet_id, _)| packet_id)
            .collect();
        // A PUBREL that was not answered comes again.
        for packet_id in recorded {
            self.ids.insert(packet_id, InboundId::Recorded { is_open: false, is_in_turn: false });
        }
    }

    /// The session is gone: what is held stays with the application, and is acknowledged to nobody.
    pub(crate) fn on_session_lost(&mut self) {
        self.ids.clear();
        self.open = 0;
        for (_, held) in &mut self.held {
            self.orphans += usize::from(!core::mem::replace(&mut held.is_orphan, true));
        }
        self.forget(Held::is_let_go);
    }

    /// Messages that this stream has not taken.
    pub(crate) fn untaken_by(&self, stream: StreamId) -> Vec<DeliveryId> {
        self.of_whom(|held| held.waiting.contains(stream))
    }

    /// Messages that a stream has let go of without finishing with them.
    pub(crate) fn abandoned(&self) -> Vec<DeliveryId> {
        self.of_whom(|held| !held.is_orphan && held.abandoned().next().is_some())
    }

    fn remove(&mut self, delivery: DeliveryId) {
        let held = self.held.remove(delivery.slot as usize);
        if self.ids.get(held.packet_id) == Some(InboundId::Held(delivery.slot)) {
            self.ids.remove(held.packet_id);
        }
        self.count_out(&held);
    }

    fn count_out(&mut self, held: &Held) {
        self.messages -= 1;
        self.bytes -= held.message.content_bytes();
        self.orphans -= usize::from(held.is_orphan);
    }
}

/// What became of a taken message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Others have to take it still.
    Partly,
    /// Everybody has taken it: an acknowledgement is due in its turn.
    ByAll { packet_id: PacketId, qos: QoS, reason: ReasonCode },
    /// No acknowledgement is due: the session is gone, or the identifier carries another message.
    Stale,
}

/// What a PUBREL found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The recorded identifier: PUBCOMP once that is durable.
    Recorded,
    /// A repetition while the first one is being made durable: one PUBCOMP answers both.
    Repeated,
    /// Nothing: PUBCOMP with 0x92 where there are reason codes.
    Unknown,
    /// A message whose PUBREC was not sent.
    OutOfPlace,
}
