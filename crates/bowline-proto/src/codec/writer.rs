//! Writes fields, or only counts what they take: one description of a packet serves both. Knows no packets.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::codec::error::EncodeError;
use crate::types::text::TEXT_BYTES_MAX;
use crate::types::varint::varint_len;
use crate::types::{PacketId, Text};

/// Counts bytes and, if it has somewhere to put them, writes them.
#[derive(Debug, Default)]
pub(crate) struct Writer<'a> {
    out: Option<&'a mut Vec<u8>>,
    bytes: u64,
    error: Option<EncodeError>,
}

impl<'a> Writer<'a> {
    /// Writes behind what is in `out`.
    pub(crate) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out: Some(out), bytes: 0, error: None }
    }

    /// How many bytes `body` takes.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`] for binary data that is longer than its length field can say.
    pub(crate) fn count(body: impl FnOnce(&mut Writer<'_>)) -> Result<u64, EncodeError> {
        let mut counter = Writer::default();
        body(&mut counter);
        match counter.error {
            Some(error) => Err(error),
            None => Ok(counter.bytes),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(out) = &mut self.out {
            out.extend_from_slice(bytes);
        }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn varint(&mut self, value: u32) {
        let (bytes, len) = varint_bytes(value);
        self.bytes(&bytes[..len]);
    }

    pub(crate) fn packet_id(&mut self, id: PacketId) {
        self.u16(id.as_u16());
    }

    pub(crate) fn text(&mut self, text: &Text) {
        self.string(text.as_bytes());
    }

    /// A string that was checked when it was made, so that its length fits.
    pub(crate) fn string(&mut self, checked: &[u8]) {
        debug_assert!(checked.len() <= TEXT_BYTES_MAX, "a Text was checked when it was made");
        self.u16(checked.len() as u16);
        self.bytes(checked);
    }

    pub(crate) fn binary(&mut self, field: &'static str, bytes: &Bytes) {
        if bytes.len() > TEXT_BYTES_MAX {
            self.error = Some(EncodeError::FieldTooLong { field, bytes: bytes.len() });
        }
        self.u16(bytes.len() as u16);
        self.bytes(bytes);
    }

    /// A section with its length before it.
    pub(crate) fn section(&mut self, body: impl Fn(&mut Writer<'_>)) {
        match Writer::count(&body) {
            // A section that is longer than a length can say makes a packet that is refused for its size.
            Ok(bytes) => self.varint(bytes as u32),
            Err(error) => self.error = Some(error),
        }
        body(self);
    }
}

/// A variable byte integer and how many of the bytes are used. `value` is at most `VARINT_MAX`.
pub(crate) const fn varint_bytes(value: u32) -> ([u8; 4], usize) {
    let len = varint_len(value);
    let mut bytes = [
        (value & 0x7F) as u8 | 0x80,
        (value >> 7 & 0x7F) as u8 | 0x80,
        (value >> 14 & 0x7F) as u8 | 0x80,
        (value >> 21 & 0x7F) as u8 | 0x80,
    ];
    bytes[len - 1] &= 0x7F;
    (bytes, len)
}
