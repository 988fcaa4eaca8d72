//! What a message of the demonstration carries: run, number, time of sending, and a checksum over it all. Knows no MQTT.

/// The smallest payload: it is all stamp.
pub(super) const PAYLOAD_BYTES_MIN: usize = 32;

/// What is written into a payload, and read from it again on arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which run it belongs to: a number that no other run has.
    pub(super) run: u64,
    /// Its number in the run, from 0.
    pub(super) sequence: u64,
    /// When it was sent, in nanoseconds on the run's clock.
    pub(super) sent_ns: u64,
}

impl Stamp {
    /// A payload of this size: the stamp, a checksum of everything else, and filler that depends on the number.
    pub(super) fn to_payload(self, payload_bytes: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(payload_bytes.max(PAYLOAD_BYTES_MIN));
        for field in [self.run, self.sequence, self.sent_ns, 0] {
            payload.extend_from_slice(&field.to_be_bytes());
        }
        let filler = self.sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        while payload.len() < payload_bytes {
            let rest = payload_bytes - payload.len();
            payload.extend_from_slice(&filler[..rest.min(filler.len())]);
        }
        let sum = checksum(&payload);
        payload[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
        payload
    }

    /// The stamp of a payload, if it is intact.
    pub(super) fn of_payload(payload: &[u8]) -> Option<Self> {
        let field = |index: usize| {
            let bytes = payload.get(index * 8..index * 8 + 8)?;
            Some(u64::from_be_bytes(bytes.try_into().ok()?))
        };
        let stamp = Self { run: field(0)?, sequence: field(1)?, sent_ns: field(2)? };
        (field(3)? == checksum(payload)).then_some(stamp)
    }
}

/// Where the checksum is.
const CHECKSUM: std::ops::Range<usize> = 24..32;

/// FNV-1a over everything but the checksum itself: every single changed byte changes it.
fn checksum(payload: &[u8]) -> u64 {
    let parts = [&payload[..CHECKSUM.start], &payload[CHECKSUM.end..]];
    parts
        .into_iter()
        .flatten()
        .fold(0xCBF2_9CE4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { run: 7, sequence: 3, sent_ns: 99 };

    #[test]
    fn a_payload_of_any_size_gives_its_stamp_back() {
        for payload_bytes in [PAYLOAD_BYTES_MIN, 33, 39, 40, 64, 1_000] {
            let payload = STAMP.to_payload(payload_bytes);
            assert_eq!(payload.len(), payload_bytes);
            assert_eq!(Stamp::of_payload(&payload), Some(STAMP), "{payload_bytes} bytes");
        }
    }

    #[test]
    fn a_payload_with_any_bit_changed_or_any_byte_missing_is_not_intact() {
        let payload = STAMP.to_payload(50);
        for bit in 0..payload.len() * 8 {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Stamp::of_payload(&changed), None, "bit {bit}");
        }
        for payload_bytes in 0..payload.len() {
            assert_eq!(Stamp::of_payload(&payload[..payload_bytes]), None, "{payload_bytes} bytes");
        }
    }
}
