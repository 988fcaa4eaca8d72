//! The callback flavour without async: a handler on a thread of its own.

use std::fmt;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use bowline_proto::{QoS, ReasonCode, TopicFilter};

use crate::blocking::error::WaitError;
use crate::blocking::wait::{wait, wait_for_result};
use crate::event::Event;
use crate::message::Message;
use crate::shared::Hold;
use crate::subscribe::{Delivery, Subscribe, SubscribeError, Subscription, UnsubscribeError, unsubscribe};

/// A handler that is about to be subscribed; by `on_message`. Nothing happens until it is called.
///
/// The handler runs on a thread of its own, for one message after the other, and may wait, publish and subscribe. A message is
/// acknowledged when the handler has returned. A handler that panics ends the subscription, and an
/// [`Event::HandlerPanicked`] says so. Its message stays unacknowledged, for the broker to send it again; in a session that
/// ends with the connection, where nobody could get it again, it is acknowledged when the filter is unsubscribed, lest it
/// hold up what comes after it. The handler does not keep the client alive; its thread ends with the subscription or the
/// client.
///
/// ```no_run
/// # fn example(client: bowline::blocking::Client) -> Result<(), bowline::SubscribeError> {
/// client.on_message("sensors/#", |message| println!("{}", message.topic())).call()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is subscribed until this is called"]
pub struct OnMessage<F> {
    subscribe: Subscribe<Delivery>,
    handler: F,
}

impl<F: FnMut(Message) + Send + 'static> OnMessage<F> {
    pub(super) const fn new(subscribe: Subscribe<Delivery>, handler: F) -> Self {
        Self { subscribe, handler }
    }

    /// As [`Subscribe::qos`](crate::Subscribe::qos). For the other options, set them before
    /// [`Subscribe::on_message`](super::Subscribe::on_message).
    pub fn qos(mut self, qos: QoS) -> Self {
        self.subscribe = self.subscribe.qos(qos);
        self
    }

    /// Subscribes, and returns when the broker has answered.
    ///
    /// # Errors
    /// [`SubscribeError`]; if the broker refuses only some of the filters it is no error.
    ///
    /// # Panics
    /// If the operating system gives no thread.
    pub fn call(self) -> Result<MessageHandler, SubscribeError> {
        let Self { subscribe, handler } = self;
        wait(subscribe.into_future()).map(|subscription| start(subscription, handler))
    }

    /// The same, at most this long; if the time is up the subscription is given up.
    ///
    /// # Errors
    /// As [`call`](Self::call), or the time was up.
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn call_timeout(self, limit: Duration) -> Result<MessageHandler, WaitError<SubscribeError>> {
        let Self { subscribe, handler } = self;
        wait_for_result(subscribe.into_future(), limit).map(|subscription| start(subscription, handler))
    }
}

impl<F> fmt::Debug for OnMessage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnMessage").field("subscribe", &self.subscribe).finish_non_exhaustive()
    }
}

/// A handler at work. Dropping it changes nothing: the handler goes on until it is unsubscribed or the client ends.
#[derive(Debug)]
pub struct MessageHandler {
    hold: Hold,
    granted: Vec<(TopicFilter, ReasonCode)>,
}

impl MessageHandler {
    /// As [`Subscription::granted`](super::Subscription::granted).
    pub fn granted(&self) -> &[(TopicFilter, ReasonCode)] {
        &self.granted
    }

    /// As [`Subscription::unsubscribe`](super::Subscription::unsubscribe), also for messages that the handler did not get yet.
    ///
    /// # Errors
    /// [`UnsubscribeError::Ended`] if the client has ended.
    pub fn unsubscribe(&self) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        wait(unsubscribe(self.hold.clone(), self.filters()))
    }

    /// The same, at most this long; if the time is up only the answer is missed.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe), or the time was up.
    pub fn unsubscribe_timeout(
        &self,
        limit: Duration,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, WaitError<UnsubscribeError>> {
        wait_for_result(unsubscribe(self.hold.clone(), self.filters()), limit)
    }

    fn filters(&self) -> Vec<TopicFilter> {
        self.granted.iter().map(|(filter, _)| filter.clone()).collect()
    }
}

fn start<F>(mut subscription: Subscription<Delivery>, handler: F) -> MessageHandler
where
    F: FnMut(Message) + Send + 'static,
{
    subscription.loosen();
    let hold = subscription.hold().clone();
    let granted = subscription.granted().to_vec();
    let thread = thread::Builder::new().name("bowline-handler".to_owned());
    let spawned = thread.spawn(move || run(subscription, handler));
    drop(spawned.expect("the operating system gives a thread"));
    MessageHandler { hold, granted }
}

fn run(mut subscription: Subscription<Delivery>, mut handler: impl FnMut(Message)) {
    while let Some(delivery) = wait(subscription.next()) {
        let (message, ack) = delivery.into_parts();
        let topic = message.content().topic.clone();
        // Nothing of ours is inside, and the handler is not used again after a panic.
        match catch_unwind(AssertUnwindSafe(|| handler(message))) {
            // A stale one needs no acknowledgement.
            Ok(()) => drop(wait(ack.ack())),
            Err(_panic) => {
                subscription.hold().feed.tell([Event::HandlerPanicked { topic }]);
                return;
            }
        }
    }
}
