//! Numbers and byte strings in a record, and the checksum at its end. Knows no record.

use bytes::{Buf, Bytes};

/// What is wrong with a record. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadRecord(pub(super) &'static str);

/// Takes a record apart. Every length is checked before it is used.
#[derive(Debug)]
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(super) const fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<Bytes, BadRecord> {
        if length > self.rest.len() {
            return Err(BadRecord("it ends too early"));
        }
        Ok(self.rest.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        let bytes = *self.rest.first_chunk().ok_or(BadRecord("it ends too early"))?;
        self.rest.advance(N);
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, BadRecord> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, BadRecord> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, BadRecord> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, BadRecord> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Bytes with a length of two bytes before them.
    pub(super) fn short(&mut self) -> Result<Bytes, BadRecord> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// Bytes with a length of four bytes before them.
    pub(super) fn long(&mut self) -> Result<Bytes, BadRecord> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| BadRecord("it is too long for this machine"))?)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn remainder(self) -> Bytes {
        self.rest
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), BadRecord> {
        if self.rest.is_empty() { Ok(()) } else { Err(BadRecord("something stands behind its end")) }
    }
}

/// Appends bytes with a length of two bytes before them.
pub(super) fn put_short(record: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("a text of MQTT has at most 65,535 bytes");
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(bytes);
}

/// Appends bytes with a length of four bytes before them. More than these can say would not fit in a packet either.
pub(super) fn put_long(record: &mut Vec<u8>, bytes: &[u8]) -> Result<(), BadRecord> {
    let length = u32::try_from(bytes.len()).map_err(|_| BadRecord("it is too long"))?;
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(bytes);
    Ok(())
}

/// Closes a record with the checksum of what it is stored under and of itself, so that a record in the wrong place is as
/// wrong as a changed one.
pub(super) fn seal_with_checksum(place: &[u8], record: &mut Vec<u8>) {
    let checksum = crc32c(&[place, record]);
    record.extend_from_slice(&checksum.to_le_bytes());
}

/// The record without its checksum, if that is right.
pub(super) fn check<'a>(place: &[u8], record: &'a [u8]) -> Result<&'a [u8], BadRecord> {
    let (body, checksum) = record.split_last_chunk::<4>().ok_or(BadRecord("it has no checksum"))?;
    if crc32c(&[place, body]) != u32::from_le_bytes(*checksum) {
        return Err(BadRecord("its checksum is wrong"));
    }
    Ok(body)
}

/// CRC-32C (Castagnoli), reflected, as in RFC 3720 appendix B.4. Eight bytes at a time: what each of them contributes is looked
/// up by how many come behind it.
pub(super) fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for part in parts {
        let mut blocks = part.chunks_exact(8);
        for block in &mut blocks {
            let [a, b, c, d] = crc.to_le_bytes();
            crc = CRC_OF_BYTE[7][usize::from(block[0] ^ a)]
                ^ CRC_OF_BYTE[6][usize::from(block[1] ^ b)]
                ^ CRC_OF_BYTE[5][usize::from(block[2] ^ c)]
                ^ CRC_OF_BYTE[4][usize::from(block[3] ^ d)]
                ^ CRC_OF_BYTE[3][usize::from(block[4])]
                ^ CRC_OF_BYTE[2][usize::from(block[5])]
                ^ CRC_OF_BYTE[1][usize::from(block[6])]
                ^ CRC_OF_BYTE[0][usize::from(block[7])];
        }
        for byte in blocks.remainder() {
            crc = (crc >> 8) ^ CRC_OF_BYTE[0][usize::from(crc.to_le_bytes()[0] ^ byte)];
        }
    }
    !crc
}

/// What a byte contributes if so many zeros come behind it.
static CRC_OF_BYTE: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < tables.len() {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(&[&[0; 32]]), 0x8A91_36AA);
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xE306_9283);
        assert_eq!(crc32c(&[b"123456789"]), 0xE306_9283);
    }

    #[test]
    fn a_record_in_another_place_is_wrong() {
        let mut record = b"content".to_vec();
        seal_with_checksum(b"a", &mut record);
        assert_eq!(check(b"a", &record), Ok(&b"content"[..]));
        assert_eq!(check(b"b", &record), Err(BadRecord("its checksum is wrong")));
    }
}
