//! Scenarios whose instructions `cargo xtask instructions` counts under valgrind. Owns the scenarios, measures nothing.
//!
//! `instructions --list` prints their names, `instructions NAME REPETITIONS` runs one. A scenario does its preparations,
//! then repeats one operation. Only the difference between two numbers of repetitions is reported, so preparations are
//! free, and so is whatever a buffer needs to grow to its working size once.

use std::hint::black_box;
use std::process::ExitCode;

use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::{Ack, PublishHeader};
use bowline_proto::types::PacketType;
use bowline_proto::{Bytes, Message, PacketId, QoS, Role, TopicName, Version};

/// A scenario: its name and what repeats its operation.
type Scenario = (&'static str, fn(u32));

/// All of them. Whoever adds one runs `cargo xtask instructions --accept` in the same commit.
const SCENARIOS: [Scenario; 16] = [
    ("encode publish qos0 3.1.1", |repetitions| {
        encode_publish(Version::V3_1_1, QoS::AtMostOnce, repetitions)
    }),
    ("encode publish qos0 5.0", |repetitions| encode_publish(Version::V5, QoS::AtMostOnce, repetitions)),
    ("encode publish qos1 3.1.1", |repetitions| {
        encode_publish(Version::V3_1_1, QoS::AtLeastOnce, repetitions)
    }),
    ("encode publish qos1 5.0", |repetitions| encode_publish(Version::V5, QoS::AtLeastOnce, repetitions)),
    ("encode puback 3.1.1", |repetitions| encode_puback(Version::V3_1_1, repetitions)),
    ("encode puback 5.0", |repetitions| encode_puback(Version::V5, repetitions)),
    ("decode publish qos0 3.1.1", |repetitions| {
        decode_publish(Version::V3_1_1, QoS::AtMostOnce, Feed::Block, repetitions)
    }),
    ("decode publish qos0 5.0", |repetitions| {
        decode_publish(Version::V5, QoS::AtMostOnce, Feed::Block, repetitions)
    }),
    ("decode publish qos1 3.1.1", |repetitions| {
        decode_publish(Version::V3_1_1, QoS::AtLeastOnce, Feed::Block, repetitions)
    }),
    ("decode publish qos1 5.0", |repetitions| {
        decode_publish(Version::V5, QoS::AtLeastOnce, Feed::Block, repetitions)
    }),
    ("copy+decode publish qos0 3.1.1", |repetitions| {
        decode_publish(Version::V3_1_1, QoS::AtMostOnce, Feed::Copy, repetitions)
    }),
    ("copy+decode publish qos0 5.0", |repetitions| {
        decode_publish(Version::V5, QoS::AtMostOnce, Feed::Copy, repetitions)
    }),
    ("copy+decode publish qos1 3.1.1", |repetitions| {
        decode_publish(Version::V3_1_1, QoS::AtLeastOnce, Feed::Copy, repetitions)
    }),
    ("copy+decode publish qos1 5.0", |repetitions| {
        decode_publish(Version::V5, QoS::AtLeastOnce, Feed::Copy, repetitions)
    }),
    ("decode puback 3.1.1", |repetitions| decode_puback(Version::V3_1_1, repetitions)),
    ("decode puback 5.0", |repetitions| decode_puback(Version::V5, repetitions)),
];

const TOPIC: &str = "site/7/line/3/temp/value";
const PAYLOAD_BYTES: usize = 256;
/// Packets in one read or one write: with 256-byte payloads about 28 KiB. Divides every number of repetitions.
const BATCH: u32 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [list] if list == "--list" => {
            for (name, _) in SCENARIOS {
                println!("{name}");
            }
            ExitCode::SUCCESS
        }
        [name, repetitions] => run(name, repetitions),
        _ => complain("usage: instructions --list | instructions NAME REPETITIONS"),
    }
}

fn run(name: &str, repetitions: &str) -> ExitCode {
    let scenario = SCENARIOS.iter().find(|(known, _)| *known == name);
    match (scenario, repetitions.parse::<u32>()) {
        (Some((_, repeat)), Ok(repetitions)) if repetitions.is_multiple_of(BATCH) => {
            repeat(repetitions);
            ExitCode::SUCCESS
        }
        (None, _) => complain(&format!("there is no scenario `{name}`")),
        _ => complain(&format!("`{repetitions}` is not a multiple of {BATCH}")),
    }
}

fn complain(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

/// One operation: a message becomes bytes in the output buffer. The buffer is emptied once per batch, as by a write.
fn encode_publish(version: Version, qos: QoS, repetitions: u32) {
    let encoder = black_box(Encoder::new(version, Role::Client, u32::MAX));
    let message = black_box(message(qos));
    let mut out = Outgoing::new();
    for _ in 0..repetitions / BATCH {
        append_publishes(&encoder, &message, &mut out);
        black_box(&out);
        out.clear();
    }
}

fn encode_puback(version: Version, repetitions: u32) {
    let encoder = black_box(Encoder::new(version, Role::Client, u32::MAX));
    let mut out = Outgoing::new();
    for _ in 0..repetitions / BATCH {
        append_pubacks(&encoder, &mut out);
        black_box(&out);
        out.clear();
    }
}

/// How the bytes of a batch reach the decoder.
#[derive(Clone, Copy)]
enum Feed {
    /// As a block that the decoder keeps: packets are slices of it.
    Block,
    /// As a read buffer that the decoder must not keep.
    Copy,
}

/// One operation: the bytes of one PUBLISH become a packet, which is dropped.
fn decode_publish(version: Version, qos: QoS, feed: Feed, repetitions: u32) {
    let encoder = Encoder::new(version, Role::Server, u32::MAX);
    let mut out = Outgoing::new();
    append_publishes(&encoder, &message(qos), &mut out);
    decode(version, &out, feed, repetitions);
}

fn decode_puback(version: Version, repetitions: u32) {
    let encoder = Encoder::new(version, Role::Server, u32::MAX);
    let mut out = Outgoing::new();
    append_pubacks(&encoder, &mut out);
    decode(version, &out, Feed::Block, repetitions);
}

fn decode(version: Version, batch: &Outgoing, feed: Feed, repetitions: u32) {
    let block = Bytes::from(batch.to_vec());
    let mut decoder = black_box(Decoder::for_client(version, u32::MAX));
    for _ in 0..repetitions / BATCH {
        match feed {
            Feed::Block => decoder.feed_block(block.clone()),
            Feed::Copy => decoder.feed(black_box(&block)),
        }
        for _ in 0..BATCH {
            let packet = decoder.next_packet().expect("what the encoder wrote is valid");
            black_box(packet.expect("the batch was fed whole"));
        }
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

fn append_publishes(encoder: &Encoder, message: &Message, out: &mut Outgoing) {
    for number in 1..=BATCH {
        let packet_id = (message.qos != QoS::AtMostOnce).then(|| packet_id(number));
        let header = PublishHeader { packet_id, ..PublishHeader::default() };
        encoder.publish(out, black_box(message), &header).expect("the message fits");
    }
}

fn append_pubacks(encoder: &Encoder, out: &mut Outgoing) {
    for number in 1..=BATCH {
        let ack = black_box(Ack::success(packet_id(number)));
        encoder.ack(out, PacketType::PubAck, &ack, false).expect("an acknowledgement fits");
    }
}

fn message(qos: QoS) -> Message {
    let topic = TopicName::from_static(TOPIC).expect("the topic is valid");
    Message::new(topic, vec![0x5A; PAYLOAD_BYTES]).with_qos(qos)
}

fn packet_id(number: u32) -> PacketId {
    let number = u16::try_from(number).expect("a batch is small");
    PacketId::new(number).expect("batches count from 1")
}
