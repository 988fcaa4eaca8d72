//! The driver of one connection: the one loop that moves bytes, time and answers between engine and transport. Decides
//! nothing about MQTT.
//!
//! It is full duplex: each round reads what has come, takes one turn with the engine, and writes what goes, and none of them
//! waits for another. It sleeps only when a round found nothing to do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::client::{ClientEngine, Input, Output};
use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::{Packet, Secret};
use bowline_proto::routing::StreamId;
use bowline_proto::session::{Batch, PublicationId};
use bowline_proto::{Text, Version};
use bowline_transport::Endpoint;

use crate::credentials::Credentials;
use crate::disconnection::{Disconnection, TransportError};
use crate::io::dial::{Dial, Dialed, Dialer};
use crate::io::farewell::Farewell;
use crate::io::last_writes::LastWrites;
use crate::io::link::Link;
use crate::io::read_buffer::{self, ReadBuffer};
use crate::io::target::Target;
use crate::io::timer::Timer;
use crate::shared::{Effects, Inner, Shared, wall_clock};
use crate::state::ConnectionState;
use crate::store::{StoreError, StoreLink};

/// Rounds before others get their turn on this thread.
const ROUNDS_MAX: usize = 64;

/// The task of one client. Ends when the client is over.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    dialer: Dialer,
    /// Where the last transport led.
    endpoint: Endpoint,
    dial: Option<(Dial, Decoder)>,
    link: Option<Link>,
    farewell: Option<Farewell>,
    timer: Timer,
    /// What happened since the last turn.
    inputs: Vec<Input>,
    credentials: Option<Credentials>,
    effects: Effects,
    advanced: Vec<StreamId>,
    /// What the store has written since the last turn, to be dropped without the lock.
    written: Vec<Batch>,
    /// Waits for the store before the client ends, and until it is closed afterwards.
    last_writes: Option<LastWrites>,
    ended: Option<Disconnection>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, dialer: Dialer) -> Self {
        let endpoint = dialer.endpoints[0].clone();
        Self {
            shared,
            dialer,
            endpoint,
            dial: None,
            link: None,
            farewell: None,
            timer: Timer::default(),
            inputs: Vec::new(),
            credentials: None,
            effects: Effects::default(),
            advanced: Vec::new(),
            written: Vec::new(),
            last_writes: None,
            ended: None,
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut buffer = read_buffer::borrow();
        for _ in 0..ROUNDS_MAX {
            let is_raised = this.shared.driver.lower();
            let is_due = this.timer.poll(cx);
            this.poll_dial(cx);
            this.poll_read(cx, &mut buffer);
            let has_news = is_raised || is_due || !this.inputs.is_empty() || !buffer.packets.is_empty();
            if has_news && this.ended.is_none() {
                this.turn(&mut buffer);
            }
            this.poll_write(cx);
            if let Some(farewell) = &mut this.farewell
                && farewell.poll(cx).is_ready()
            {
                this.farewell = None;
            }
            this.poll_last_writes(cx);
            if this.ended.is_some() && this.farewell.is_none() && this.last_writes.is_none() {
                return Poll::Ready(());
            }
            if !has_news && this.inputs.is_empty() && this.shared.driver.park(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Driver {
    fn poll_dial(&mut self, cx: &mut Context<'_>) {
        let Some((dial, _)) = &mut self.dial else { return };
        let Poll::Ready(result) = dial.as_mut().poll(cx) else { return };
        let Some((_, decoder)) = self.dial.take() else { return };
        match result {
            Ok(Dialed { stream, endpoint, credentials }) => {
                self.shared.lock().endpoint = endpoint.clone();
                self.endpoint = endpoint;
                self.link = Some(Link::new(stream, decoder));
                self.credentials = credentials;
                self.inputs.push(Input::Connected);
            }
            Err(error) => self.fail(Input::DialFailed, error),
        }
    }

    /// Reads until there is a batch, there is no more, or the engine wants none.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) {
        let Some(link) = &mut self.link else { return };
        if link.is_paused {
            return;
        }
        link.incoming.fill(&mut buffer.packets);
        if buffer.packets.is_empty() && !link.incoming.has_failed() {
            match link.poll_read(cx, &mut buffer.bytes) {
                Poll::Ready(Ok(0)) => match link.closed_without_a_word() {
                    Some(error) => return self.fail(Input::Closed, error.into()),
                    None => self.inputs.push(Input::Closed),
                },
                Poll::Ready(Ok(_)) => {
                    link.incoming.fill(&mut buffer.packets);
                    self.inputs.push(Input::BytesReceived);
                }
                Poll::Ready(Err(error)) => return self.fail(Input::TransportFailed, error.into()),
                Poll::Pending => return,
            }
        }
        // An error comes after the packets before it have been taken.
        if buffer.packets.is_empty()
            && let Some(link) = &mut self.link
            && let Some(error) = link.incoming.take_failure()
        {
            self.inputs.push(Input::Malformed(error));
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        let Some(link) = &mut self.link else { return };
        match link.poll_write(cx) {
            Poll::Ready(Ok(buffer)) => self.inputs.push(Input::Transmitted(buffer)),
            Poll::Ready(Err(error)) => self.fail(Input::TransportFailed, error.into()),
            Poll::Pending => {}
        }
    }

    fn fail(&mut self, input: Input, error: Box<TransportError>) {
        // The one before is dropped without the lock.
        let before = self.shared.lock().transport_error.replace(Arc::from(error));
        drop(before);
        self.inputs.push(input);
    }

    /// One turn with the engine: everything that happened goes in, everything that is to be done comes out. One hold of
    /// the lock; what it causes is done after it.
    fn turn(&mut self, buffer: &mut ReadBuffer) {
        let shared = self.shared.clone();
        let mut outputs = Outputs::default();
        shared.take_advanced(&mut self.advanced);
        let error = self.take_answers();
        let mut error_before = None;
        let why = {
            let mut inner = shared.lock();
            if let Some(error) = error {
                error_before = inner.on_store_failed(error);
            }
            for stream in self.advanced.drain(..) {
                inner.settle(stream);
            }
            inner.lend_room(&mut buffer.spent);
            self.feed(&mut inner, &mut buffer.packets);
            self.collect(&mut inner, &mut outputs);
            inner.take_room_back(&mut buffer.spent);
            inner.wake_waiting(&mut self.effects);
            inner.wants_end().map(|why| (why, inner.awaits_last_writes(shared.now())))
        };
        self.act(outputs);
        buffer.spent.clear();
        self.written.clear();
        drop(error_before);
        self.effects.apply(&shared);
        match why {
            Some((_, true)) => _ = self.last_writes.get_or_insert_with(LastWrites::new),
            Some((why, false)) => self.end(why),
            None => {}
        }
    }

    /// Fetches what the store has answered, and why it failed if it has.
    fn take_answers(&mut self) -> Option<StoreError> {
        let store = self.shared.store.as_ref()?;
        store.take_answers(&mut self.inputs, &mut self.written);
        let error = store.take_error()?;
        self.effects.store_failed(error.clone());
        Some(error)
    }

    /// A store that takes too long is not waited for any more.
    fn poll_last_writes(&mut self, cx: &mut Context<'_>) {
        let Some(last_writes) = &mut self.last_writes else { return };
        if last_writes.poll(cx).is_pending() {
            return;
        }
        self.last_writes = None;
        if self.ended.is_none() {
            let why = self.shared.lock().wants_end();
            why.into_iter().for_each(|why| self.end(why));
            // It hangs, and would not be closed soon either.
            self.last_writes = None;
        }
    }

    /// Hands over what happened, in its order: packets before the end that followed them.
    fn feed(&mut self, inner: &mut Inner, packets: &mut Vec<Packet>) {
        let now = self.shared.now();
        let Some(engine) = &mut inner.engine else { return };
        if let Some(credentials) = self.credentials.take()
            && let Err(error) = set_credentials(engine, credentials)
        {
            self.effects.outdated.extend(inner.transport_error.replace(Arc::from(error)));
            self.inputs = vec![Input::DialFailed];
        }
        if self.shared.store.is_some() {
            engine.set_wall_clock(now, wall_clock());
        }
        let mut batch = packets.drain(..);
        engine.handle_packets(&mut batch, now);
        if let Some(link) = &mut self.link {
            link.incoming.keep(batch);
        }
        for input in self.inputs.drain(..) {
            engine.handle_input(input, now);
        }
    }

    /// Asks the engine what to do until it has nothing more.
    fn collect(&mut self, inner: &mut Inner, outputs: &mut Outputs) {
        let now = self.shared.now();
        loop {
            let Some(engine) = &mut inner.engine else { return };
            match engine.poll_output(now) {
                Output::Event(event) => {
                    inner.dispatch(event, &mut self.effects);
                    while let Some(event) = inner.engine.as_mut().and_then(ClientEngine::next_event) {
                        inner.dispatch(event, &mut self.effects);
                    }
                }
                Output::Transmit(buffer) => outputs.transmit = Some(buffer),
                Output::Close => {
                    outputs.transmit = None;
                    outputs.dial = None;
                    outputs.closes = true;
                    if let Some(link) = &self.link {
                        inner.silence = link.silence();
                    }
                    outputs.closed = self.link.take().or_else(|| outputs.closed.take());
                }
                Output::Dial { version, packet_bytes_max } => {
                    let (address, reference) = (engine.address(), engine.reference().cloned());
                    let (number, last) = inner.next_attempt();
                    let target = Target { address, reference, number, last };
                    outputs.dial = Some((version, packet_bytes_max, target));
                }
                Output::Persist(batch) => outputs.persist = Some(batch),
                Output::Load { after, bytes_max } => outputs.load = Some((after, bytes_max)),
                Output::Sleep { until } => {
                    if let Some(link) = &mut self.link {
                        link.is_paused = engine.is_reading_paused();
                    }
                    self.timer.set(until.map(|until| self.shared.instant(until)));
                    return;
                }
            }
        }
    }

    /// Does what the engine asked for.
    fn act(&mut self, outputs: Outputs) {
        if outputs.closes {
            self.dial = None;
            self.farewell = outputs.closed.and_then(Link::into_open_stream).map(Farewell::new);
        }
        if let Some((version, packet_bytes_max, target)) = outputs.dial {
            let dial = self.dialer.dial(&target, version, &self.endpoint);
            self.dial = Some((dial, Decoder::for_client(version, packet_bytes_max)));
            self.effects.connecting();
        }
        if let (Some(buffer), Some(link)) = (outputs.transmit, &mut self.link) {
            link.write(buffer);
        }
        if let Some(batch) = outputs.persist {
            self.ask_store(Input::PersistFailed, |store, raise| store.persist(batch, raise));
        }
        if let Some((after, bytes_max)) = outputs.load {
            self.ask_store(Input::LoadFailed, |store, raise| store.load(after, bytes_max, raise));
        }
    }

    /// Gives work to the store's thread, which raises the driver when the answer is there.
    fn ask_store(
        &mut self,
        without_store: Input,
        ask: impl FnOnce(&StoreLink, Box<dyn FnOnce() + Send>) -> Result<(), Input>,
    ) {
        let shared = self.shared.clone();
        let asked = match &self.shared.store {
            Some(store) => ask(store, Box::new(move || shared.driver.raise())),
            None => Err(without_store),
        };
        self.inputs.extend(asked.err());
    }

    /// Ends the client: every publication, stream and wait gets its last word.
    fn end(&mut self, why: Disconnection) {
        let Some(engine) = self.shared.lock().take_engine(why.clone()) else { return };
        // Without the lock: it drops messages, which may be the application's.
        let events = engine.end();
        {
            let mut inner = self.shared.lock();
            for event in events {
                inner.dispatch(event, &mut self.effects);
            }
            inner.end_everybody(&why, &mut self.effects);
        }
        self.last_writes = self.shared.store.as_ref().map(|store| LastWrites::until_closed(store.close()));
        self.effects.apply(&self.shared);
        self.shared.feed.close();
        self.dial = None;
        self.link = None;
        self.inputs.clear();
        self.timer.set(None);
        self.ended = Some(why);
    }
}

impl Drop for Driver {
    /// The client was over, or the runtime is shutting down: then nobody may wait for ever.
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.end(Disconnection::of_ended_runtime());
        }
        if let Some(why) = self.ended.take() {
            self.shared.state.send_replace(ConnectionState::Ended(why));
        }
    }
}

/// What one turn asks for, done without the lock.
#[derive(Default)]
struct Outputs {
    transmit: Option<Outgoing>,
    dial: Option<(Version, u32, Target)>,
    closes: bool,
    closed: Option<Link>,
    persist: Option<Batch>,
    load: Option<(PublicationId, usize)>,
}

fn set_credentials(engine: &mut ClientEngine, credentials: Credentials) -> Result<(), Box<TransportError>> {
    let user_name = credentials.user_name.map(Text::try_from).transpose()?;
    engine.set_credentials(user_name, credentials.password.map(Secret))?;
    Ok(())
}
