//! The callback flavour: a handler in a task of its own.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};

use bowline_proto::{QoS, ReasonCode, TopicFilter};

use crate::event::Event;
use crate::message::Message;
use crate::shared::Hold;
use crate::subscribe::answer::unsubscribe;
use crate::subscribe::delivery::Delivery;
use crate::subscribe::error::{SubscribeError, UnsubscribeError};
use crate::subscribe::request::Subscribe;
use crate::subscribe::subscription::Subscription;

/// A handler that is about to be subscribed; by `on_message`. Nothing happens until it is awaited: it resolves to a
/// [`MessageHandler`] when the broker has answered.
///
/// The handler runs in a task of its own, for one message after the other. A message is acknowledged when the handler's
/// future is done. A handler that panics ends the subscription, and an [`Event::HandlerPanicked`] says so. Its message stays
/// unacknowledged, for the broker to send it again; in a session that ends with the connection, where nobody could get it
/// again, it is acknowledged when the filter is unsubscribed, lest it hold up what comes after it. The handler does not keep
/// the client alive.
///
/// ```no_run
/// # async fn example(client: bowline::Client) -> Result<(), bowline::SubscribeError> {
/// client
///     .on_message("sensors/#", |message| async move { println!("{}", message.topic()) })
///     .qos(bowline::QoS::AtLeastOnce)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is subscribed until this is awaited"]
pub struct OnMessage<F> {
    subscribe: Subscribe<Delivery>,
    handler: F,
}

impl Subscribe {
    /// Runs a handler for every message, in order, in a task of its own. A message is acknowledged when the handler's future
    /// is done; see [`OnMessage`].
    pub fn on_message<F, R>(self, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        OnMessage::new(self.manual_ack(), handler)
    }
}

impl<F> OnMessage<F> {
    pub(super) const fn new(subscribe: Subscribe<Delivery>, handler: F) -> Self {
        Self { subscribe, handler }
    }

    /// As [`Subscribe::qos`]. For the other options, set them before [`Subscribe::on_message`].
    pub fn qos(mut self, qos: QoS) -> Self {
        self.subscribe = self.subscribe.qos(qos);
        self
    }
}

impl<F, R> IntoFuture for OnMessage<F>
where
    F: FnMut(Message) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    type Output = Result<MessageHandler, SubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut subscription = self.subscribe.await?;
            subscription.loosen();
            let hold = subscription.hold().clone();
            let granted = subscription.granted().to_vec();
            hold.runtime.spawn(run(subscription, self.handler));
            Ok(MessageHandler { hold, granted })
        })
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
    /// As [`Subscription::granted`].
    pub fn granted(&self) -> &[(TopicFilter, ReasonCode)] {
        &self.granted
    }

    /// As [`Subscription::unsubscribe`], also for messages that the handler did not get yet.
    ///
    /// # Errors
    /// [`UnsubscribeError::Ended`] if the client has ended.
    pub async fn unsubscribe(&self) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        let filters = self.granted.iter().map(|(filter, _)| filter.clone()).collect();
        unsubscribe(self.hold.clone(), filters).await
    }
}

async fn run<F, R>(mut subscription: Subscription<Delivery>, mut handler: F)
where
    F: FnMut(Message) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    while let Some(delivery) = subscription.next().await {
        let (message, ack) = delivery.into_parts();
        let topic = message.content().topic.clone();
        if is_done_without_panic(async { handler(message).await }).await {
            // A stale one needs no acknowledgement.
            let _stale = ack.ack().await;
        } else {
            subscription.hold().feed.tell([Event::HandlerPanicked { topic }]);
            return;
        }
    }
}

/// Runs a handler to its end; whether it got there.
async fn is_done_without_panic(handling: impl Future<Output = ()>) -> bool {
    let mut handling = pin!(handling);
    poll_fn(|cx| {
        // Nothing of ours is inside, and the handler is not used again after a panic.
        match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|()| true),
            Err(_panic) => std::task::Poll::Ready(false),
        }
    })
    .await
}
