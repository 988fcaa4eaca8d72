//! The scenarios of the codec: one message or packet to bytes, and bytes to one packet.

use std::hint::black_box;

use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::{Ack, PublishHeader};
use bowline_proto::types::PacketType;
use bowline_proto::{Bytes, Message, PacketId, QoS, Role, Version};

use crate::{BATCH, Scenario, batches, message};

/// Encoding and decoding, for 3.1.1 and 5.0.
pub(crate) const SCENARIOS: [Scenario; 16] = [
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

/// One operation: a message becomes bytes in the output buffer. The buffer is emptied once per batch, as by a write.
fn encode_publish(version: Version, qos: QoS, repetitions: u32) {
    let encoder = black_box(Encoder::new(version, Role::Client, u32::MAX));
    let message = black_box(message(qos));
    let mut out = Outgoing::new();
    for _ in 0..batches(repetitions) {
        append_publishes(&encoder, &message, &mut out);
        black_box(&out);
        out.clear();
    }
}

fn encode_puback(version: Version, repetitions: u32) {
    let encoder = black_box(Encoder::new(version, Role::Client, u32::MAX));
    let mut out = Outgoing::new();
    for _ in 0..batches(repetitions) {
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
    for _ in 0..batches(repetitions) {
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

fn packet_id(number: u16) -> PacketId {
    PacketId::new(number).expect("batches count from 1")
}
