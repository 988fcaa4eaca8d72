//! What the lock guards: the engine, and who waits for what. The engine knows identifiers, this knows wakers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bowline_proto::client::{ClientEngine, OperationId, Spent, Stats as EngineStats, UNROUTED};
use bowline_proto::error::{PublishErrorKind as Refusal, RequestError};
use bowline_proto::packet::{AckProperties, Disconnect, Subscription};
use bowline_proto::routing::StreamId;
use bowline_proto::session::{DeliveryId, PublicationId, QueueLimits, SessionLoss};
use bowline_proto::types::{Message, UserProperties};
use bowline_proto::{QoS, ReasonCode, Timestamp, TopicFilter};
use bowline_transport::{ConnectError, Endpoint};

use crate::disconnection::{Disconnection, TransportError};
use crate::outcome::{PublishError, PublishErrorKind};
use crate::shared::effects::Effects;
use crate::shared::inbox::{Given, Inbox};
use crate::shared::keys::Keys;
use crate::shared::number_map::NumberMap;
use crate::shared::receipts::Receipts;
use crate::shared::wakers::Wakers;
use crate::shared::wall_clock::wall_clock;
use crate::store::StoreError;

/// Of a message that is published: it is there until it was.
pub(super) const NOT_TWICE: &str = "a message is published once";

/// Guarded by the lock of [`Shared`](crate::shared::Shared).
#[derive(Debug)]
pub(crate) struct Inner {
    /// `None` once the client is over.
    pub(crate) engine: Option<ClientEngine>,
    /// Why it is over.
    pub(crate) ended: Option<Disconnection>,
    pub(crate) receipts: Receipts,
    /// Who waits for room in the send queue.
    pub(crate) room: Wakers,
    /// Whether one who finds the queue full waits for room.
    pub(crate) waits_for_room: bool,
    /// Who waits until nothing is queued, in flight or unwritten.
    pub(crate) idle: Wakers,
    pub(crate) inboxes: NumberMap<StreamId, Inbox>,
    pub(crate) operations: NumberMap<OperationId, Operation>,
    pub(super) keys: Keys,
    /// Who waits until an acknowledgement is stored. An entry goes when it is.
    pub(crate) unstored_acks: BTreeMap<DeliveryId, Option<Waker>>,
    /// Whether the session is durable, so that messages are accepted once they are stored.
    is_durable: bool,
    /// The first round of attempts decides: if no address accepts, the client is over.
    pub(crate) must_connect: bool,
    /// What the transport said last, until the engine says what it makes of it.
    pub(crate) transport_error: Option<Arc<TransportError>>,
    /// What the other side of the connection that was closed last has failed to say.
    pub(crate) silence: Option<ConnectError>,
    /// Where the last transport led.
    pub(crate) endpoint: Endpoint,
    /// Attempts since the last connection.
    pub(super) attempts: u32,
    /// Why the last connection or attempt is over.
    pub(super) last: Option<Disconnection>,
    /// The driver is to end the client.
    pub(super) wants_end: bool,
    /// DISCONNECT is on its way, or was: nothing more is accepted.
    is_closing: bool,
    queue: QueueLimits,
    last_stats: EngineStats,
}

/// A subscribe or unsubscribe request.
#[derive(Debug)]
pub(crate) enum Operation {
    Waiting(Option<Waker>),
    Answered(OperationResult),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct OperationResult {
    /// One reason code for each filter, in the order of the request; empty if the client ended before.
    pub(crate) results: Vec<(TopicFilter, ReasonCode)>,
    pub(crate) properties: Box<AckProperties>,
}

impl Inner {
    pub(super) fn new(
        mut engine: ClientEngine,
        queue: QueueLimits,
        endpoint: Endpoint,
        is_durable: bool,
    ) -> Self {
        // A command leaves one thing at most, but for the last.
        *engine.spent() = Vec::with_capacity(1);
        Self {
            engine: Some(engine),
            ended: None,
            receipts: Receipts::default(),
            room: Wakers::default(),
            waits_for_room: true,
            idle: Wakers::default(),
            inboxes: NumberMap::default(),
            operations: NumberMap::default(),
            keys: Keys::default(),
            unstored_acks: BTreeMap::new(),
            is_durable,
            must_connect: false,
            transport_error: None,
            silence: None,
            endpoint,
            attempts: 0,
            last: None,
            wants_end: false,
            is_closing: false,
            queue,
            last_stats: EngineStats::default(),
        }
    }

    /// The engine, while the client accepts something.
    pub(crate) fn open_engine(&mut self) -> Option<&mut ClientEngine> {
        if self.is_closing { None } else { self.engine.as_mut() }
    }

    /// Admits a message, and takes it unless all is done with it already: then it is to be dropped without the lock. The outcome of a
    /// QoS 1 or 2 message is kept for its receipt.
    pub(crate) fn publish(
        &mut self,
        message: &mut Option<Message>,
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<PublicationId, PublishError> {
        let mut now = Timestamp::ZERO;
        if let (Some(engine), Some(message)) = (self.open_engine(), &message) {
            if let Some(publication) = engine.publish_at_once(message) {
                return Ok(publication);
            }
            if engine.is_timed(message) {
                now = clock();
            }
        }
        let message = message.take().expect(NOT_TWICE);
        self.publish_by(message, now, ClientEngine::publish)
    }

    /// The same, by a command of the engine.
    pub(super) fn publish_by(
        &mut self,
        message: Message,
        now: Timestamp,
        command: impl FnOnce(
            &mut ClientEngine,
            Message,
            Timestamp,
        ) -> Result<PublicationId, Box<bowline_proto::error::PublishError>>,
    ) -> Result<PublicationId, PublishError> {
        let is_durable = self.is_durable;
        let Some(engine) = self.open_engine() else {
            return Err(PublishError::new(PublishErrorKind::Ended, Some(message)));
        };
        if is_durable && message.expiry_secs().is_some() {
            engine.set_wall_clock(now, wall_clock());
        }
        let has_outcome = message.qos != QoS::AtMostOnce;
        match command(engine, message, now) {
            Ok(publication) => {
                if has_outcome {
                    self.receipts.open(publication, self.is_durable);
                }
                Ok(publication)
            }
            Err(refused) => {
                let kind = self.refusal(&refused.message, refused.kind);
                let error = PublishError::new(kind, Some(refused.message));
                Err(error.of_store(self.receipts.store_error.as_ref()))
            }
        }
    }

    /// Does something with the engine while a choice of its own stands for the publications that it accepts.
    pub(crate) fn choosing<T>(
        &mut self,
        choice: Option<SessionLoss>,
        publish: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(choice) = choice else { return publish(self) };
        let before = self.engine.as_mut().map(|engine| engine.set_on_session_loss(choice));
        let published = publish(self);
        if let Some((engine, before)) = self.engine.as_mut().zip(before) {
            engine.set_on_session_loss(before);
        }
        published
    }

    /// The store has failed. What it said before is returned, to be dropped without the lock.
    pub(crate) const fn on_store_failed(&mut self, error: StoreError) -> Option<StoreError> {
        self.receipts.store_error.replace(error)
    }

    /// Whether a publication was accepted, once that is known; else the task is woken when it is. At once where nothing is stored.
    pub(crate) fn poll_accepted(
        &mut self,
        publication: PublicationId,
        waker: &Waker,
    ) -> Poll<Result<(), PublishError>> {
        if !self.is_durable {
            return Poll::Ready(Ok(()));
        }
        self.receipts.poll_accepted(publication, waker)
    }

    /// What the engine is done with after a command. To be dropped without the lock.
    pub(crate) fn take_spent(&mut self) -> Option<Spent> {
        self.engine.as_mut()?.spent().pop()
    }

    /// Gives the engine room for what it will be done with, and moves there what commands have left.
    pub(crate) fn lend_room(&mut self, room: &mut Vec<Spent>) {
        if let Some(engine) = &mut self.engine {
            room.append(engine.spent());
            std::mem::swap(room, engine.spent());
        }
    }

    /// Takes the room back, with what is in it.
    pub(crate) fn take_room_back(&mut self, room: &mut Vec<Spent>) {
        if let Some(engine) = &mut self.engine {
            std::mem::swap(room, engine.spent());
        }
    }

    /// A queue that could never take the message is not worth waiting for.
    fn refusal(&self, message: &Message, refusal: Refusal) -> PublishErrorKind {
        match refusal {
            Refusal::Full { messages, bytes } => {
                let (value, most) = (message.content_bytes(), self.queue.bytes_max);
                if value > most {
                    let option = "message (bytes, against the send queue's)";
                    return PublishErrorKind::Request(RequestError::OutOfRange {
                        option,
                        value,
                        least: 0,
                        most,
                    });
                }
                PublishErrorKind::Full { messages, bytes }
            }
            Refusal::Request(error) => PublishErrorKind::Request(error),
            _ => PublishErrorKind::StoreFailed,
        }
    }

    /// Opens a stream; its messages come to `inbox`.
    pub(crate) fn subscribe(
        &mut self,
        subscriptions: Vec<Subscription>,
        qos0: bowline_proto::client::Qos0Limits,
        user_properties: UserProperties,
        inbox: Inbox,
    ) -> Result<(OperationId, StreamId), RequestError> {
        let engine = self.open_engine().ok_or(RequestError::Ended)?;
        let (operation, stream) = engine.subscribe(subscriptions, qos0, user_properties)?;
        self.inboxes.insert(stream, inbox);
        self.operations.insert(operation, Operation::Waiting(None));
        Ok((operation, stream))
    }

    /// Ends subscriptions.
    pub(crate) fn unsubscribe(
        &mut self,
        filters: Vec<TopicFilter>,
        user_properties: UserProperties,
    ) -> Result<OperationId, RequestError> {
        // What the application has in its hands is not to be acknowledged in its place.
        let streams: Vec<StreamId> = self.inboxes.keys().copied().collect();
        for stream in streams {
            self.settle(stream);
        }
        let engine = self.open_engine().ok_or(RequestError::Ended)?;
        let operation = engine.unsubscribe(filters, user_properties)?;
        self.operations.insert(operation, Operation::Waiting(None));
        Ok(operation)
    }

    /// The answer to a request, if it is there; else the task is woken when it is.
    pub(crate) fn poll_operation(
        &mut self,
        operation: OperationId,
        waker: &Waker,
    ) -> Option<OperationResult> {
        if let Operation::Waiting(known) = self.operations.get_mut(&operation)? {
            match known {
                Some(known) => known.clone_from(waker),
                None => *known = Some(waker.clone()),
            }
            return None;
        }
        match self.operations.remove(&operation) {
            Some(Operation::Answered(result)) => Some(result),
            _ => None,
        }
    }

    /// Closes a stream that the application has dropped. What is returned is to be dropped without the lock.
    pub(crate) fn close_stream(&mut self, stream: StreamId) -> Option<Inbox> {
        self.settle(stream);
        let inbox = self.inboxes.remove(&stream)?;
        if let Some(engine) = &mut self.engine {
            engine.close_stream(stream, &inbox.untaken());
        }
        Some(inbox)
    }

    /// Tells the engine what a stream has returned.
    pub(crate) fn settle(&mut self, stream: StreamId) {
        let Some(inbox) = self.inboxes.get_mut(&stream) else { return };
        let Some(engine) = &mut self.engine else { return };
        inbox.settle(|given| match given {
            // Stale ones need nothing: their session is gone, or they came again under another name.
            Given::Taken(delivery) => drop(engine.take(delivery, stream, ReasonCode::Success)),
            Given::InHand(delivery) => engine.hand_over(delivery, stream),
            Given::Qos0 => engine.take_qos0(stream),
        });
    }

    /// Hands out messages that no stream wants to `inbox`.
    pub(crate) fn open_unrouted(&mut self, qos0: bowline_proto::client::Qos0Limits, inbox: Inbox) {
        if let Some(engine) = self.open_engine() {
            engine.open_unrouted(qos0);
            self.inboxes.insert(UNROUTED, inbox);
        }
    }

    /// Sends what is encoded, then DISCONNECT, and ends the client.
    pub(crate) fn disconnect(&mut self, now: Timestamp) {
        if let Some(engine) = &mut self.engine
            && !std::mem::replace(&mut self.is_closing, true)
        {
            let said = engine.disconnect(Disconnect::new(ReasonCode::Success), now);
            debug_assert!(said.is_ok(), "a plain DISCONNECT is legal in every version");
        }
    }

    /// Drops the connection without DISCONNECT, so that the broker publishes the will.
    pub(crate) fn abort(&mut self, now: Timestamp) {
        self.is_closing = true;
        if let Some(engine) = &mut self.engine {
            engine.abort(now);
        }
    }

    /// Whether the client, which is over, is to wait for what the store is writing: what was acknowledged would else be sent again
    /// by the next one.
    pub(crate) fn awaits_last_writes(&self, now: Timestamp) -> bool {
        let awaits_store = self.engine.as_ref().is_some_and(|engine| engine.awaits_store(now));
        self.is_durable && !self.must_connect && awaits_store
    }

    /// Whether an acknowledgement that is to be stored is, once that is known; false if the client ended before. Until then the
    /// task is woken when it is.
    pub(crate) fn poll_ack_stored(&mut self, delivery: DeliveryId, waker: &Waker) -> Poll<bool> {
        let Some(known) = self.unstored_acks.get_mut(&delivery) else { return Poll::Ready(true) };
        if self.engine.is_none() {
            return Poll::Ready(false);
        }
        *known = Some(waker.clone());
        Poll::Pending
    }

    /// Whether nothing is queued, in flight or unwritten.
    pub(crate) fn is_idle(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| {
            engine.queued().0 == 0 && engine.in_flight() == 0 && engine.unwritten_bytes() == 0
        })
    }

    /// Wakes those whose time has come after a turn.
    pub(crate) fn wake_waiting(&mut self, effects: &mut Effects) {
        if !self.room.is_empty() && self.has_room() {
            self.room.take_into(&mut effects.wakers);
        }
        if !self.idle.is_empty() && self.is_idle() {
            self.idle.take_into(&mut effects.wakers);
        }
    }

    /// Whether those who wait for room should try again: not at every message, or each would cost them a wake.
    fn has_room(&self) -> bool {
        let Some(engine) = &self.engine else { return true };
        let (messages, bytes) = engine.queued();
        messages <= self.queue.messages_max / 4 * 3 && bytes <= self.queue.bytes_max / 4 * 3
    }

    /// An attempt is about to be made: its number since the last connection, and why the last one is over.
    pub(crate) fn next_attempt(&mut self) -> (u32, Option<Disconnection>) {
        self.attempts = self.attempts.saturating_add(1);
        (self.attempts, self.last.clone())
    }

    /// Finds out at once whether the connection is alive, or makes the next attempt now.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        if let Some(engine) = self.open_engine() {
            engine.probe(now);
        }
    }

    /// What was counted, also after the end.
    pub(crate) fn engine_stats(&self) -> EngineStats {
        self.engine.as_ref().map_or(self.last_stats, |engine| *engine.stats())
    }

    /// Takes the engine out, to be ended without the lock: it drops what may be the application's.
    pub(crate) fn take_engine(&mut self, why: Disconnection) -> Option<ClientEngine> {
        let engine = self.engine.take()?;
        self.last_stats = *engine.stats();
        self.ended = Some(why);
        Some(engine)
    }
}
