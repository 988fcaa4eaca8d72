//! Decoding arbitrary bytes from either side: no panic, and the same outcome in whatever portions they come.

use bowline_proto::Version;
use bowline_proto::codec::{DecodeError, Decoder};
use bowline_proto::packet::Packet;

use crate::plan::{Plan, smallest_connect};

/// Decodes what a server might send.
pub fn decode_from_server(input: &[u8]) {
    let Some((plan, bytes)) = Plan::split(input) else { return };
    same_outcome(plan, &bytes, || Decoder::for_client(plan.version(), plan.packet_bytes_max()));
}

/// Decodes what a client might send, mostly after a CONNECT that is legal.
pub fn decode_from_client(input: &[u8]) {
    let Some((plan, bytes)) = Plan::split(input) else { return };
    same_outcome(plan, &bytes, || {
        let mut decoder = Decoder::for_server(plan.packet_bytes_max());
        if !plan.has_own_connect() {
            decoder.feed(smallest_connect(plan.version()));
        }
        decoder
    });
}

/// Everything that a decoder has said.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    packets: Vec<Packet>,
    error: Option<DecodeError>,
}

impl Outcome {
    fn drain(&mut self, decoder: &mut Decoder) {
        loop {
            match decoder.next_packet() {
                Ok(Some(packet)) => {
                    assert!(self.error.is_none(), "a packet after an error");
                    self.packets.push(packet);
                }
                Ok(None) => {
                    assert!(self.error.is_none(), "the error was forgotten");
                    return;
                }
                Err(error) => {
                    assert!(self.error.is_none_or(|before| before == error), "the error changed");
                    assert!(error.reason().is_failure() && !error.to_string().is_empty());
                    assert_eq!(decoder.buffered_bytes(), 0, "bytes are kept after an error");
                    self.error = Some(error);
                    return;
                }
            }
        }
    }
}

fn same_outcome(plan: Plan, bytes: &[u8], new_decoder: impl Fn() -> Decoder) {
    let mut at_once = Outcome::default();
    let mut decoder = new_decoder();
    decoder.feed(bytes);
    at_once.drain(&mut decoder);
    assert!(decoder.buffered_bytes() <= bytes.len());
    let version: Option<Version> = decoder.version();
    if plan.is_one_read() {
        return;
    }

    let mut in_portions = Outcome::default();
    let mut decoder = new_decoder();
    plan.feed(&mut decoder, bytes, |decoder| in_portions.drain(decoder));
    assert_eq!(in_portions, at_once);
    assert_eq!(decoder.version(), version);
}
