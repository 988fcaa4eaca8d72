//! Scenarios whose instructions `cargo xtask instructions` counts under valgrind. Owns the list, measures nothing.
//!
//! `instructions --list` prints their names, `instructions NAME REPETITIONS` runs one. A scenario does its preparations,
//! then repeats one operation. Only the difference between two numbers of repetitions is reported, so preparations are
//! free, and so is whatever a buffer needs to grow to its working size once.

mod codec;
mod engine;
mod routing;

use std::process::ExitCode;

use bowline_proto::{Message, QoS, TopicName};

/// A scenario: its name and what repeats its operation.
type Scenario = (&'static str, fn(u32));

const TOPIC: &str = "site/7/line/3/temp/value";
const PAYLOAD_BYTES: usize = 256;
/// Packets in one read or one write: with 256-byte payloads about 28 KiB. Divides every number of repetitions.
const BATCH: u16 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [list] if list == "--list" => {
            scenarios().for_each(|(name, _)| println!("{name}"));
            ExitCode::SUCCESS
        }
        [name, repetitions] => run(name, repetitions),
        _ => complain("usage: instructions --list | instructions NAME REPETITIONS"),
    }
}

fn run(name: &str, repetitions: &str) -> ExitCode {
    let scenario = scenarios().find(|(known, _)| *known == name);
    match (scenario, repetitions.parse::<u32>()) {
        (Some((_, repeat)), Ok(repetitions)) if repetitions.is_multiple_of(BATCH.into()) => {
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

/// All of them. Whoever adds one runs `cargo xtask instructions --accept` in the same commit.
fn scenarios() -> impl Iterator<Item = Scenario> {
    codec::SCENARIOS.into_iter().chain(engine::SCENARIOS).chain(routing::SCENARIOS)
}

/// How often a batch has to be repeated.
fn batches(repetitions: u32) -> u32 {
    repetitions / u32::from(BATCH)
}

/// The message that all scenarios send.
fn message(qos: QoS) -> Message {
    let topic = TopicName::from_static(TOPIC).expect("the topic is valid");
    Message::new(topic, vec![0x5A; PAYLOAD_BYTES]).with_qos(qos)
}
