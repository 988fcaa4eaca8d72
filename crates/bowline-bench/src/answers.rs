//! What a raw end answers to what it reads: looks at headers and copies packet identifiers. Knows no socket.

use std::io;

use crate::plan::Plan;

/// What one end has read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// PUBLISH packets.
    pub(crate) published: u64,
    /// PUBREL packets.
    pub(crate) released: u64,
    /// PUBACK and PUBCOMP packets: messages of ours that are over.
    pub(crate) completed: u64,
    pub(crate) has_subscribed: bool,
}

/// Answers every whole packet of `bytes`, all answers together, and returns how many bytes these packets had.
pub(crate) fn answer(
    plan: &Plan,
    bytes: &[u8],
    answers: &mut Vec<u8>,
    counted: &mut Counted,
) -> io::Result<usize> {
    let mut used = 0;
    while let Some((first, body)) = packet(&bytes[used..]) {
        used += body.end;
        let body = &bytes[used - body.len()..used];
        match first >> 4 {
            1 => answers.extend_from_slice(plan.connack()),
            // CONNACK, SUBACK and PINGRESP need nothing, and DISCONNECT is followed by the end of the stream.
            2 | 9 | 13 | 14 => {}
            3 => {
                counted.published += 1;
                let kind = [0, 0x40, 0x50, 0][usize::from(first >> 1 & 3)];
                if kind != 0 {
                    let id_at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    answers.extend_from_slice(&[kind, 2, body[id_at], body[id_at + 1]]);
                }
            }
            4 | 7 => counted.completed += 1,
            5 => answers.extend_from_slice(&[0x62, 2, body[0], body[1]]),
            6 => {
                counted.released += 1;
                answers.extend_from_slice(&[0x70, 2, body[0], body[1]]);
            }
            8 => {
                counted.has_subscribed = true;
                answers.extend_from_slice(&plan.suback([body[0], body[1]]));
            }
            12 => answers.extend_from_slice(&[0xD0, 0]),
            _ => return Err(io::Error::other(format!("a packet that begins with {first:#04x}"))),
        }
    }
    Ok(used)
}

/// The first byte of the packet and where its body lies, if all of it is there.
fn packet(bytes: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let (mut at, mut length, mut shift) = (1, 0, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift == 28 {
            break;
        }
    }
    (bytes.len() >= at + length).then(|| (bytes[0], at..at + length))
}
