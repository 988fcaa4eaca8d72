//! The scenarios of the client engine: one message to the end of its exchange, the client's decoder included.
//!
//! The broker is no engine but knows the layout of what it gets, so that it costs a few instructions for each packet and
//! the figures are the client's.

use std::hint::black_box;

use bowline_proto::client::{ClientConfig, ClientEngine, Delivery, Event, Input, Output, Qos0Limits};
use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::{PublishHeader, Subscription};
use bowline_proto::types::{SubscriptionOptions, Text};
use bowline_proto::{PacketId, QoS, ReasonCode, Role, Timestamp, TopicFilter, Version};

use crate::{BATCH, PAYLOAD_BYTES, Scenario, TOPIC, batches, message};

/// Publishing and receiving, for each QoS.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    ("engine publish qos0 5.0", |repetitions| publish(QoS::AtMostOnce, repetitions)),
    ("engine publish qos1 5.0", |repetitions| publish(QoS::AtLeastOnce, repetitions)),
    ("engine publish qos2 5.0", |repetitions| publish(QoS::ExactlyOnce, repetitions)),
    ("engine receive qos0 5.0", |repetitions| receive(QoS::AtMostOnce, repetitions)),
    ("engine receive qos1 5.0", |repetitions| receive(QoS::AtLeastOnce, repetitions)),
    ("engine receive qos2 5.0", |repetitions| receive(QoS::ExactlyOnce, repetitions)),
];

/// Time stands still: no timer is due.
const NOW: Timestamp = Timestamp::ZERO;
/// Where the packet identifier of a PUBLISH stands: after type, remaining length (two bytes here), topic length and topic.
const PUBLISH_ID_AT: usize = 1 + 2 + 2 + TOPIC.len();
/// The identifier, the property length (one byte) and the payload follow.
const PUBLISH_BYTES: usize = PUBLISH_ID_AT + 2 + 1 + PAYLOAD_BYTES;

/// One operation: a message is accepted, written, and acknowledged as its QoS asks, until its outcome has been told.
fn publish(qos: QoS, repetitions: u32) {
    let mut client = Client::connected();
    let message = message(qos);
    let expected = if qos == QoS::AtMostOnce { 0 } else { u32::from(BATCH) };
    for _ in 0..batches(repetitions) {
        client.ended = 0;
        for _ in 0..BATCH {
            black_box(client.engine.publish(message.clone(), NOW)).expect("there is room for a batch");
        }
        client.settle();
        assert_eq!(client.ended, expected, "every message of the batch has an outcome");
    }
}

/// One operation: the bytes of a message become a delivery, which a stream takes, and its acknowledgements are written.
fn receive(qos: QoS, repetitions: u32) {
    let mut client = Client::connected();
    let filter = TopicFilter::from_static(TOPIC).expect("the filter is valid");
    let subscription = Subscription { filter, options: SubscriptionOptions::new(qos) };
    client.engine.subscribe(vec![subscription], Qos0Limits::default(), Vec::new()).expect("it is valid");
    client.settle();
    let batch = published_batch(qos);
    for _ in 0..batches(repetitions) {
        client.taken = 0;
        client.read(black_box(&batch));
        client.settle();
        assert_eq!(client.taken, u32::from(BATCH), "every message of the batch was delivered");
    }
}

fn published_batch(qos: QoS) -> Vec<u8> {
    let encoder = Encoder::new(Version::V5, Role::Server, u32::MAX);
    let mut out = Outgoing::new();
    for number in 1..=BATCH {
        let packet_id =
            (qos != QoS::AtMostOnce).then(|| PacketId::new(number).expect("batches count from 1"));
        let header = PublishHeader { packet_id, ..PublishHeader::default() };
        encoder.publish(&mut out, &message(qos), &header).expect("the message fits");
    }
    out.to_vec()
}

/// The engine and what a driver keeps beside it.
struct Client {
    engine: ClientEngine,
    decoder: Decoder,
    /// What the broker has answered and the client has not read yet; kept to be filled again.
    answers: Vec<u8>,
    ended: u32,
    taken: u32,
}

impl Client {
    fn connected() -> Self {
        let config = ClientConfig::new(Version::V5, Text::try_from("counted").expect("it is valid"));
        let engine = ClientEngine::new(config, 1, NOW, NOW).expect("the options are valid");
        let decoder = Decoder::for_client(Version::V5, u32::MAX);
        let mut client = Self { engine, decoder, answers: Vec::new(), ended: 0, taken: 0 };
        client.engine.connect(NOW);
        client.settle();
        assert_eq!(client.engine.state_name(), "Active");
        client
    }

    /// Does what the engine says until it has nothing more to say.
    fn settle(&mut self) {
        loop {
            match self.engine.poll_output(NOW) {
                Output::Dial { .. } => self.engine.handle_input(Input::Connected, NOW),
                Output::Transmit(buffer) => self.transmit(buffer),
                Output::Event(event) => self.on_event(event),
                Output::Sleep { .. } => return,
                other => panic!("not part of any scenario: {other:?}"),
            }
        }
    }

    fn transmit(&mut self, buffer: Outgoing) {
        let mut answers = std::mem::take(&mut self.answers);
        buffer.chunks().for_each(|chunk| answer(chunk, &mut answers));
        self.engine.handle_input(Input::Transmitted(buffer), NOW);
        self.read(&answers);
        answers.clear();
        self.answers = answers;
    }

    fn read(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
        while let Some(packet) = self.decoder.next_packet().expect("what the broker writes is valid") {
            self.engine.handle_input(Input::Packet(packet), NOW);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(delivery) => self.take(&delivery),
            Event::PublishEnded { .. } => self.ended += 1,
            Event::Connected(_) | Event::Subscribed { .. } => {}
            other => panic!("not part of any scenario: {other:?}"),
        }
    }

    fn take(&mut self, delivery: &Delivery) {
        self.taken += 1;
        black_box(&delivery.message);
        for stream in delivery.streams.iter() {
            match delivery.delivery {
                Some(id) => self.engine.take(id, stream, ReasonCode::Success).expect("it is due"),
                None => self.engine.take_qos0(stream),
            }
        }
    }
}

/// What a broker answers to one write: packets of one type, told by its first byte.
fn answer(sent: &[u8], answers: &mut Vec<u8>) {
    match sent[0] {
        0x10 => answers.extend_from_slice(&[0x20, 3, 0, 0, 0]),
        0x82 => answers.extend_from_slice(&[0x90, 4, sent[2], sent[3], 0, sent[sent.len() - 1] & 3]),
        0x30 | 0x40 | 0x70 => {}
        0x32 => acknowledge(0x40, sent, PUBLISH_BYTES, PUBLISH_ID_AT, answers),
        0x34 => acknowledge(0x50, sent, PUBLISH_BYTES, PUBLISH_ID_AT, answers),
        0x50 => acknowledge(0x62, sent, 4, 2, answers),
        0x62 => acknowledge(0x70, sent, 4, 2, answers),
        other => panic!("not part of any scenario: a packet that begins with {other:#04x}"),
    }
}

fn acknowledge(first: u8, sent: &[u8], packet_bytes: usize, id_at: usize, answers: &mut Vec<u8>) {
    assert!(sent.len().is_multiple_of(packet_bytes), "all packets of one write are alike");
    for packet in sent.chunks_exact(packet_bytes) {
        assert_eq!(packet[0], sent[0], "all packets of one write are alike");
        answers.extend_from_slice(&[first, 2, packet[id_at], packet[id_at + 1]]);
    }
}
