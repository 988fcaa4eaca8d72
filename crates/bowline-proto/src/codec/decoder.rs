//! From the bytes of one connection to packets. Knows the version, which end sends, and nothing else of the connection.

use core::fmt;

use bytes::Bytes;

use crate::codec::error::{DecodeError, DecodeErrorKind};
use crate::codec::frame::{self, Frame, Frames};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::{v3, v5};
use crate::packet::{Ack, Packet, PacketType};
use crate::reason::Role;
use crate::types::PacketId;
use crate::version::Version;

/// Decodes what arrives on one connection; a new connection gets a new one.
///
/// Strict: what breaks the standard is a [`DecodeError`] that says which reason code to close with.
pub struct Decoder {
    frames: Frames,
    version: Option<Version>,
    sender: Role,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder for what a server sends.
    ///
    /// `packet_bytes_max` is the Maximum Packet Size that we announced, fixed header included; `u32::MAX` leaves the
    /// protocol's own limit of 268,435,460 bytes.
    pub const fn for_client(version: Version, packet_bytes_max: u32) -> Self {
        Self {
            frames: Frames::new(packet_bytes_max),
            version: Some(version),
            sender: Role::Server,
            failed: None,
        }
    }

    /// A decoder for what a client sends. It learns the version from CONNECT, which must come first.
    ///
    /// `packet_bytes_max` is as in [`for_client`](Self::for_client), and holds for CONNECT already.
    pub const fn for_server(packet_bytes_max: u32) -> Self {
        Self { frames: Frames::new(packet_bytes_max), version: None, sender: Role::Client, failed: None }
    }

    /// The version of the connection; `None` until a client has sent CONNECT.
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Takes bytes as they came from the socket, in any portions.
    ///
    /// Whole packets are copied together into blocks of exactly their size. A kept message therefore never holds on
    /// to the caller's read buffer, and holds on to at most 16 KiB if its own packet is not larger.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.frames.feed(bytes);
        }
    }

    /// Takes a block to keep: payloads and strings of the packets become slices of it.
    pub fn feed_block(&mut self, block: Bytes) {
        if self.failed.is_none() {
            self.frames.feed_block(block);
        }
    }

    /// The next packet, `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`] if the peer broke the standard; from then on always the same one.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        let Some(frame) = self.frames.next() else { return self.nothing_whole() };
        let first = frame.first;
        match decode(frame, &mut self.version, self.sender) {
            Ok(packet) => Ok(Some(packet)),
            Err(kind) => Err(self.fail(first, kind)),
        }
    }

    /// Bytes that were fed and not decoded yet.
    pub fn buffered_bytes(&self) -> usize {
        self.frames.buffered_bytes()
    }

    /// Looks for what is wrong already in a packet that has not arrived in full.
    fn nothing_whole(&mut self) -> Result<Option<Packet>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let broken = self.frames.broken();
        let Some(first) = broken.map(|broken| broken.first).or_else(|| self.frames.partial_first()) else {
            return Ok(None);
        };
        // The first byte is judged before the length, because it arrives before it.
        let wrong = frame::packet_type(first, self.version, self.sender).err();
        match wrong.or_else(|| broken.map(|broken| broken.kind)) {
            Some(kind) => Err(self.fail(first, kind)),
            None => Ok(None),
        }
    }

    #[cold]
    fn fail(&mut self, first: u8, kind: DecodeErrorKind) -> DecodeError {
        let error = DecodeError::new(PacketType::from_u8(first >> 4), kind);
        self.failed = Some(error);
        self.frames = Frames::new(0);
        error
    }
}

impl fmt::Debug for Decoder {
    /// Prints sizes, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("version", &self.version)
            .field("sender", &self.sender)
            .field("buffered_bytes", &self.buffered_bytes())
            .field("failed", &self.failed)
            .finish()
    }
}

#[inline]
fn decode(frame: Frame<'_>, version: &mut Option<Version>, sender: Role) -> Decoded<Packet> {
    // Both sides send PUBLISH in every version, and its flags are checked with its fields.
    if frame.first >> 4 == PacketType::Publish.as_u8()
        && let Some(version) = *version
    {
        let mut reader = Reader::new(frame.block, frame.body_start, frame.end);
        return match version {
            Version::V5 => v5::publish::read(&mut reader, frame.first, sender),
            _ => v3::publish::read(&mut reader, frame.first, version),
        };
    }
    if let [high, low] = frame.block[frame.body_start..frame.end]
        && let Some(packet) = short_ack(frame.first, u16::from_be_bytes([high, low]))
        && version.is_some()
    {
        return Ok(packet);
    }
    other(frame, version, sender)
}

/// A successful acknowledgement, which has this form in every version and comes once or twice per message.
#[inline]
fn short_ack(first: u8, packet_id: u16) -> Option<Packet> {
    const PUBACK: u8 = frame::first_byte(PacketType::PubAck, false);
    const PUBREC: u8 = frame::first_byte(PacketType::PubRec, false);
    const PUBREL: u8 = frame::first_byte(PacketType::PubRel, false);
    const PUBCOMP: u8 = frame::first_byte(PacketType::PubComp, false);
    let ack = Ack::success(PacketId::new(packet_id)?);
    match first {
        PUBACK => Some(Packet::PubAck(ack)),
        PUBREC => Some(Packet::PubRec(ack)),
        PUBREL => Some(Packet::PubRel(ack)),
        PUBCOMP => Some(Packet::PubComp(ack)),
        _ => None,
    }
}

/// Everything that is not on the path of a message.
#[inline(never)]
fn other(frame: Frame<'_>, version: &mut Option<Version>, sender: Role) -> Decoded<Packet> {
    let mut reader = Reader::new(frame.block, frame.body_start, frame.end);
    let packet = frame::packet_type(frame.first, *version, sender)?;
    let packet = match *version {
        None => connect(&mut reader, version)?,
        Some(Version::V5) => v5::read(&mut reader, packet, sender)?,
        Some(version) => v3::read(&mut reader, packet, version)?,
    };
    reader.finish()?;
    Ok(packet)
}

/// Reads the protocol name and level, which say how the rest of CONNECT is to be read.
fn connect(reader: &mut Reader<'_>, version: &mut Option<Version>) -> Decoded<Packet> {
    let name = reader.text("protocol name")?;
    let level = reader.u8("protocol level")?;
    let of_this_name = |version: &&Version| version.protocol_name() == name.as_str();
    if !Version::ALL.iter().any(|version| of_this_name(&version)) {
        return Err(DecodeErrorKind::UnsupportedProtocolName);
    }
    let known = Version::ALL.iter().filter(of_this_name).find(|version| version.level() == level);
    let &known = known.ok_or(DecodeErrorKind::UnsupportedProtocolLevel { level })?;
    *version = Some(known);
    match known {
        Version::V5 => v5::connect::read(reader),
        _ => v3::connect::read(reader, known),
    }
}
