//! `client.subscribe(..)`: what is subscribed to, and how.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_proto::client::{Qos0Full, Qos0Limits};
use bowline_proto::packet::Subscription as Request;
use bowline_proto::types::{RetainHandling, SubscriptionOptions, UserProperties};
use bowline_proto::{QoS, Text};

use crate::message::Message;
use crate::names::IntoFilter;
use crate::shared::{AckMode, Hold, Inbox, Lease, OperationResult};
use crate::subscribe::answer::Answer;
use crate::subscribe::delivery::{Delivery, StreamItem};
use crate::subscribe::error::SubscribeError;
use crate::subscribe::reader::Reader;
use crate::subscribe::subscription::Subscription;
use crate::time_limit::TimeLimit;

/// A subscription that is about to be made; by `subscribe` or `subscribe_many`. Nothing happens until it is awaited.
///
/// | option | default |
/// |---|---|
/// | [`qos`](Self::qos) | [`QoS::AtMostOnce`] |
/// | [`no_local`](Self::no_local) (5.0) | no: what this client publishes comes back |
/// | [`retain_as_published`](Self::retain_as_published) (5.0) | no |
/// | [`retain_handling`](Self::retain_handling) (5.0) | [`RetainHandling::OnSubscribe`] |
/// | [`qos0`](Self::qos0) | 1,024 messages, then [reading pauses](crate::Qos0Full::Pause) while nothing of ours is under way |
/// | [`timeout`](Self::timeout) | none: it waits as long as it takes |
/// | [`manual_ack`](Self::manual_ack) | no: acknowledged when taken |
///
/// It resolves to a [`Subscription`] when the broker has answered for all filters; while there is no connection it waits for
/// one. Messages that arrive before the answer are not lost.
///
/// # Errors
/// [`SubscribeError`]; if the broker refuses only some of the filters it is no error.
///
/// # Cancel safety
/// Dropping the future gives the stream up, as dropping the [`Subscription`] does.
#[derive(Debug)]
#[must_use = "nothing is subscribed until this is awaited"]
pub struct Subscribe<D: StreamItem = Message> {
    lease: Arc<Lease>,
    requests: Result<Vec<Request>, SubscribeError>,
    qos0: Qos0Limits,
    user_properties: UserProperties,
    limit: Option<Duration>,
    item: PhantomData<fn() -> D>,
}

impl Subscribe {
    pub(crate) fn new(lease: Arc<Lease>, filters: impl IntoIterator<Item = (impl IntoFilter, QoS)>) -> Self {
        let requests = filters.into_iter().enumerate().map(|(index, (filter, qos))| {
            let filter = filter.into_filter().map_err(|error| SubscribeError::Filter { index, error })?;
            Ok(Request { filter, options: SubscriptionOptions::new(qos) })
        });
        Self {
            lease,
            requests: requests.collect(),
            qos0: Qos0Limits::default(),
            user_properties: UserProperties::new(),
            limit: None,
            item: PhantomData,
        }
    }

    /// Has the stream return [`Delivery`]s, which are acknowledged by hand.
    pub fn manual_ack(self) -> Subscribe<Delivery> {
        let Self { lease, requests, qos0, user_properties, limit, .. } = self;
        Subscribe { lease, requests, qos0, user_properties, limit, item: PhantomData }
    }
}

impl<D: StreamItem> Subscribe<D> {
    /// The highest QoS at which messages are wanted, for all filters. The broker may grant less.
    pub fn qos(self, qos: QoS) -> Self {
        self.options(|options| options.qos = qos)
    }

    /// Leaves out what this client publishes itself (5.0; not with shared subscriptions).
    pub fn no_local(self) -> Self {
        self.options(|options| options.no_local = true)
    }

    /// Has the RETAIN flag arrive as it was published (5.0).
    pub fn retain_as_published(self) -> Self {
        self.options(|options| options.retain_as_published = true)
    }

    /// When the broker sends retained messages (5.0).
    pub fn retain_handling(self, handling: RetainHandling) -> Self {
        self.options(|options| options.retain_handling = handling)
    }

    /// How many QoS 0 messages may wait in the stream, at least 1, and what happens beyond it. QoS 1 and 2 are bounded for the
    /// connection as a whole, by [`inbound_max`](crate::Builder::inbound_max).
    pub const fn qos0(mut self, messages_max: usize, when_full: Qos0Full) -> Self {
        self.qos0 = Qos0Limits::new(messages_max, when_full);
        self
    }

    /// How long the broker's answer may take, from the first poll on, the wait for a connection included. Then it ends with
    /// [`SubscribeError::TimedOut`], and the stream is given up, as when the future is dropped. Unlimited unless set.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds a User Property to SUBSCRIBE (5.0).
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        match (Text::try_from(name.into()), Text::try_from(value.into())) {
            (Ok(name), Ok(value)) => self.user_properties.push((name, value)),
            (Err(error), _) | (_, Err(error)) => {
                let problem = error.to_string();
                self.requests = Err(SubscribeError::Option { option: "user_property", problem });
            }
        }
        self
    }

    fn options(mut self, set: impl Fn(&mut SubscriptionOptions)) -> Self {
        if let Ok(requests) = &mut self.requests {
            requests.iter_mut().for_each(|request| set(&mut request.options));
        }
        self
    }

    /// Opens the stream and asks the broker.
    fn start(self) -> Result<(Reader<D>, Answer), SubscribeError> {
        let requests = self.requests?;
        let mode = if D::IS_MANUAL { AckMode::Manual } else { AckMode::OnTake };
        let inbox = Inbox::new(mode, self.qos0.when_full == Qos0Full::DropOldest);
        let cursor = inbox.cursor().clone();
        let (qos0, user_properties) = (self.qos0, self.user_properties);
        let (operation, stream) =
            self.lease.command(|inner, _| inner.subscribe(requests, qos0, user_properties, inbox))?;
        let hold = Hold::Alive(self.lease);
        Ok((Reader::new(hold.clone(), stream, cursor), Answer::new(hold, operation)))
    }
}

impl<D: StreamItem> IntoFuture for Subscribe<D> {
    type Output = Result<Subscription<D>, SubscribeError>;
    type IntoFuture = SubscribeFuture<D>;

    fn into_future(self) -> SubscribeFuture<D> {
        SubscribeFuture { limit: TimeLimit::new(self.limit), step: Step::Start(self) }
    }
}

/// See [`Subscribe`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct SubscribeFuture<D: StreamItem = Message> {
    limit: TimeLimit,
    step: Step<D>,
}

#[derive(Debug)]
enum Step<D: StreamItem> {
    Start(Subscribe<D>),
    Wait(Reader<D>, Answer),
    Done,
}

impl<D: StreamItem> Future for SubscribeFuture<D> {
    type Output = Result<Subscription<D>, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.step, Step::Done) {
                Step::Start(request) => {
                    let (reader, answer) = request.start()?;
                    self.step = Step::Wait(reader, answer);
                }
                Step::Wait(reader, mut answer) => {
                    let Poll::Ready(answered) = Pin::new(&mut answer).poll(cx) else {
                        if self.limit.is_over(answer.runtime(), cx) {
                            return Poll::Ready(Err(SubscribeError::TimedOut));
                        }
                        self.step = Step::Wait(reader, answer);
                        return Poll::Pending;
                    };
                    let OperationResult { results, properties } = answered;
                    return Poll::Ready(if results.is_empty() {
                        Err(SubscribeError::Ended)
                    } else if results.iter().all(|(_, reason)| reason.is_failure()) {
                        Err(SubscribeError::Refused { results })
                    } else {
                        Ok(Subscription::new(reader, results, properties))
                    });
                }
                Step::Done => panic!("a subscribe future was polled after it was ready"),
            }
        }
    }
}
