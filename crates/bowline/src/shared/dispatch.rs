//! From the engine's events to whoever waits for them. Runs under the lock; decides nothing.

use std::sync::Arc;

use bowline_proto::client::{self, Delivery, DisconnectCause, Qos0Dropped};
use bowline_proto::routing::StreamId;
use bowline_proto::session::StreamSet;

use crate::disconnection::{Disconnection, TransportError};
use crate::event::Event;
use crate::message::Message;
use crate::shared::effects::{Effects, Stall};
use crate::shared::inbox::Item;
use crate::shared::inner::{Inner, Operation, OperationResult};
use crate::state::{ConnectionInfo, ConnectionState};
use crate::stream_end::StreamEnd;

impl Inner {
    /// Takes what the engine tells.
    pub(crate) fn dispatch(&mut self, event: client::Event, effects: &mut Effects) {
        match event {
            client::Event::Message(delivery) => self.deliver(delivery, effects),
            client::Event::PublishEnded { publication, outcome } => {
                if let client::Outcome::Dropped { message, why } = &outcome {
                    effects.count_dropped(&message.topic, *why);
                }
                self.keys.end(publication, &mut effects.wakers);
                match self.receipts.end(publication, outcome) {
                    Ok(waker) => effects.wakers.extend(waker),
                    Err(Ok(_)) => {}
                    Err(Err(error)) => effects.failed.push(error),
                }
            }
            client::Event::Qos0Dropped { stream, which } => {
                effects.qos0_dropped += 1;
                if which == Qos0Dropped::Oldest
                    && let Some(inbox) = self.inboxes.get_mut(&stream)
                {
                    effects.displaced.extend(inbox.displace_oldest());
                }
            }
            client::Event::Subscribed { operation, results, properties }
            | client::Event::Unsubscribed { operation, results, properties } => {
                let result = OperationResult { results, properties };
                self.answer(operation, result, effects);
            }
            client::Event::Withdrawn { stream, delivery } => {
                if let Some(inbox) = self.inboxes.get_mut(&stream) {
                    effects.displaced.extend(inbox.withdraw(delivery));
                }
            }
            client::Event::Stalled { topic, filter, held, since, .. } => {
                effects.stalls.push(Stall { topic, filter, held, since });
            }
            client::Event::StreamEnded { stream, reason } => {
                if let Some(inbox) = self.inboxes.get_mut(&stream) {
                    effects.wakers.extend(inbox.end(StreamEnd::from(reason)));
                }
            }
            event => self.dispatch_rare(event, effects),
        }
    }

    /// What does not happen with every message.
    fn dispatch_rare(&mut self, event: client::Event, effects: &mut Effects) {
        match event {
            client::Event::Connected(connected) => self.on_connected(*connected, effects),
            client::Event::Disconnected(cause) => self.on_disconnected(*cause, effects),
            client::Event::Reconnecting { attempt, delay } => {
                if let Some(why) = self.last.clone() {
                    effects.state = Some(ConnectionState::Waiting { attempt, delay, why });
                }
                // All addresses have had their turn.
                self.wants_end |= self.must_connect;
                effects.events.push(Event::Reconnecting { attempt, delay });
            }
            client::Event::Redirected { reference, is_permanent } => {
                effects.events.push(Event::Redirected { reference, is_permanent });
            }
            client::Event::Stopped => self.wants_end = true,
            client::Event::PublishAccepted(publication) => {
                effects.wakers.extend(self.receipts.accept(publication));
            }
            client::Event::AcknowledgementStored(delivery) => {
                effects.wakers.extend(self.unstored_acks.remove(&delivery).flatten());
            }
            // The driver has told it, with the reason.
            client::Event::StoreFailed => {}
            event => effects.events.extend(told(event)),
        }
    }

    /// Whether the driver is to end the client, and why.
    pub(crate) fn wants_end(&self) -> Option<Disconnection> {
        let requested = || Disconnection::new(DisconnectCause::Requested, None);
        self.wants_end.then(|| self.last.clone().unwrap_or_else(requested))
    }

    /// Ends every stream, request and wait. Call it when the engine is gone and its last events are dispatched.
    pub(crate) fn end_everybody(&mut self, why: &Disconnection, effects: &mut Effects) {
        for inbox in self.inboxes.values_mut() {
            effects.wakers.extend(inbox.end(StreamEnd::ClientEnded(why.clone())));
        }
        let unanswered: Vec<_> = self.operations.keys().copied().collect();
        for operation in unanswered {
            let result = OperationResult { results: Vec::new(), properties: Box::default() };
            self.answer(operation, result, effects);
        }
        self.room.take_into(&mut effects.wakers);
        self.idle.take_into(&mut effects.wakers);
        effects.wakers.extend(self.unstored_acks.values_mut().filter_map(Option::take));
        self.keys.end_all(&mut effects.wakers);
        self.receipts.end_all_stored(&mut effects.wakers);
        effects.events.push(Event::Ended(why.clone()));
    }

    #[inline]
    fn deliver(&mut self, mut delivery: Delivery, effects: &mut Effects) {
        let id = delivery.delivery;
        let streams = std::mem::replace(&mut delivery.streams, StreamSet::new());
        let message = Message::of_delivery(delivery);
        let mut streams = streams.iter();
        let Some(mut stream) = streams.next() else { return };
        for next in streams {
            self.put(stream, Item { message: message.clone(), delivery: id }, effects);
            stream = next;
        }
        self.put(stream, Item { message, delivery: id }, effects);
    }

    #[inline(always)]
    fn put(&mut self, stream: StreamId, item: Item, effects: &mut Effects) {
        match self.inboxes.get_mut(&stream) {
            Some(inbox) => effects.wakers.extend(inbox.put(item)),
            None => self.put_back(stream, item, effects),
        }
    }

    #[cold]
    fn put_back(&mut self, stream: StreamId, item: Item, effects: &mut Effects) {
        // The stream was dropped after the engine had found it: others may want the message.
        if let (Some(id), Some(engine)) = (item.delivery, &mut self.engine) {
            engine.close_stream(stream, &[id]);
        }
        effects.displaced.push(item);
    }

    fn answer(
        &mut self,
        operation: bowline_proto::client::OperationId,
        result: OperationResult,
        effects: &mut Effects,
    ) {
        // Whoever asked may have given up.
        let Some(entry) = self.operations.get_mut(&operation) else { return };
        if let Operation::Waiting(waker) = entry {
            effects.wakers.extend(waker.take());
            *entry = Operation::Answered(result);
        }
    }

    fn on_connected(&mut self, connected: client::Connected, effects: &mut Effects) {
        let Some(engine) = &self.engine else { return };
        self.must_connect = false;
        effects.outdated.extend(self.transport_error.take());
        self.attempts = 0;
        let info = Arc::new(ConnectionInfo {
            endpoint: self.endpoint.clone(),
            version: engine.version(),
            client_id: engine.client_id().clone(),
            session_present: connected.session_present,
            limits: connected.limits,
            connack: connected.connack,
        });
        effects.state = Some(ConnectionState::Connected(info.clone()));
        effects.events.push(Event::Connected(info));
    }

    fn on_disconnected(&mut self, cause: DisconnectCause, effects: &mut Effects) {
        let silence = self.silence.take().filter(|_| cause == DisconnectCause::ConnectTimeout);
        let silence = silence.map(|error| -> Arc<TransportError> { Arc::new(error) });
        let why = Disconnection::new(cause, self.transport_error.take().or(silence));
        effects.outdated.extend(self.last.replace(why.clone()).and_then(Disconnection::into_transport_error));
        effects.events.push(Event::Disconnected(why));
    }
}

/// What is told as it is.
fn told(event: client::Event) -> Option<Event> {
    match event {
        client::Event::SessionLost { requeued, indeterminate } => {
            Some(Event::SessionLost { requeued, indeterminate })
        }
        client::Event::VersionRefused { refused, next } => Some(Event::VersionRefused { refused, next }),
        client::Event::Poison { topic, qos, closes, .. } => Some(Event::Poison { topic, qos, closes }),
        client::Event::RefusalNotTold { reason, .. } => Some(Event::RefusalNotTold { reason }),
        event => {
            debug_assert!(false, "an event that nobody takes: {event:?}");
            None
        }
    }
}
