//! The send queue beside a plain list, under random commands: same order, and exact figures. Knows no engine.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::session::PublicationId;
use crate::session::QueueLimits;
use crate::session::lane::{Due, Lane};
use crate::session::queued::Queued;
use crate::session::send_queue::SendQueue;
use crate::time::Timestamp;
use crate::types::{Message, MessageProperties, QoS, TopicName};

#[derive(Clone, Debug)]
enum Command {
    Push {
        message: Message,
        age_secs: Option<u64>,
    },
    Pop {
        quota_is_free: bool,
    },
    /// Give the last one that was popped back, as a lost session does.
    GiveBack,
    Cancel(u64),
    TakeOldest,
    TakeOfTopic(Message),
    Wait(u64),
}

fn messages() -> impl Strategy<Value = Message> {
    let topics = prop::sample::select(vec!["a", "b", "c", "d/e"]);
    let qos = prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    (topics, qos, any::<bool>(), 0_usize..40, prop::option::of(1_u32..30)).prop_map(
        |(topic, qos, retain, payload_bytes, expiry_secs)| {
            let properties = MessageProperties { expiry_secs, ..MessageProperties::default() };
            Message::new(TopicName::from_static(topic).unwrap(), vec![b'x'; payload_bytes])
                .with_qos(qos)
                .with_retain(retain)
                .with_properties(properties)
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (messages(), prop::option::of(1_u64..30))
            .prop_map(|(message, age_secs)| Command::Push { message, age_secs }),
        2 => any::<bool>().prop_map(|quota_is_free| Command::Pop { quota_is_free }),
        1 => Just(Command::GiveBack),
        2 => (0_u64..60).prop_map(Command::Cancel),
        1 => Just(Command::TakeOldest),
        1 => messages().prop_map(Command::TakeOfTopic),
        1 => (1_u64..10).prop_map(Command::Wait),
    ]
}

/// What the queue should hold: plain, slow, and obviously right.
#[derive(Default)]
struct Model {
    again: Vec<Queued>,
    /// In the order of the places: the place, who has it, and when that is too old.
    waiting: Vec<(u64, Queued, Option<Timestamp>)>,
}

impl Model {
    fn find(&self, wanted: impl Fn(&Queued) -> bool) -> Option<usize> {
        self.waiting.iter().position(|(_, queued, _)| wanted(queued))
    }

    fn first(&self, lane: Lane) -> Option<usize> {
        self.find(|queued| lane_of(&queued.message) == lane)
    }

    fn push(&mut self, queued: Queued, too_old_at: Option<Timestamp>, replaces: bool) -> Option<Queued> {
        let place = queued.publication.as_u64();
        let same = self.find(|other| replaces && is_same_topic(&other.message, &queued.message));
        let Some(at) = same else {
            self.waiting.push((place, queued, too_old_at));
            return None;
        };
        if lane_of(&self.waiting[at].1.message) == lane_of(&queued.message) {
            let place = self.waiting[at].0;
            return Some(core::mem::replace(&mut self.waiting[at], (place, queued, too_old_at)).1);
        }
        let had = self.waiting.remove(at).1;
        self.waiting.push((place, queued, too_old_at));
        Some(had)
    }

    fn pop(&mut self, quota_is_free: bool) -> Option<Queued> {
        let at_most_once = self.first(Lane::AtMostOnce).map(|at| self.waiting[at].0);
        if quota_is_free && let Some(first) = self.again.first() {
            let goes_first = at_most_once.is_none_or(|place| first.publication.as_u64() < place);
            if goes_first {
                return Some(self.again.remove(0));
            }
        }
        let may_go = |message: &Message| {
            lane_of(message) == Lane::AtMostOnce || (quota_is_free && self.again.is_empty())
        };
        let at = self.find(|queued| may_go(&queued.message))?;
        Some(self.waiting.remove(at).1)
    }

    fn cancel(&mut self, publication: u64) -> Option<Queued> {
        let is_it = |queued: &Queued| queued.publication.as_u64() == publication;
        if let Some(at) = self.again.iter().position(is_it) {
            return Some(self.again.remove(at));
        }
        self.find(is_it).map(|at| self.waiting.remove(at).1)
    }

    /// Takes out what is due, in any order.
    fn take_due(&mut self, now: Timestamp) -> Vec<(Queued, Due)> {
        let mut due = Vec::new();
        let is_expired = |queued: &Queued| queued.deadline.is_some_and(|deadline| deadline <= now);
        self.again.retain(|queued| {
            if is_expired(queued) {
                due.push((queued.clone(), Due::Expired));
            }
            !is_expired(queued)
        });
        self.waiting.retain(|(_, queued, too_old_at)| {
            let is_too_old = too_old_at.is_some_and(|too_old_at| too_old_at <= now);
            if is_expired(queued) {
                due.push((queued.clone(), Due::Expired));
            } else if is_too_old {
                due.push((queued.clone(), Due::TooOld));
            }
            !is_expired(queued) && !is_too_old
        });
        due
    }

    fn figures(&self) -> (usize, usize) {
        let all = self.again.iter().chain(self.waiting.iter().map(|(_, queued, _)| queued));
        all.fold((0, 0), |(messages, bytes), queued| (messages + 1, bytes + queued.message.content_bytes()))
    }
}

fn lane_of(message: &Message) -> Lane {
    if message.qos == QoS::AtMostOnce { Lane::AtMostOnce } else { Lane::Acknowledged }
}

fn is_same_topic(one: &Message, other: &Message) -> bool {
    one.topic == other.topic && one.retain == other.retain
}

/// Both, and the means to drive them.
struct Pair {
    queue: SendQueue,
    model: Model,
    replaces: bool,
    now: Timestamp,
    last: u64,
    popped: Option<Queued>,
}

impl Pair {
    fn new(replaces: bool) -> Self {
        let limits = QueueLimits::default();
        let queue = if replaces { SendQueue::by_topic(limits) } else { SendQueue::new(limits) };
        Self { queue, model: Model::default(), replaces, now: Timestamp::ZERO, last: 0, popped: None }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::Push { message, age_secs } => self.push(message, age_secs),
            Command::Pop { quota_is_free } => {
                let popped = self.queue.next_lane(quota_is_free).and_then(|lane| self.queue.pop(lane));
                assert_eq!(popped, self.model.pop(quota_is_free));
                self.popped = popped;
            }
            Command::GiveBack => {
                let lost = self.popped.take().filter(|queued| queued.message.qos != QoS::AtMostOnce);
                if let Some(mut queued) = lost {
                    queued.is_in_doubt = true;
                    self.model.again.insert(0, queued.clone());
                    self.queue.push_front(queued);
                }
            }
            Command::Cancel(publication) => {
                let cancelled = self.queue.remove(PublicationId::new(publication));
                assert_eq!(cancelled, self.model.cancel(publication));
            }
            Command::TakeOldest => {
                let oldest = self.model.waiting.iter().map(|(place, ..)| *place).min();
                let at = self.model.waiting.iter().position(|(place, ..)| Some(*place) == oldest);
                let taken = at.map(|at| self.model.waiting.remove(at).1);
                assert_eq!(self.queue.take_oldest(), taken);
            }
            Command::TakeOfTopic(message) => {
                let at = self.model.find(|queued| self.replaces && is_same_topic(&queued.message, &message));
                let taken = at.map(|at| self.model.waiting.remove(at).1);
                assert_eq!(self.queue.take_of_topic(&message), taken);
            }
            Command::Wait(secs) => self.now = self.now + core::time::Duration::from_secs(secs),
        }
        self.compare();
    }

    fn push(&mut self, message: Message, age_secs: Option<u64>) {
        self.last += 1;
        let later = |secs| self.now + core::time::Duration::from_secs(secs);
        let deadline = message.expiry_secs().map(|secs| later(u64::from(secs)));
        let too_old_at = age_secs.map(later);
        let publication = PublicationId::new(self.last);
        let queued = Queued::new(publication, message, deadline);
        let expected = self.model.push(queued.clone(), too_old_at, self.replaces);
        let replaced = if self.replaces {
            self.queue.push_replacing(queued, too_old_at)
        } else {
            self.queue.push(queued, false, too_old_at);
            None
        };
        assert_eq!(replaced, expected);
    }

    fn compare(&mut self) {
        let mut due: Vec<(Queued, Due)> = core::iter::from_fn(|| self.queue.pop_due(self.now)).collect();
        let mut expected = self.model.take_due(self.now);
        due.sort_by_key(|(queued, _)| queued.publication);
        expected.sort_by_key(|(queued, _)| queued.publication);
        assert_eq!(due, expected);
        assert_eq!((self.queue.messages(), self.queue.bytes()), self.model.figures());
        let again = self.model.again.iter().map(|queued| queued.deadline);
        let waiting = self
            .model
            .waiting
            .iter()
            .map(|(_, queued, too_old_at)| queued.deadline.into_iter().chain(*too_old_at).min());
        assert_eq!(self.queue.next_due(), again.chain(waiting).flatten().min());
    }
}

proptest! {
    #[test]
    fn the_queue_has_the_order_and_the_figures_of_a_plain_list(
        replaces in any::<bool>(),
        commands in prop::collection::vec(commands(), 0..120),
    ) {
        let mut pair = Pair::new(replaces);
        commands.into_iter().for_each(|command| pair.run(command));
        let left: Vec<Queued> = core::iter::from_fn(|| {
            let lane = pair.queue.next_lane(true)?;
            pair.queue.pop(lane)
        }).collect();
        let expected: Vec<Queued> = core::iter::from_fn(|| pair.model.pop(true)).collect();
        prop_assert_eq!(left, expected);
        prop_assert_eq!((pair.queue.messages(), pair.queue.bytes()), (0, 0));
        prop_assert!(pair.queue.is_lane_empty(Lane::Acknowledged) && pair.queue.is_lane_empty(Lane::AtMostOnce));
        prop_assert_eq!(pair.queue.next_due(), None);
        prop_assert!(pair.queue.has_forgotten_all(), "nothing is left in an index");
    }
}
