//! Sends and receives the messages of one run. Decides nothing about what the figures mean, and shows nothing.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowline::{
    Acknowledgement, Builder, Client, PublishError, Publisher, QoS, Receipt, Reconnect, Role, Subscriber,
    Subscription, Topic,
};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::demo::outcome::{Latencies, Latency, Outcome};
use crate::demo::run::{Parties, Run};
use crate::demo::tally::Tally;

/// What ends a run early; text for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Receipts that are held at most; beyond it the oldest is waited for.
const RECEIPTS_MAX: usize = 4_096;

/// The time between two paced messages.
const PACE: Duration = Duration::from_millis(1);

/// Most messages that are taken from the stream at a time.
const BATCH_MAX: usize = 256;

/// How long nothing arrives before what is missing counts as lost, once everything is sent.
const QUIET: Duration = Duration::from_secs(2);

/// How many times as long nothing may arrive while something is still to be sent.
const QUIETS_MAX: u32 = 5;

/// Makes the connections, sends and receives, and closes the connections again.
pub(super) async fn drive(run: Arc<Run>) -> Outcome {
    let settings = &run.settings;
    let messages = usize::try_from(settings.messages).unwrap_or(usize::MAX);
    let mut receiver = Receiver {
        tally: Tally::new(run.id, messages, settings.payload_bytes),
        latencies: Latencies::new(),
        last_arrival: Instant::now(),
        run: run.clone(),
    };
    let mut outcome = Outcome::default();
    let result = receiver.go_through(&mut outcome).await;
    outcome.error = result.err().map(|failure| failure.to_string());
    outcome.sent = run.sent();
    outcome.counts = receiver.tally.counts();
    outcome.arrived = receiver.latencies.latency();
    outcome
}

/// A connection that is lost stays lost: made again, it would hide that messages of QoS 0 are gone.
async fn connect<R: Role>(run: &Run, builder: Builder<R>) -> Result<R, Failure> {
    let builder = builder.version(run.version).reconnect(Reconnect::Never).connect_timeout(ANSWER_MAX);
    Ok(builder.connect().await?)
}

/// How long the broker may take to accept a connection or to answer a request.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The receiving side of a run, which also directs the sending.
struct Receiver {
    run: Arc<Run>,
    tally: Tally,
    latencies: Latencies,
    last_arrival: Instant,
}

impl Receiver {
    async fn go_through(&mut self, outcome: &mut Outcome) -> Result<(), Failure> {
        let url = self.run.settings.url.clone();
        let (publisher, subscriber) = match self.run.parties {
            Parties::PublisherAndSubscriber => {
                let subscriber = connect(&self.run, Subscriber::builder(&url)?).await?;
                (connect(&self.run, Publisher::builder(&url)?).await?, subscriber)
            }
            Parties::OneClient => {
                let client = connect(&self.run, Client::builder(&url)?).await?;
                (client.publisher(), client.subscriber())
            }
        };
        let subscribe = subscriber.subscribe(self.run.topic()).qos(self.run.qos);
        let mut subscription = timeout(ANSWER_MAX, subscribe.into_future()).await??;
        if let [(_, granted)] = subscription.granted()
            && granted.as_u8() != self.run.qos.as_u8()
        {
            return Err(format!("the broker granted {granted} instead of QoS {}", self.run.qos).into());
        }
        let topic = publisher.topic(self.run.topic())?.qos(self.run.qos);
        self.send_and_receive(&mut subscription, &publisher, topic, outcome).await?;

        // What is still on its way comes before the answer to another request: nothing that arrives twice escapes.
        let barrier = subscriber.subscribe(format!("{}/end", self.run.topic()));
        let _end = timeout(ANSWER_MAX, barrier.into_future()).await??;
        while timeout(Duration::ZERO, self.take_batch(&mut subscription, false)).await == Ok(true) {}
        publisher.disconnect().await;
        subscriber.disconnect().await;
        Ok(())
    }

    /// First as fast as possible, which gives the rates; then at a pace, which gives the latencies.
    async fn send_and_receive(
        &mut self,
        subscription: &mut Subscription,
        publisher: &Publisher,
        topic: Topic,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let full_speed = self.run.settings.full_speed();
        let started = Instant::now();
        let sending = send_at_full_speed(self.run.clone(), topic.clone(), publisher.clone());
        let took = self.receive(subscription, full_speed, false, sending).await?;
        outcome.subscriber_rate = rate(self.tally.counts().received, self.last_arrival - started);
        outcome.publisher_rate = rate(self.run.sent(), took);

        let paced = u64::from(self.run.settings.paced());
        let sending = send_at_a_pace(self.run.clone(), topic);
        outcome.acknowledged = self.receive(subscription, paced, true, sending).await?;
        Ok(())
    }

    /// Receives until there are this many more messages, or no more come, while a task of its own sends.
    async fn receive<T: Send + 'static>(
        &mut self,
        subscription: &mut Subscription,
        messages: u64,
        is_paced: bool,
        sending: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        // Dropped, the set ends its task.
        let mut sender = JoinSet::new();
        sender.spawn(sending);
        let mut sent = None;
        let mut quiets = 0;
        let goal = self.tally.counts().received + messages;
        while self.tally.counts().received < goal {
            match timeout(QUIET, self.take_batch(subscription, is_paced)).await {
                Ok(true) => quiets = 0,
                Ok(false) => break,
                Err(_) => quiets += 1,
            }
            if sent.is_none() {
                sent = sender.try_join_next();
            }
            if quiets > 0 && sent.is_some() {
                break;
            }
            if quiets == QUIETS_MAX {
                return Err(format!("nothing happened for {:?}", QUIET * QUIETS_MAX).into());
            }
        }
        let joined = match sent {
            Some(joined) => Some(joined),
            None => timeout(QUIET * QUIETS_MAX, sender.join_next()).await?,
        };
        let result = joined.ok_or("the task that sends is gone")??;
        if let Some(why) = subscription.end_reason() {
            return Err(why.to_string().into());
        }
        result
    }

    /// Takes what is there, at least one message; whether there was one before the end.
    async fn take_batch(&mut self, subscription: &mut Subscription, is_paced: bool) -> bool {
        let batch = subscription.next_batch(BATCH_MAX).await;
        let now_ns = self.run.now_ns();
        for message in &batch {
            if let Some(stamp) = self.tally.take(message.payload())
                && is_paced
            {
                self.latencies.add_ns(now_ns.saturating_sub(stamp.sent_ns));
            }
        }
        if !batch.is_empty() {
            self.last_arrival = Instant::now();
        }
        self.run.on_arrival(self.tally.counts().received, self.tally.reached());
        !batch.is_empty()
    }
}

/// Sends without waiting for acknowledgements, up to a bound; returns how long it took until the last of them.
async fn send_at_full_speed(run: Arc<Run>, topic: Topic, publisher: Publisher) -> Result<Duration, Failure> {
    let mut open = VecDeque::with_capacity(RECEIPTS_MAX);
    let started = Instant::now();
    for sequence in 0..run.settings.full_speed() {
        run.wait_for_room().await;
        if open.len() == RECEIPTS_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.await?;
        }
        open.push_back(topic.send(run.payload(sequence)).await?);
        run.on_sent();
    }
    for receipt in open {
        receipt.await?;
    }
    publisher.flush().await?;
    Ok(started.elapsed())
}

/// Sends one message after the other at a steady pace, acknowledged or not; returns how long acknowledgements took.
async fn send_at_a_pace(run: Arc<Run>, topic: Topic) -> Result<Option<Latency>, Failure> {
    let mut open: VecDeque<(Instant, Receipt)> = VecDeque::new();
    let mut latencies = Latencies::new();
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = run.settings.full_speed()..u64::from(run.settings.messages);
    while !left.is_empty() || !open.is_empty() {
        tokio::select! {
            biased;
            acknowledged = oldest(&mut open) => {
                let took = acknowledged?;
                open.pop_front();
                latencies.add_ns(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
            _ = ticks.tick(), if !left.is_empty() => {
                run.wait_for_room().await;
                let Some(sequence) = left.next() else { continue };
                let sent_at = Instant::now();
                let receipt = topic.send(run.payload(sequence)).await?;
                run.on_sent();
                if run.qos != QoS::AtMostOnce {
                    open.push_back((sent_at, receipt));
                }
            }
        }
    }
    Ok(latencies.latency())
}

/// Waits for the acknowledgement of the oldest message, for ever if there is none; returns how long it took.
async fn oldest(open: &mut VecDeque<(Instant, Receipt)>) -> Result<Duration, PublishError> {
    match open.front_mut() {
        Some((sent_at, receipt)) => {
            let _acknowledgement: Acknowledgement = receipt.await?;
            Ok(sent_at.elapsed())
        }
        None => pending().await,
    }
}

/// Messages a second; `None` if there were none.
fn rate(messages: u64, took: Duration) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "the figure is shown without decimals")]
    let rate = messages as f64 / took.as_secs_f64();
    (messages > 0 && rate.is_finite()).then_some(rate)
}
