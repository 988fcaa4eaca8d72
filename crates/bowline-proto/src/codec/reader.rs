//! Reads fields from one packet, never beyond its end. Knows the data types of the standard, not the packets.

use bytes::Bytes;

use crate::codec::error::DecodeErrorKind;
use crate::codec::frame;
use crate::types::text;
use crate::types::{PacketId, Text, TopicError, TopicFilter, TopicName};

/// What reading a field yields. The packet type is added where the packet is known.
pub(crate) type Decoded<T> = Result<T, DecodeErrorKind>;

/// A position in a packet. Strings and binary data come out as slices of the block that the packet is in.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    block: &'a Bytes,
    /// The block up to the end of the packet, so that positions are those of the block.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(block: &'a Bytes, start: usize, end: usize) -> Self {
        Self { block, bytes: &block[..end], at: start }
    }

    /// Bytes that have not been read.
    #[inline]
    pub(crate) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The end of the packet: nothing may be left.
    #[inline]
    pub(crate) const fn finish(&self) -> Decoded<()> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(DecodeErrorKind::TrailingBytes { bytes }),
        }
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: &'static str) -> Decoded<u8> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Decoded<u16> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Decoded<u32> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn varint(&mut self, field: &'static str) -> Decoded<u32> {
        match frame::varint(&self.bytes[self.at..], field)? {
            Some((value, taken)) => {
                self.at += taken;
                Ok(value)
            }
            None => Err(self.truncated(field, self.left() + 1)),
        }
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Decoded<PacketId> {
        // [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-2.3.1-1 of 3.1.1]
        PacketId::new(self.u16("packet identifier")?).ok_or(DecodeErrorKind::PacketIdZero)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Decoded<Text> {
        let bytes = self.binary(field)?;
        // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.3-1 of 3.1.1] [MQTT-1.5.3-2 of 3.1.1]
        Text::try_from(bytes).map_err(|error| DecodeErrorKind::Text { field, error })
    }

    pub(crate) fn topic_filter(&mut self) -> Decoded<TopicFilter> {
        let bytes = self.binary("topic filter")?;
        TopicFilter::try_from(bytes).map_err(|error| DecodeErrorKind::TopicFilter { error })
    }

    pub(crate) fn topic_name(&mut self, field: &'static str) -> Decoded<TopicName> {
        self.topic_name_or_empty(field)?.ok_or(DecodeErrorKind::TopicName { field, error: TopicError::Empty })
    }

    /// A topic name that may be left out by having no characters.
    ///
    /// Every received message comes through here, so it is part of its callers.
    #[inline(always)]
    pub(crate) fn topic_name_or_empty(&mut self, field: &'static str) -> Decoded<Option<TopicName>> {
        let start = self.pass_prefixed(field)?;
        if start == self.at {
            return Ok(None);
        }
        let bytes = self.block.slice(start..self.at);
        // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-3.3.2-2 of 3.1.1]
        if text::is_plain::<true>(&self.bytes[start..self.at]) {
            Ok(Some(TopicName::from_plain(bytes)))
        } else {
            uncommon_topic_name(bytes, field).map(Some)
        }
    }

    /// Binary data with its length before it.
    #[inline]
    pub(crate) fn binary(&mut self, field: &'static str) -> Decoded<Bytes> {
        let start = self.pass_prefixed(field)?;
        Ok(self.block.slice(start..self.at))
    }

    /// Passes over a length and as many bytes, and returns where the bytes start.
    #[inline(always)]
    fn pass_prefixed(&mut self, field: &'static str) -> Decoded<usize> {
        let bytes = usize::from(self.u16(field)?);
        if bytes > self.left() {
            return Err(self.truncated(field, bytes));
        }
        let start = self.at;
        self.at += bytes;
        Ok(start)
    }

    /// Everything to the end of the packet.
    #[inline]
    pub(crate) fn rest(&mut self) -> Bytes {
        let start = self.at;
        self.at = self.bytes.len();
        self.block.slice(start..self.at)
    }

    /// Passes over the next byte if it is 0, which as a property length says that there are none.
    #[inline]
    pub(crate) fn skip_zero(&mut self) -> bool {
        let is_zero = self.bytes.get(self.at) == Some(&0);
        self.at += usize::from(is_zero);
        is_zero
    }

    /// A reader for the next `bytes` bytes, which this one passes over.
    pub(crate) fn section(&mut self, bytes: usize, field: &'static str) -> Decoded<Self> {
        if bytes > self.left() {
            return Err(self.truncated(field, bytes));
        }
        let start = self.at;
        self.at += bytes;
        Ok(Self { block: self.block, bytes: &self.bytes[..self.at], at: start })
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Decoded<[u8; N]> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    #[cold]
    const fn truncated(&self, field: &'static str, wanted: usize) -> DecodeErrorKind {
        DecodeErrorKind::Truncated { field, wanted, left: self.left() }
    }
}

/// A topic name with characters beyond ASCII, or none at all.
#[cold]
fn uncommon_topic_name(bytes: Bytes, field: &'static str) -> Decoded<TopicName> {
    TopicName::try_from(bytes).map_err(|error| DecodeErrorKind::TopicName { field, error })
}
