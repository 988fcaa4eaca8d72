//! The edges of the filter trie in one hash table: parent and label to child. Knows no filters and no streams.

use alloc::vec::Vec;

use super::levels::fold;

/// The place of a node in the trie's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeIndex(u32);

impl NodeIndex {
    /// The node where all filters start.
    pub(super) const ROOT: Self = Self(0);
    /// No node: smaller than an `Option`, and there are millions of these.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn new(place: usize) -> Self {
        let place = u32::try_from(place).expect("memory ends before 2^32 nodes do");
        Self(place)
    }

    pub(super) const fn is_none(self) -> bool {
        self.0 == Self::NONE.0
    }

    pub(super) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// An open-addressing table with linear probing, at most half full.
///
/// One table for the whole trie, not a map per node: finding a child costs the same whether its parent has two
/// children or a million, and a node with one child costs no map of its own. The keys are in the nodes; the caller
/// compares them.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    child: NodeIndex,
}

const EMPTY: Slot = Slot { hash: 0, child: NodeIndex::NONE };

/// Slots of the smallest table that holds anything.
const SLOTS_MIN: usize = 8;

impl Edges {
    /// No edges, no memory.
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), used: 0 }
    }

    /// What `check` makes of the first child with this hash that it accepts.
    #[inline]
    pub(super) fn find<T>(&self, hash: u32, check: impl Fn(NodeIndex) -> Option<T>) -> Option<T> {
        let last = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & last;
        // Half of the slots are empty, so that this ends.
        while !self.slots[at].child.is_none() {
            if self.slots[at].hash == hash
                && let Some(found) = check(self.slots[at].child)
            {
                return Some(found);
            }
            at = (at + 1) & last;
        }
        None
    }

    /// Adds an edge that is not there yet.
    pub(super) fn insert(&mut self, hash: u32, child: NodeIndex) {
        if (self.used + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.place(Slot { hash, child });
        self.used += 1;
    }

    /// Removes the edge to `child`, which is there with this hash.
    pub(super) fn remove(&mut self, hash: u32, child: NodeIndex) {
        let mut hole = self.home(hash);
        while self.slots[hole].child != child {
            assert!(!self.slots[hole].child.is_none(), "an edge leads to every child");
            hole = self.after(hole);
        }
        // Later slots of the same cluster move up, so that no probe stops at the hole.
        let mut at = self.after(hole);
        while !self.slots[at].child.is_none() {
            let from_home = self.distance(self.home(self.slots[at].hash), at);
            if from_home >= self.distance(hole, at) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.slots[hole] = EMPTY;
        self.used -= 1;
    }

    fn grow(&mut self) {
        let bigger = alloc::vec![EMPTY; (self.slots.len() * 2).max(SLOTS_MIN)];
        for slot in core::mem::replace(&mut self.slots, bigger) {
            if !slot.child.is_none() {
                self.place(slot);
            }
        }
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while !self.slots[at].child.is_none() {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// Steps from one slot to another, around the end of the table.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

/// The hash of the edge from `parent` along a label with this digest. The key is odd and best not known to others.
pub(super) const fn hash_edge(key: u64, parent: NodeIndex, digest: u64) -> u32 {
    fold(digest ^ (parent.0 as u64 + 1).wrapping_mul(key)) as u32
}

/// A key for [`hash_edge`] and for labels that differs for every two seeds but for one bit.
pub(super) const fn key(seed: u64) -> u64 {
    fold(seed ^ 0xA076_1D64_78BD_642F) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::levels::Label;

    fn node(place: u32) -> NodeIndex {
        NodeIndex::new(place as usize)
    }

    #[test]
    fn colliding_edges_are_told_apart_and_survive_the_removal_of_others() {
        for removed in 0..6 {
            let mut edges = Edges::new();
            // Home slots 6, 6, 7, 7, 0, 0 of 16: one cluster around the end once the table has grown.
            let hashes = [14, 14, 15, 15, 0, 0];
            for (place, hash) in (0..).zip(hashes) {
                edges.insert(hash, node(place));
            }
            edges.remove(hashes[removed as usize], node(removed));
            for (place, hash) in (0..).zip(hashes) {
                let found = edges.find(hash, |child| (child == node(place)).then_some(()));
                assert_eq!(found.is_some(), place != removed, "edge {place} after removing {removed}");
            }
        }
    }

    #[test]
    fn edges_that_come_and_go_do_not_grow_the_table() {
        let mut edges = Edges::new();
        for round in 0..1_000 {
            edges.insert(round, node(round));
            edges.remove(round, node(round));
        }
        assert_eq!(edges.slots.len(), SLOTS_MIN);
    }

    #[test]
    fn an_empty_table_has_no_memory_and_finds_nothing() {
        let mut edges = Edges::new();
        assert_eq!(edges.find(1, Some), None);
        assert_eq!(edges.slots.capacity(), 0);
        edges.insert(1, node(1));
        edges.remove(1, node(1));
        assert_eq!(edges.find(1, Some), None);
    }

    #[test]
    fn probes_stay_short_with_a_hundred_thousand_numbered_levels() {
        for (shape, fixed_parent) in [("siblings", true), ("one child each", false)] {
            let mut edges = Edges::new();
            for place in 1..=100_000_u32 {
                let (level, parent) =
                    if fixed_parent { (alloc::format!("{place}"), 0) } else { ("temperature".into(), place) };
                let label = Label::whole(key(0), level.as_bytes());
                edges.insert(hash_edge(key(0), node(parent), label.digest), node(place));
            }
            let probes = edges.slots.iter().enumerate().filter(|(_, slot)| !slot.child.is_none());
            let lengths = probes.map(|(at, slot)| edges.distance(edges.home(slot.hash), at) + 1);
            let (total, longest) =
                lengths.fold((0, 0), |(total, longest), length| (total + length, longest.max(length)));
            assert!(total < 160_000, "{shape}: {total} probes for 100000 edges");
            assert!(longest < 60, "{shape}: {longest} probes for one edge");
        }
    }
}
