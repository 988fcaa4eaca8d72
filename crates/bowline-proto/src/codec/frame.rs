//! Fixed headers, and cutting a byte stream into whole packets. Knows nothing of what is inside a packet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use crate::codec::error::DecodeErrorKind;
use crate::packet::PacketType;
use crate::reason::Role;
use crate::types::varint::VARINT_BYTES_MAX;
use crate::version::Version;

/// Packets that are copied together share a block of about this size, so that a message which is kept for long
/// holds on to no more than this, or to its own packet if that is larger.
const BLOCK_BYTES_TARGET: usize = 16 * 1024;

/// The least room that is made for a packet that is still arriving, unless it is known to be smaller.
const PARTIAL_BYTES_MIN: usize = 1024;

/// The first byte and the remaining length of a packet (section 2.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedHeader {
    pub(crate) first: u8,
    pub(crate) header_bytes: usize,
    pub(crate) remaining_bytes: usize,
}

impl FixedHeader {
    /// Reads one from the start of `bytes`; `None` if its end has not arrived yet.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, DecodeErrorKind> {
        match *bytes {
            [first, low, ..] if low < 0x80 => {
                Ok(Some(Self { first, header_bytes: 2, remaining_bytes: usize::from(low) }))
            }
            [first, low, high, ..] if high < 0x80 && high != 0 => {
                let remaining_bytes = usize::from(low & 0x7F) | usize::from(high) << 7;
                Ok(Some(Self { first, header_bytes: 3, remaining_bytes }))
            }
            _ => Self::parse_any(bytes),
        }
    }

    fn parse_any(bytes: &[u8]) -> Result<Option<Self>, DecodeErrorKind> {
        let Some((&first, length)) = bytes.split_first() else { return Ok(None) };
        Ok(varint(length, "remaining length")?.map(|(remaining, taken)| Self {
            first,
            header_bytes: 1 + taken,
            remaining_bytes: remaining as usize,
        }))
    }

    pub(crate) const fn packet_bytes(&self) -> usize {
        self.header_bytes + self.remaining_bytes
    }
}

/// Reads a variable byte integer and says how many bytes it took; `None` if it does not end within `bytes`.
pub(crate) fn varint(bytes: &[u8], field: &'static str) -> Result<Option<(u32, usize)>, DecodeErrorKind> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            // [MQTT-1.5.5-1]
            if byte == 0 && at > 0 {
                return Err(DecodeErrorKind::VarintNotMinimal { field, value });
            }
            return Ok(Some((value, at + 1)));
        }
    }
    // [MQTT-1.5.5-1]
    if bytes.len() >= VARINT_BYTES_MAX { Err(DecodeErrorKind::VarintTooLong { field }) } else { Ok(None) }
}

/// The packet type of a first byte, if `sender` may send such a packet in this version and the flag bits fit.
///
/// `version` is `None` before a client has sent CONNECT.
pub(crate) fn packet_type(
    first: u8,
    version: Option<Version>,
    sender: Role,
) -> Result<PacketType, DecodeErrorKind> {
    let packet = PacketType::from_u8(first >> 4).ok_or(DecodeErrorKind::ReservedPacketType)?;
    let Some(version) = version else {
        // [MQTT-3.1.0-1]
        return match packet {
            PacketType::Connect => check_flags(packet, first & 0x0F, false).map(|()| packet),
            _ => Err(DecodeErrorKind::FirstNotConnect),
        };
    };
    if packet == PacketType::Auth && !version.rules().has_properties {
        return Err(DecodeErrorKind::NotInVersion { version });
    }
    let server_disconnects = version.rules().has_disconnect_reason;
    if !may_send(sender, packet)
        || (packet == PacketType::Disconnect && sender == Role::Server && !server_disconnects)
    {
        return Err(DecodeErrorKind::WrongSender { sender });
    }
    // [MQTT-3.1.0-2]
    if packet == PacketType::Connect {
        return Err(DecodeErrorKind::SecondConnect);
    }
    check_flags(packet, first & 0x0F, version.rules().pubrel_carries_dup)?;
    Ok(packet)
}

/// Whether this side of a connection sends such packets in any version.
pub(crate) const fn may_send(sender: Role, packet: PacketType) -> bool {
    match packet {
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
            matches!(sender, Role::Client)
        }
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            matches!(sender, Role::Server)
        }
        _ => true,
    }
}

const DUP: u8 = 0b1000;

/// The flag bits that a packet other than PUBLISH has.
// [MQTT-2.2.2-1 of 3.1.1] [MQTT-3.14.1-1 of 3.1.1]
pub(crate) const fn flags_of(packet: PacketType) -> u8 {
    match packet {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
        _ => 0b0000,
    }
}

/// The first byte of a packet other than PUBLISH. `dup` is for the three types that have the flag in 3.1.
pub(crate) const fn first_byte(packet: PacketType, dup: bool) -> u8 {
    packet.as_u8() << 4 | flags_of(packet) | if dup { DUP } else { 0 }
}

fn check_flags(packet: PacketType, flags: u8, has_dup: bool) -> Result<(), DecodeErrorKind> {
    let expected = flags_of(packet);
    let tolerated = if has_dup && expected != 0 { DUP } else { 0 };
    // [MQTT-2.1.3-1] [MQTT-2.2.2-2 of 3.1.1] [MQTT-3.6.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1] [MQTT-3.6.1-1 of 3.1.1]
    if packet != PacketType::Publish && flags & !tolerated != expected {
        return Err(DecodeErrorKind::FlagBits { flags, expected });
    }
    Ok(())
}

/// A whole packet, as a range of a block.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) first: u8,
    pub(crate) block: &'a Bytes,
    pub(crate) body_start: usize,
    pub(crate) end: usize,
}

/// Cuts the stream into packets.
///
/// Blocks hold whole packets only; what is left of a read waits in `partial`, which grows as bytes arrive and
/// never by what a peer merely announces.
pub(crate) struct Frames {
    packet_bytes_max: u32,
    block: Bytes,
    block_at: usize,
    later_blocks: VecDeque<Bytes>,
    partial: Vec<u8>,
    /// The size of the packet in `partial`, 0 while its fixed header is incomplete.
    partial_packet_bytes: usize,
    broken: Option<Broken>,
}

/// A fixed header that ends the stream: what follows it cannot be cut any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    pub(crate) first: u8,
    pub(crate) kind: DecodeErrorKind,
}

impl Frames {
    pub(crate) const fn new(packet_bytes_max: u32) -> Self {
        Self {
            packet_bytes_max,
            block: Bytes::new(),
            block_at: 0,
            later_blocks: VecDeque::new(),
            partial: Vec::new(),
            partial_packet_bytes: 0,
            broken: None,
        }
    }

    /// Takes a read that the caller wants back: copies it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let bytes = self.complete_partial(bytes);
        let (mut start, mut at) = (0, 0);
        while let Some(packet_bytes) = self.whole_packet(&bytes[at..]) {
            if at > start && at + packet_bytes - start > BLOCK_BYTES_TARGET {
                self.push_block(Bytes::copy_from_slice(&bytes[start..at]));
                start = at;
            }
            at += packet_bytes;
        }
        if at > start {
            self.push_block(Bytes::copy_from_slice(&bytes[start..at]));
        }
        self.start_partial(&bytes[at..]);
    }

    /// Takes a block to keep: packets become slices of it, only an incomplete one at the end is copied.
    pub(crate) fn feed_block(&mut self, mut block: Bytes) {
        let used = block.len() - self.complete_partial(&block).len();
        let mut at = used;
        while let Some(packet_bytes) = self.whole_packet(&block[at..]) {
            at += packet_bytes;
        }
        self.start_partial(&block[at..]);
        if at > used {
            block.truncate(at);
            self.push_block(block.slice(used..));
        }
    }

    /// The next whole packet.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Frame<'_>> {
        if self.block_at == self.block.len() {
            self.block = self.later_blocks.pop_front().unwrap_or_default();
            self.block_at = 0;
        }
        let start = self.block_at;
        let header = FixedHeader::parse(&self.block[start..]).ok()??;
        self.block_at += header.packet_bytes();
        Some(Frame {
            first: header.first,
            block: &self.block,
            body_start: start + header.header_bytes,
            end: self.block_at,
        })
    }

    /// The fixed header that ended the stream, once all packets before it have been taken.
    pub(crate) const fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// The first byte of the packet that is still arriving.
    pub(crate) fn partial_first(&self) -> Option<u8> {
        self.partial.first().copied()
    }

    /// Bytes that wait to be decoded.
    pub(crate) fn buffered_bytes(&self) -> usize {
        let later: usize = self.later_blocks.iter().map(Bytes::len).sum();
        self.block.len() - self.block_at + later + self.partial.len()
    }

    /// The size of the packet at the start of `bytes` if all of it is there.
    #[inline]
    fn whole_packet(&mut self, bytes: &[u8]) -> Option<usize> {
        let packet_bytes = self.announced(bytes)?;
        (packet_bytes <= bytes.len()).then_some(packet_bytes)
    }

    /// The size of the packet at the start of `bytes` once its fixed header is there and acceptable.
    #[inline]
    fn announced(&mut self, bytes: &[u8]) -> Option<usize> {
        let kind = match FixedHeader::parse(bytes) {
            Ok(header) => {
                let packet_bytes = header?.packet_bytes();
                // Five bytes and 268,435,455 fit into 32 bits.
                let (bytes, limit) = (packet_bytes as u32, self.packet_bytes_max);
                // [MQTT-3.1.2-24]
                if bytes <= limit {
                    return Some(packet_bytes);
                }
                DecodeErrorKind::PacketTooLarge { bytes, limit }
            }
            Err(kind) => kind,
        };
        self.broken = Some(Broken { first: bytes[0], kind });
        None
    }

    /// Moves bytes to the packet that has begun, and returns what does not belong to it.
    fn complete_partial<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        if self.broken.is_some() {
            return &[];
        }
        if self.partial.is_empty() {
            return bytes;
        }
        while self.partial_packet_bytes == 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return bytes };
            self.append_to_partial(&[byte]);
            bytes = rest;
            let partial = mem::take(&mut self.partial);
            self.partial_packet_bytes = self.announced(&partial).unwrap_or(0);
            if self.broken.is_some() {
                return &[];
            }
            self.partial = partial;
        }
        let missing = self.partial_packet_bytes - self.partial.len();
        let (now, rest) = bytes.split_at(missing.min(bytes.len()));
        self.append_to_partial(now);
        if self.partial.len() == self.partial_packet_bytes {
            self.partial_packet_bytes = 0;
            let packet = mem::take(&mut self.partial);
            self.push_block(Bytes::from(packet));
        }
        rest
    }

    fn start_partial(&mut self, rest: &[u8]) {
        if rest.is_empty() || self.broken.is_some() {
            return;
        }
        self.partial_packet_bytes = self.announced(rest).unwrap_or(0);
        self.append_to_partial(rest);
    }

    /// Appends, doubling the room as needed but never beyond the packet: the cost stays linear, and the finished
    /// packet fills its allocation.
    fn append_to_partial(&mut self, bytes: &[u8]) {
        let wanted = self.partial.len() + bytes.len();
        if wanted > self.partial.capacity() {
            let doubled = wanted.max(self.partial.capacity() * 2).max(PARTIAL_BYTES_MIN);
            let room = match self.partial_packet_bytes {
                0 => doubled,
                packet_bytes => doubled.min(packet_bytes),
            };
            self.partial.reserve_exact(room - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
    }

    fn push_block(&mut self, block: Bytes) {
        if self.block_at == self.block.len() {
            self.block = block;
            self.block_at = 0;
        } else {
            self.later_blocks.push_back(block);
        }
    }
}
