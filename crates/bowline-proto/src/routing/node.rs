//! A node of the filter trie and the streams that it stands for. Knows not where it is kept.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::StreamId;
use super::edges::NodeIndex;
use super::levels::KeptLabel;
use crate::types::TopicFilter;

/// A beginning of filters.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its own place.
    pub(super) index: NodeIndex,
    pub(super) parent: NodeIndex,
    /// The child that came first, if it is still there. Most nodes have no other, so that it is not among the edges.
    pub(super) first: NodeIndex,
    /// How many children are found by their edges: all but the first one and the `+`.
    pub(super) others: u32,
    /// The child along `+`.
    pub(super) plus: NodeIndex,
    /// What leads here; empty for a `+`, which is found through its parent.
    pub(super) label: KeptLabel,
    /// Streams whose filter ends here.
    pub(super) here: Streams,
    /// Streams whose filter goes on with `#`.
    pub(super) below: Streams,
}

impl Node {
    pub(super) const fn new(index: NodeIndex, parent: NodeIndex, label: KeptLabel) -> Self {
        let (first, plus) = (NodeIndex::NONE, NodeIndex::NONE);
        let (here, below) = (Streams::None, Streams::None);
        Self { index, parent, first, others: 0, plus, label, here, below }
    }

    #[inline]
    pub(super) const fn is_leaf(&self) -> bool {
        self.others == 0 && self.first.is_none() && self.plus.is_none()
    }

    /// The list for a filter that ends at this node.
    pub(super) fn streams_mut(&mut self, filter: &TopicFilter) -> &mut Streams {
        if filter.as_bytes().ends_with(b"#") { &mut self.below } else { &mut self.here }
    }

    pub(super) const fn is_unused(&self) -> bool {
        self.is_leaf() && self.here.is_empty() && self.below.is_empty()
    }
}

/// Streams, ascending. One is listed once per filter: `a` and `$share/g/a` are two.
#[derive(Clone, Debug)]
pub(super) enum Streams {
    None,
    /// The usual case, without memory of its own.
    One(StreamId),
    /// Two or more; boxed because a list would make every node larger.
    #[expect(clippy::box_collection, reason = "there are millions of nodes and few lists")]
    Many(Box<Vec<StreamId>>),
}

impl Streams {
    pub(super) fn insert(&mut self, stream: StreamId) {
        match self {
            Self::None => *self = Self::One(stream),
            Self::One(other) => {
                let (first, second) = ((*other).min(stream), (*other).max(stream));
                *self = Self::Many(Box::new(alloc::vec![first, second]));
            }
            Self::Many(streams) => {
                let at = streams.partition_point(|&other| other < stream);
                streams.insert(at, stream);
            }
        }
    }

    /// Takes out a stream that is there.
    pub(super) fn remove(&mut self, stream: StreamId) {
        match self {
            Self::Many(streams) => {
                let at = streams.binary_search(&stream).expect("an entry is listed in its node");
                streams.remove(at);
                if let [last] = streams[..] {
                    *self = Self::One(last);
                }
            }
            Self::One(other) if *other == stream => *self = Self::None,
            Self::One(_) | Self::None => unreachable!("an entry is listed in its node"),
        }
    }

    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<StreamId>) {
        match self {
            Self::None => {}
            Self::One(stream) => out.push(*stream),
            Self::Many(streams) => out.extend_from_slice(streams),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_stay_ascending_and_lose_their_list_with_the_last_but_one() {
        let mut streams = Streams::None;
        for stream in [5, 1, 3, 3] {
            streams.insert(StreamId::new(stream));
        }
        let mut out = Vec::new();
        streams.append_to(&mut out);
        assert_eq!(out, [1, 3, 3, 5].map(StreamId::new));
        for stream in [3, 5, 3] {
            streams.remove(StreamId::new(stream));
        }
        assert!(matches!(streams, Streams::One(last) if last == StreamId::new(1)));
        streams.remove(StreamId::new(1));
        assert!(streams.is_empty());
    }
}
