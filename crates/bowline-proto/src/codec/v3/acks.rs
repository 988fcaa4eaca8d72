//! PUBACK, PUBREC, PUBREL and PUBCOMP of 3.1 and 3.1.1: a packet identifier. Writing is one line in the encoder.

use crate::codec::reader::{Decoded, Reader};
use crate::packet::Ack;

pub(crate) fn read(reader: &mut Reader<'_>) -> Decoded<Ack> {
    Ok(Ack::success(reader.packet_id()?))
}
