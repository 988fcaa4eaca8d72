//! What waits for one stream, and how far the application has taken it. Knows no engine: it says what is to be told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use bowline_proto::session::DeliveryId;

use crate::message::Message;
use crate::stream_end::StreamEnd;

/// One message for one stream.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) message: Message,
    /// `None` with QoS 0.
    pub(crate) delivery: Option<DeliveryId>,
}

/// When a QoS 1 or 2 message is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckMode {
    /// When the stream has returned it.
    OnTake,
    /// When its `Ack` says so.
    Manual,
}

/// The messages of one stream between the engine and the application. Its bound is the engine's: the inbound limits for QoS
/// 1 and 2, the stream's own for QoS 0.
#[derive(Debug)]
pub(crate) struct Inbox {
    items: VecDeque<Item>,
    /// One for each message that was put in and that the engine does not know to be taken, oldest first. The last of them
    /// belong to `items`, those before were handed over.
    tickets: VecDeque<Option<DeliveryId>>,
    /// How many tickets were ever removed at the front.
    settled: u64,
    cursor: Arc<Cursor>,
    mode: AckMode,
    /// Hands over one message at a time, because the oldest may have to make room.
    is_displacing: bool,
    waker: Option<Waker>,
    end: Option<StreamEnd>,
}

impl Inbox {
    pub(crate) fn new(mode: AckMode, is_displacing: bool) -> Self {
        Self {
            items: VecDeque::new(),
            tickets: VecDeque::new(),
            settled: 0,
            cursor: Arc::default(),
            mode,
            is_displacing,
            waker: None,
            end: None,
        }
    }

    pub(crate) const fn cursor(&self) -> &Arc<Cursor> {
        &self.cursor
    }

    /// A message arrived. Returns whom to wake.
    #[inline(always)]
    pub(crate) fn put(&mut self, item: Item) -> Option<Waker> {
        self.tickets.push_back(item.delivery);
        self.items.push_back(item);
        self.waker.take()
    }

    /// There will be no more messages. Returns whom to wake.
    pub(crate) fn end(&mut self, reason: StreamEnd) -> Option<Waker> {
        self.end.get_or_insert(reason);
        self.waker.take()
    }

    pub(crate) const fn end_reason(&self) -> Option<&StreamEnd> {
        self.end.as_ref()
    }

    /// Moves what waits into `taken`, which is empty. If nothing waits: whether that is for good, and otherwise the task
    /// is woken when something comes.
    pub(crate) fn hand_over(&mut self, taken: &mut VecDeque<Item>, waker: &Waker) -> HandOver {
        if self.items.is_empty() {
            if self.end.is_some() {
                return HandOver::Ended;
            }
            match &mut self.waker {
                Some(known) => known.clone_from(waker),
                None => self.waker = Some(waker.clone()),
            }
            return HandOver::Nothing;
        }
        if self.is_displacing {
            taken.extend(self.items.pop_front());
        } else {
            std::mem::swap(&mut self.items, taken);
        }
        HandOver::Some
    }

    /// The engine took the oldest QoS 0 message out in favour of a newer one.
    pub(crate) fn displace_oldest(&mut self) -> Option<Item> {
        let at = self.items.iter().position(|item| item.delivery.is_none())?;
        let handed_over = self.tickets.len() - self.items.len();
        self.tickets.remove(handed_over + at);
        self.items.remove(at)
    }

    /// The engine took a message back because its filter was unsubscribed; one that was handed over stays.
    pub(crate) fn withdraw(&mut self, delivery: DeliveryId) -> Option<Item> {
        let at = self.items.iter().position(|item| item.delivery == Some(delivery))?;
        let handed_over = self.tickets.len() - self.items.len();
        self.tickets.remove(handed_over + at);
        self.items.remove(at)
    }

    /// The messages that the application has been given since the last call, for the engine to be told.
    pub(crate) fn settle(&mut self, mut tell: impl FnMut(Given)) {
        let taken = self.cursor.collect() - self.settled;
        self.settled += taken;
        let count = usize::try_from(taken).expect("what is taken was in memory");
        for ticket in self.tickets.drain(..count) {
            tell(match (ticket, self.mode) {
                (None, _) => Given::Qos0,
                (Some(delivery), AckMode::OnTake) => Given::Taken(delivery),
                (Some(delivery), AckMode::Manual) => Given::InHand(delivery),
            });
        }
    }

    /// The messages that the application has not taken, oldest first. Call `settle` before.
    pub(crate) fn untaken(&self) -> Vec<DeliveryId> {
        self.tickets.iter().copied().flatten().collect()
    }
}

/// What became of a message that a stream has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Nothing is acknowledged with QoS 0.
    Qos0,
    /// It is to be acknowledged.
    Taken(DeliveryId),
    /// Its `Ack` will speak for it.
    InHand(DeliveryId),
}

/// What a hand-over found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandOver {
    Some,
    Nothing,
    Ended,
}

/// How many messages a stream has returned. The stream advances it without the lock, the driver collects it.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The count times two; the lowest bit says that the driver has been told to collect.
    state: AtomicU64,
}

const TOLD: u64 = 1;

impl Cursor {
    /// The stream has returned this many more messages. Whether the driver must be told.
    pub(crate) fn advance(&self, messages: u64) -> bool {
        let before = self.state.fetch_add(messages << 1, Ordering::SeqCst);
        before & TOLD == 0 && self.state.fetch_or(TOLD, Ordering::SeqCst) & TOLD == 0
    }

    /// How many messages the stream has returned; from now on the driver must be told of more.
    fn collect(&self) -> u64 {
        self.state.fetch_and(!TOLD, Ordering::SeqCst) >> 1
    }
}

#[cfg(test)]
mod tests {
    use bowline_proto::client::Delivery;
    use bowline_proto::session::StreamSet;
    use bowline_proto::types::{Message as Content, SubscriptionIds, TopicName};

    use super::*;

    fn item(payload: &'static str) -> Item {
        let delivery = Delivery {
            message: Content::new(TopicName::from_static("a").unwrap(), payload),
            dup: false,
            delivery: None,
            packet_id: None,
            streams: StreamSet::new(),
            subscription_ids: SubscriptionIds::new(),
        };
        Item { message: Message::of_delivery(delivery), delivery: None }
    }

    fn payloads(items: &VecDeque<Item>) -> Vec<&str> {
        items.iter().map(|item| item.message.text().unwrap()).collect()
    }

    #[test]
    fn handing_over_is_not_taking() {
        let mut inbox = Inbox::new(AckMode::OnTake, false);
        assert!(inbox.put(item("1")).is_none() && inbox.put(item("2")).is_none());
        let mut taken = VecDeque::new();
        assert_eq!(inbox.hand_over(&mut taken, Waker::noop()), HandOver::Some);
        let mut told = 0;
        inbox.settle(|_| told += 1);
        assert_eq!((payloads(&taken), told), (vec!["1", "2"], 0));
        let cursor = inbox.cursor().clone();
        assert!(cursor.advance(1), "the first advance tells the driver");
        assert!(!cursor.advance(1), "the next ones need not");
        inbox.settle(|_| told += 1);
        assert_eq!(told, 2);
        assert!(cursor.advance(0), "collected: the driver must be told again");
    }

    #[test]
    fn a_displaced_message_is_the_oldest_that_was_not_handed_over() {
        let mut inbox = Inbox::new(AckMode::OnTake, true);
        for payload in ["1", "2", "3"] {
            inbox.put(item(payload));
        }
        let mut taken = VecDeque::new();
        assert_eq!(inbox.hand_over(&mut taken, Waker::noop()), HandOver::Some);
        assert_eq!(payloads(&taken), ["1"], "one at a time");
        assert_eq!(inbox.displace_oldest().unwrap().message.text(), Ok("2"));
        taken.clear();
        inbox.hand_over(&mut taken, Waker::noop());
        assert_eq!(payloads(&taken), ["3"]);
        inbox.cursor().advance(2);
        let mut told = 0;
        inbox.settle(|_| told += 1);
        assert_eq!((told, inbox.tickets.len()), (2, 0));
    }

    #[test]
    fn a_stream_that_ended_hands_over_what_waits_and_then_says_so() {
        let mut inbox = Inbox::new(AckMode::OnTake, false);
        inbox.put(item("1"));
        inbox.end(StreamEnd::Unsubscribed);
        let mut taken = VecDeque::new();
        assert_eq!(inbox.hand_over(&mut taken, Waker::noop()), HandOver::Some);
        taken.clear();
        assert_eq!(inbox.hand_over(&mut taken, Waker::noop()), HandOver::Ended);
    }
}
