//! One search: the streams of all filters with wildcards that match a topic. Changes nothing in the trie.

use alloc::vec::Vec;

use super::edges::NodeIndex;
use super::levels::Levels;
use super::pending::{Pending, Way};
use super::{Routes, StreamId};

/// Goes down the trie on every way that the topic's levels lead, one after the other, and appends the streams met.
#[derive(Debug)]
pub(super) struct Search<'a> {
    routes: &'a Routes,
    levels: Levels<'a>,
    out: &'a mut Vec<StreamId>,
}

/// Two nodes reached by the same level, and where the one after it starts.
#[derive(Clone, Copy, Debug)]
struct Fork {
    child: NodeIndex,
    plus: NodeIndex,
    at: u32,
}

impl<'a> Search<'a> {
    #[inline]
    pub(super) const fn new(routes: &'a Routes, topic: &'a [u8], out: &'a mut Vec<StreamId>) -> Self {
        Self { routes, levels: Levels::new(routes.key, topic), out }
    }

    #[inline]
    pub(super) fn run(mut self) {
        // [MQTT-4.7.2-1] [MQTT-4.7.2-1 of 3.1.1]
        let start =
            if self.levels.topic()[0] == b'$' { self.after_dollar() } else { Some((NodeIndex::ROOT, 0)) };
        if let Some(way) = start
            && let Some(fork) = self.descend(way)
        {
            self.follow_both(fork);
        }
    }

    /// Takes the first level as it is written: no wildcard matches it.
    #[inline(never)]
    fn after_dollar(&mut self) -> Option<Way> {
        let (level, at) = self.levels.level(0)?;
        let root = &self.routes.nodes[NodeIndex::ROOT.as_usize()];
        self.routes.child_along(root, &level).map(|child| (child.index, at as u32))
    }

    /// Follows one way after the other. Out of line, as most topics never need it.
    #[inline(never)]
    fn follow_both(&mut self, fork: Fork) {
        let mut pending = Pending::new();
        let mut fork = Some(fork);
        loop {
            let way = match fork {
                Some(Fork { child, plus, at }) => {
                    pending.push((plus, at));
                    (child, at)
                }
                None => match pending.pop() {
                    Some(way) => way,
                    None => return,
                },
            };
            fork = self.descend(way);
        }
    }

    /// Goes on as long as there is one way only.
    #[inline(never)]
    fn descend(&mut self, (start, at): Way) -> Option<Fork> {
        let routes = self.routes;
        let mut node = &routes.nodes[start.as_usize()];
        let mut at = at as usize;
        loop {
            // A `#` also matches the level before it, so whatever the topic has after this one.
            if !node.below.is_empty() {
                node.below.append_to(self.out);
                // Most filters with `#` share their node with no other.
                if node.is_leaf() && node.here.is_empty() {
                    return None;
                }
            }
            let Some((level, after)) = self.levels.level(at) else {
                node.here.append_to(self.out);
                return None;
            };
            at = after;
            node = match (routes.child_along(node, &level), node.plus) {
                (None, NodeIndex::NONE) => return None,
                (None, plus) => &routes.nodes[plus.as_usize()],
                (Some(child), NodeIndex::NONE) => child,
                (Some(child), plus) => return Some(Fork { child: child.index, plus, at: at as u32 }),
            };
        }
    }
}
