//! The output buffer against a plain vector of bytes.

use bowline_proto::codec::outgoing::{CAPACITY_KEPT_BYTES_MAX, SHARED_PAYLOAD_BYTES_MIN};
use bowline_proto::codec::{Encoder, Outgoing};
use bowline_proto::packet::PublishHeader;
use bowline_proto::{Message, Role, Version};
use proptest::prelude::*;

use crate::codec::{NO_LIMIT, topic};

fn push(out: &mut Outgoing, payload_bytes: usize, byte: u8) {
    let message = Message::new(topic("t"), vec![byte; payload_bytes]);
    let encoder = Encoder::new(Version::V3_1_1, Role::Client, NO_LIMIT);
    encoder.publish(out, &message, &PublishHeader::default()).expect("no limit");
}

#[derive(Clone, Debug)]
enum Step {
    Push { payload_bytes: usize, byte: u8 },
    Advance { share: f64 },
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let small = (0..300_usize, any::<u8>());
    let large = (SHARED_PAYLOAD_BYTES_MIN - 1..40_000, any::<u8>());
    let push = |(payload_bytes, byte)| Step::Push { payload_bytes, byte };
    let step = prop_oneof![
        4 => small.prop_map(push),
        3 => large.prop_map(push),
        6 => (0.0..=1.0).prop_map(|share| Step::Advance { share }),
        1 => Just(Step::Clear),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn it_holds_what_a_vector_would_hold(steps in steps()) {
        let mut out = Outgoing::new();
        let mut model = Vec::new();
        for step in steps {
            match step {
                Step::Push { payload_bytes, byte } => {
                    let mut alone = Outgoing::new();
                    push(&mut alone, payload_bytes, byte);
                    model.extend(alone.to_vec());
                    push(&mut out, payload_bytes, byte);
                }
                Step::Advance { share } => {
                    let bytes = (model.len() as f64 * share) as usize;
                    out.advance(bytes);
                    model.drain(..bytes);
                }
                Step::Clear => {
                    out.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(out.len(), model.len());
            prop_assert_eq!(out.is_empty(), model.is_empty());
            prop_assert_eq!(out.chunks().next().unwrap_or_default(), out.chunk());
            prop_assert!(out.chunks().all(|chunk| !chunk.is_empty()));
            prop_assert_eq!(out.to_vec(), model.clone());
        }
    }
}

#[test]
fn a_buffer_that_never_runs_empty_keeps_its_order() {
    let mut out = Outgoing::new();
    let mut model = Vec::new();
    for round in 0..2000 {
        let payload_bytes = if round % 50 == 0 { 5000 } else { 150 };
        let mut alone = Outgoing::new();
        push(&mut alone, payload_bytes, round as u8);
        model.extend(alone.to_vec());
        push(&mut out, payload_bytes, round as u8);
        if round > 100 {
            out.advance(alone.len() - 1);
            model.drain(..alone.len() - 1);
        }
        assert_eq!(out.chunk(), &model[..out.chunk().len()]);
    }
    assert_eq!(out.to_vec(), model);
}

#[test]
#[should_panic(expected = "8 bytes were written, but only 7 waited")]
fn more_than_waits_cannot_have_been_written() {
    let mut out = Outgoing::new();
    push(&mut out, 2, 0);
    out.advance(8);
}

#[test]
fn debug_output_shows_no_content() {
    let mut out = Outgoing::new();
    push(&mut out, CAPACITY_KEPT_BYTES_MAX, b'x');
    assert_eq!(format!("{out:?}"), format!("Outgoing {{ len: {}, segments: 1 }}", out.len()));
}
