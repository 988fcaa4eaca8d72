//! The levels of a topic or a filter, found in one pass, eight bytes at a time. Knows no trie.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A level of a topic or a filter, or all of it taken as one: what leads from a node of the trie to a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    /// Of fewer than eight bytes they themselves, else what they are mixed to, with all bits of the last byte set.
    pub(super) digest: u64,
    /// The bytes, if they are eight or more.
    pub(super) long: &'a [u8],
}

impl<'a> Label<'a> {
    /// A text as one label, whatever slashes it has.
    pub(super) fn whole(key: u64, text: &'a [u8]) -> Self {
        let Some(last) = text.last_chunk() else { return Self::short(short_word(text)) };
        let (words, _) = text[..text.len() - 1].as_chunks();
        let mix = |digest, word: &[u8; 8]| fold(digest ^ u64::from_le_bytes(*word));
        let digest = mix(words.iter().fold(key ^ text.len() as u64, mix), last);
        Self { digest: digest | LONG, long: text }
    }

    const fn short(word: u64) -> Self {
        Self { digest: word, long: &[] }
    }

    /// Whether it is the `+` of a filter.
    pub(super) const fn is_plus(&self) -> bool {
        self.digest == b'+' as u64
    }
}

/// What no short label has in its digest. Neither topics nor filters have NUL, so that the bytes tell their number.
const LONG: u64 = 0xFF << 56;

/// A label that is kept. Short ones, which most levels are, need no memory of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptLabel {
    digest: u64,
    long: Box<[u8]>,
}

impl KeptLabel {
    // [MQTT-4.7.3-4] [MQTT-4.7.3-4 of 3.1.1]
    #[inline]
    pub(super) fn is(&self, label: &Label<'_>) -> bool {
        self.digest == label.digest && (label.long.is_empty() || *self.long == *label.long)
    }

    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }
}

impl From<&Label<'_>> for KeptLabel {
    fn from(label: &Label<'_>) -> Self {
        Self { digest: label.digest, long: label.long.into() }
    }
}

/// The levels of a topic, each found from where it starts.
#[derive(Debug)]
pub(super) struct Levels<'a> {
    key: u64,
    topic: &'a [u8],
    /// The very long levels that were seen so far and where they start, ascending: going back to them again and again
    /// must not cost all their bytes.
    very_long: Vec<(usize, Label<'a>)>,
}

/// The length from which on levels are remembered.
const VERY_LONG: usize = 256;

impl<'a> Levels<'a> {
    pub(super) const fn new(key: u64, topic: &'a [u8]) -> Self {
        Self { key, topic, very_long: Vec::new() }
    }

    pub(super) const fn topic(&self) -> &'a [u8] {
        self.topic
    }

    /// The level that starts there, and where the next one does. The one after the last starts behind the end and is
    /// none.
    #[inline]
    pub(super) fn level(&mut self, at: usize) -> Option<(Label<'a>, usize)> {
        let rest = self.topic.get(at..)?;
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => last_word(self.topic, rest),
        };
        let slashes = slashes(word);
        if slashes != 0 {
            let label = Label::short(word & mask_before(slashes));
            return Some((label, at + bytes_before(slashes) + 1));
        }
        if rest.len() < 8 {
            return Some((Label::short(word), self.topic.len() + 1));
        }
        let label = self.long_level(at);
        Some((label, at + label.long.len() + 1))
    }

    /// The level that starts there and has eight bytes or more.
    #[inline(never)]
    fn long_level(&mut self, at: usize) -> Label<'a> {
        if let Ok(place) = self.very_long.binary_search_by_key(&at, |(start, _)| *start) {
            return self.very_long[place].1;
        }
        let rest = &self.topic[at..];
        let label = Label::whole(self.key, &rest[..first_slash(rest).unwrap_or(rest.len())]);
        if label.long.len() >= VERY_LONG {
            self.very_long.push((at, label));
        }
        label
    }
}

/// The end of a topic, which is fewer than eight bytes, as a number.
#[inline]
fn last_word(topic: &[u8], end: &[u8]) -> u64 {
    match topic.last_chunk() {
        Some(last) => u64::from_le_bytes(*last).checked_shr(64 - 8 * end.len() as u32).unwrap_or(0),
        None => short_word(end),
    }
}

fn first_slash(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    let marks = words.iter().map(|word| slashes(u64::from_le_bytes(*word))).enumerate();
    let found =
        marks.filter(|(_, marks)| *marks != 0).map(|(word, marks)| word * 8 + bytes_before(marks)).next();
    found.or_else(|| rest.iter().position(|&byte| byte == b'/').map(|at| words.len() * 8 + at))
}

/// Fewer than eight bytes as a number.
fn short_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The top bits of the bytes that are slashes, or 0. Bytes above a slash may be marked in error.
const fn slashes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    let zero_where_slash = word ^ (ONES * b'/' as u64);
    zero_where_slash.wrapping_sub(ONES) & !zero_where_slash & (ONES << 7)
}

/// All bits below the first byte that is marked.
const fn mask_before(marks: u64) -> u64 {
    (marks ^ marks.wrapping_sub(1)) >> 8
}

/// How many bytes are below the first one that is marked.
const fn bytes_before(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Multiplies to 128 bits and folds the halves: every bit of the input reaches the low bits of the result.
pub(super) const fn fold(value: u64) -> u64 {
    let wide = value as u128 * 0x9E37_79B9_7F4A_7C15;
    wide as u64 ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn parts<'a>(label: &Label<'a>) -> (u64, &'a [u8]) {
        (label.digest, label.long)
    }

    #[test]
    fn levels_are_those_that_splitting_at_slashes_gives() {
        // Every length of a level before and after a slash, around one and two words.
        for (first, second) in (0..20).flat_map(|first| (0..20).map(move |second| (first, second))) {
            let text = alloc::format!("{}/{}", "x".repeat(first), "\u{ff}".repeat(second));
            for topic in [String::from(&text), text.replace('x', ".") + "/", String::from("/0") + &text] {
                let mut levels = Levels::new(7, topic.as_bytes());
                let mut at = 0;
                for expected in topic.split('/') {
                    let (level, next) = levels.level(at).unwrap();
                    assert_eq!(
                        parts(&level),
                        parts(&Label::whole(7, expected.as_bytes())),
                        "{topic} from {at}"
                    );
                    assert_eq!(next, at + expected.len() + 1);
                    at = next;
                }
                assert!(levels.level(at).is_none(), "{topic}");
            }
        }
    }

    #[test]
    fn very_long_levels_are_remembered_and_the_same_again() {
        let topic = alloc::format!("{0}/b/{0}c/{1}/{0}", "a".repeat(VERY_LONG), "d".repeat(VERY_LONG - 1));
        let mut levels = Levels::new(7, topic.as_bytes());
        for round in 0..3 {
            let mut at = 0;
            for expected in topic.split('/') {
                let (level, next) = levels.level(at).unwrap();
                assert_eq!(parts(&level), parts(&Label::whole(7, expected.as_bytes())), "round {round}");
                at = next;
            }
            assert_eq!(levels.very_long.len(), 3);
        }
    }

    #[test]
    fn a_kept_label_is_equal_to_the_same_bytes_only() {
        for bytes in 1..=24 {
            let text: Vec<_> = (b'a'..).take(bytes).collect();
            let kept = KeptLabel::from(&Label::whole(0, &text));
            assert!(kept.is(&Label::whole(0, &text)));
            assert!(!kept.is(&Label::whole(0, &text[1..])) && !kept.is(&Label::whole(0, &text[..bytes - 1])));
            for at in 0..bytes {
                let mut other = text.clone();
                other[at] ^= 1;
                let other = Label::whole(0, &other);
                assert!(!kept.is(&other), "byte {at} of {bytes}");
                // Even if their digests were the same.
                assert!(
                    bytes < 8 || !kept.is(&Label { digest: kept.digest, ..other }),
                    "byte {at} of {bytes}"
                );
            }
        }
    }

    #[test]
    fn the_key_and_every_byte_of_a_long_label_change_its_digest() {
        let digest = |key, text: &[u8]| Label::whole(key, text).digest;
        let text = b"a level of more than eight bytes";
        assert_ne!(digest(0, text), digest(1, text));
        for at in 0..text.len() {
            let mut other = *text;
            other[at] ^= 1;
            assert_ne!(digest(0, text), digest(0, &other), "byte {at}");
            assert_ne!(digest(0, text), digest(0, &text[..at]), "the first {at} bytes");
        }
    }
}
