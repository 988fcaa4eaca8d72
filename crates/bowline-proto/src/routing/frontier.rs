//! The nodes that a search has reached at one level. Knows nothing of what they stand for.

use alloc::vec::Vec;

use super::edges::NodeIndex;

/// How many nodes need no allocation: a topic that matches more filters than this at one level is rare.
const INLINE: usize = 16;

/// A list of nodes on the stack; further ones go to the heap. Bounded by the nodes of the trie at one depth.
pub(super) struct Frontier {
    inline: [NodeIndex; INLINE],
    inline_len: usize,
    rest: Vec<NodeIndex>,
}

impl Frontier {
    pub(super) const fn new() -> Self {
        Self { inline: [NodeIndex::NONE; INLINE], inline_len: 0, rest: Vec::new() }
    }

    pub(super) fn push(&mut self, node: NodeIndex) {
        if self.inline_len < INLINE {
            self.inline[self.inline_len] = node;
            self.inline_len += 1;
        } else {
            self.rest.push(node);
        }
    }

    pub(super) fn clear(&mut self) {
        self.inline_len = 0;
        self.rest.clear();
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.inline_len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = NodeIndex> {
        self.inline[..self.inline_len].iter().chain(&self.rest).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_beyond_the_inline_ones_are_kept_in_order_and_cleared_too() {
        let mut frontier = Frontier::new();
        assert!(frontier.is_empty());
        for count in [3, INLINE, INLINE + 1, 100] {
            let nodes: Vec<_> = (0..count).map(NodeIndex::new).collect();
            nodes.iter().for_each(|&node| frontier.push(node));
            assert!(!frontier.is_empty());
            assert_eq!(frontier.iter().collect::<Vec<_>>(), nodes);
            frontier.clear();
            assert!(frontier.is_empty());
            assert_eq!(frontier.iter().count(), 0);
        }
    }
}
