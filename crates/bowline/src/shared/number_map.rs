//! A map keyed by numbers that we gave out ourselves: ascending, so no hash has to defend against anybody.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map whose keys hash to one number.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads one number over all bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing; the map takes its index from the low bits and its tag from the high ones.
        let spread = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ spread >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Gives memory back after a burst, once the map is empty.
pub(crate) fn shrink_if_empty<K: Eq + Hash, V>(map: &mut NumberMap<K, V>) {
    const ENTRIES_KEPT: usize = 64;
    if map.is_empty() && map.capacity() > 16 * ENTRIES_KEPT {
        map.shrink_to(ENTRIES_KEPT);
    }
}
