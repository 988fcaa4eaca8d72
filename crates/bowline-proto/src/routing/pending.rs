//! The ways that a search has yet to go. Knows nothing of what it searches.

use alloc::vec::Vec;

use super::edges::NodeIndex;

/// A node reached, and where the level after it starts in the topic.
pub(super) type Way = (NodeIndex, u32);

/// How many ways need no allocation: a topic for which more filters branch off is rare.
const INLINE: usize = 4;

/// A stack of ways. Bounded by the levels of the deepest filter.
#[derive(Debug)]
pub(super) struct Pending {
    inline: [Way; INLINE],
    inline_len: usize,
    rest: Vec<Way>,
}

impl Pending {
    pub(super) const fn new() -> Self {
        Self { inline: [(NodeIndex::ROOT, 0); INLINE], inline_len: 0, rest: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, way: Way) {
        if let Some(place) = self.inline.get_mut(self.inline_len) {
            *place = way;
            self.inline_len += 1;
        } else {
            self.rest.push(way);
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Way> {
        if !self.rest.is_empty() {
            return self.rest.pop();
        }
        self.inline_len = self.inline_len.checked_sub(1)?;
        self.inline.get(self.inline_len).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_beyond_the_inline_ones_are_kept_in_order_too() {
        let mut pending = Pending::new();
        for count in [1, INLINE, INLINE + 1, 100] {
            let ways: Vec<_> = (0..count).map(|place| (NodeIndex::new(place), 7)).collect();
            ways.iter().for_each(|&way| pending.push(way));
            let popped: Vec<_> = core::iter::from_fn(|| pending.pop()).collect();
            assert_eq!(popped, ways.into_iter().rev().collect::<Vec<_>>());
            assert_eq!(pending.pop(), None);
        }
    }
}
