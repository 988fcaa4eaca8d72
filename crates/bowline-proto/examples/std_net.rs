//! The client engine on a plain `std::net::TcpStream`: no runtime, no thread, no async. Connects, subscribes, publishes
//! three messages at QoS 2 to itself, receives them, and disconnects.
//!
//! ```text
//! cargo run -p bowline-proto --example std_net -- 127.0.0.1:1883 5      (or 311, or 31)
//! ```
//!
//! This is the whole of what a driver has to do; everything about MQTT is in the engine.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bowline_proto::client::{ClientConfig, ClientEngine, Event, Input, Output, Qos0Limits, Reconnect};
use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::{Disconnect, Subscription};
use bowline_proto::types::{SubscriptionOptions, Text};
use bowline_proto::{Message, QoS, ReasonCode, Timestamp, TopicFilter, TopicName, Version};

const MESSAGES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1883".into());
    let version = match arguments.next().as_deref() {
        None | Some("5") => Version::V5,
        Some("311") => Version::V3_1_1,
        Some("31") => Version::V3_1,
        Some(other) => return Err(format!("unknown version {other}: 5, 311 and 31 are known").into()),
    };
    let mut config = ClientConfig::new(version, Text::try_from(format!("std-net-{}", std::process::id()))?);
    config.reconnect = Reconnect::Never;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let engine = ClientEngine::new(config, wall.as_nanos() as u64, Timestamp::ZERO, Timestamp::ZERO + wall)?;
    let driver = Driver { engine, start: Instant::now(), address, socket: None };
    Application {
        driver,
        topic: format!("bowline/std-net/{}", std::process::id()),
        received: 0,
        acknowledged: 0,
    }
    .run()
}

/// What a user of the engine writes: what to do at which event.
struct Application {
    driver: Driver,
    topic: String,
    received: usize,
    acknowledged: usize,
}

impl Application {
    fn run(mut self) -> Result<(), Box<dyn Error>> {
        let now = self.driver.now();
        self.driver.engine.connect(now);
        while let Some(event) = self.driver.next_event()? {
            self.on_event(event)?;
        }
        if (self.received, self.acknowledged) != (MESSAGES, MESSAGES) {
            return Err(format!(
                "{} received, {} acknowledged of {MESSAGES}",
                self.received, self.acknowledged
            )
            .into());
        }
        println!("done: {MESSAGES} messages published and received at QoS 2");
        Ok(())
    }

    fn on_event(&mut self, event: Event) -> Result<(), Box<dyn Error>> {
        let now = self.driver.now();
        let engine = &mut self.driver.engine;
        match event {
            Event::Connected(connected) => {
                println!("connected, session present: {:?}", connected.session_present);
                let filter = TopicFilter::try_from(self.topic.as_str())?;
                let subscription =
                    Subscription { filter, options: SubscriptionOptions::new(QoS::ExactlyOnce) };
                engine.subscribe(vec![subscription], Qos0Limits::default(), Vec::new())?;
            }
            Event::Subscribed { results, .. } => {
                println!("subscribed: {results:?}");
                for n in 1..=MESSAGES {
                    let topic = TopicName::try_from(self.topic.as_str())?;
                    let message = Message::new(topic, format!("reading {n}")).with_qos(QoS::ExactlyOnce);
                    engine.publish(message, now)?;
                }
            }
            Event::Message(delivery) => {
                self.received += 1;
                println!(
                    "received {:?}: {}",
                    delivery.message.topic,
                    String::from_utf8_lossy(&delivery.message.payload)
                );
                if let Some(id) = delivery.delivery {
                    for stream in delivery.streams.iter() {
                        engine.take(id, stream, ReasonCode::Success)?;
                    }
                }
            }
            Event::PublishEnded { publication, outcome } => {
                self.acknowledged += 1;
                println!("publication {} ended: {outcome:?}", publication.as_u64());
            }
            Event::Disconnected(cause) => println!("disconnected: {cause}"),
            other => println!("{other:?}"),
        }
        if self.received == MESSAGES && self.acknowledged == MESSAGES {
            engine.disconnect(Disconnect::new(ReasonCode::Success), now)?;
        }
        Ok(())
    }
}

/// A driver: moves bytes and time, decides nothing.
struct Driver {
    engine: ClientEngine,
    start: Instant,
    address: String,
    socket: Option<(TcpStream, Decoder)>,
}

impl Driver {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    /// Runs the engine until it has something to tell; `None` when it has stopped.
    fn next_event(&mut self) -> Result<Option<Event>, Box<dyn Error>> {
        loop {
            if self.start.elapsed() > PATIENCE {
                return Err("out of patience".into());
            }
            match self.engine.poll_output(self.now()) {
                Output::Event(Event::Stopped) => return Ok(None),
                Output::Event(event) => return Ok(Some(event)),
                Output::Dial { version, packet_bytes_max } => self.dial(version, packet_bytes_max),
                Output::Transmit(buffer) => self.transmit(buffer),
                Output::Close => self.socket = None,
                Output::Persist(_) | Output::Load { .. } => unreachable!("the session is not durable"),
                Output::Sleep { until } => self.sleep(until)?,
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle_input(input, now);
    }

    fn dial(&mut self, version: Version, packet_bytes_max: u32) {
        match TcpStream::connect(&self.address) {
            Ok(socket) => {
                self.socket = Some((socket, Decoder::for_client(version, packet_bytes_max)));
                self.input(Input::Connected);
            }
            Err(error) => {
                eprintln!("{}: {error}", self.address);
                self.input(Input::DialFailed);
            }
        }
    }

    fn transmit(&mut self, buffer: Outgoing) {
        let Some((socket, _)) = &mut self.socket else { return };
        let written = buffer.chunks().try_for_each(|chunk| socket.write_all(chunk));
        self.input(if written.is_ok() { Input::Transmitted(buffer) } else { Input::TransportFailed });
    }

    /// Waits for bytes, but not longer than the engine allows.
    fn sleep(&mut self, until: Option<Timestamp>) -> Result<(), Box<dyn Error>> {
        let left = until.map_or(PATIENCE, |until| until.saturating_since(self.now()));
        let timeout = left.clamp(Duration::from_millis(1), PATIENCE);
        let Some((socket, decoder)) = &mut self.socket else {
            std::thread::sleep(timeout);
            return Ok(());
        };
        socket.set_read_timeout(Some(timeout))?;
        let mut bytes = [0; 4096];
        match socket.read(&mut bytes) {
            Ok(0) => self.input(Input::Closed),
            Ok(count) => {
                decoder.feed(&bytes[..count]);
                self.input(Input::BytesReceived);
                self.decode();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.input(Input::TransportFailed),
        }
        Ok(())
    }

    fn decode(&mut self) {
        while let Some((_, decoder)) = &mut self.socket {
            match decoder.next_packet() {
                Ok(Some(packet)) => self.input(Input::Packet(packet)),
                Ok(None) => return,
                Err(error) => return self.input(Input::Malformed(error)),
            }
        }
    }
}
