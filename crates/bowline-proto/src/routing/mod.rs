//! Which streams a topic belongs to: a trie of topic filters that yields stream ids. Knows no messages and no inboxes.

mod edges;
mod frontier;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::types::{TopicFilter, TopicName};
use edges::{Edges, NodeIndex, hash_edge, hash_level};
use frontier::Frontier;

/// The receiver of messages that a filter leads to. The caller gives them out and knows what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// The stream with this number.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// The filters of all streams, as a trie with one level of a filter per edge.
///
/// Finding the streams of a topic goes through the trie level by level with the set of nodes reached so far. Each node
/// has one parent and one depth, so it is reached at most once, and only if some filter begins with wildcards or
/// levels that match the topic up to there. So the work is bounded by the topic's bytes plus the filters that match a
/// beginning of it; filters that do not cost nothing, however many there are, and `+/+/+/...` costs what was
/// subscribed, never a power of the topic's depth. A topic deeper than all filters ends the search early. Nothing
/// recurses.
///
/// Memory is about 100 bytes for every distinct beginning of a filter. It is freed when the last filter goes; until
/// then removed nodes are kept for new ones.
#[derive(Clone, Debug)]
pub struct Routes {
    seed: u64,
    /// The arena; the root is always there.
    nodes: Vec<Node>,
    /// Nodes that were pruned, to be used again.
    free: Vec<NodeIndex>,
    edges: Edges,
    entries: BTreeSet<(StreamId, TopicFilter)>,
}

#[derive(Clone, Debug)]
struct Node {
    parent: NodeIndex,
    /// The level that leads here; empty for a `+`, which is found through its parent.
    level: Box<[u8]>,
    /// The hash of the edge that leads here; unused for a `+`.
    hash: u32,
    /// Children in `edges`, without the `+`.
    children: u32,
    plus: NodeIndex,
    /// Streams whose filter ends here, ascending. A stream is listed once per filter: `a` and `$share/g/a` are two.
    here: Vec<StreamId>,
    /// Streams whose filter goes on with `#`, in the same way.
    below: Vec<StreamId>,
}

impl Routes {
    /// No filters. For filters of one's own; a broker takes [`Routes::with_seed`].
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// No filters, with a seed that peers cannot guess, so that they cannot make filters that slow the search down.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            nodes: alloc::vec![Node::new(NodeIndex::NONE, Box::default(), 0)],
            free: Vec::new(),
            edges: Edges::new(),
            entries: BTreeSet::new(),
        }
    }

    /// Leads topics that match `filter` to `stream`; `false` if they were led there already.
    pub fn insert(&mut self, filter: &TopicFilter, stream: StreamId) -> bool {
        if !self.entries.insert((stream, filter.clone())) {
            return false;
        }
        // [MQTT-4.8.2-2]
        let part = filter.matching_part();
        let mut node = NodeIndex::ROOT;
        for level in levels_before_hash(part) {
            node = match self.child(node, level) {
                Some(child) => child,
                None => self.add_child(node, level),
            };
        }
        let streams = self.nodes[node.as_usize()].streams_mut(part);
        let at = streams.partition_point(|&other| other < stream);
        streams.insert(at, stream);
        true
    }

    /// Ends what [`Routes::insert`] began with the same filter and stream; `false` if there was no such entry.
    pub fn remove(&mut self, filter: &TopicFilter, stream: StreamId) -> bool {
        if !self.entries.remove(&(stream, filter.clone())) {
            return false;
        }
        if self.entries.is_empty() {
            *self = Self::with_seed(self.seed);
            return true;
        }
        let part = filter.matching_part();
        let mut node = NodeIndex::ROOT;
        for level in levels_before_hash(part) {
            node = self.child(node, level).expect("an entry has its nodes");
        }
        let streams = self.nodes[node.as_usize()].streams_mut(part);
        let at = streams.binary_search(&stream).expect("an entry is listed in its node");
        streams.remove(at);
        self.prune(node);
        true
    }

    /// Removes every filter of `stream`.
    pub fn remove_stream(&mut self, stream: StreamId) {
        let filters: Vec<_> = self.filters(stream).cloned().collect();
        for filter in &filters {
            self.remove(filter, stream);
        }
    }

    /// Puts the streams of all filters that match `topic` into `out`, which is emptied first: each once, ascending.
    pub fn matches(&self, topic: &TopicName, out: &mut Vec<StreamId>) {
        out.clear();
        // [MQTT-4.7.2-1] [MQTT-4.7.2-1 of 3.1.1]
        let wildcards_may_start = topic.as_bytes()[0] != b'$';
        let mut reached = Frontier::new();
        let mut next = Frontier::new();
        reached.push(NodeIndex::ROOT);
        if wildcards_may_start {
            out.extend_from_slice(&self.nodes[NodeIndex::ROOT.as_usize()].below);
        }
        for (depth, level) in topic.as_bytes().split(|&byte| byte == b'/').enumerate() {
            self.step(level, depth > 0 || wildcards_may_start, &reached, &mut next);
            core::mem::swap(&mut reached, &mut next);
            if reached.is_empty() {
                break;
            }
            next.clear();
            // A `#` also matches the level before it, so whatever the topic has after this one.
            for node in reached.iter() {
                out.extend_from_slice(&self.nodes[node.as_usize()].below);
            }
        }
        for node in reached.iter() {
            out.extend_from_slice(&self.nodes[node.as_usize()].here);
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The filters of a stream, in the order of their bytes.
    pub fn filters(&self, stream: StreamId) -> impl Iterator<Item = &TopicFilter> {
        // The least of all filters: one byte, and the protocol forbids the byte below it.
        let least = TopicFilter::from_static("\u{1}").expect("a control character is a legal filter");
        let from = self.entries.range((stream, least)..);
        from.take_while(move |(other, _)| *other == stream).map(|(_, filter)| filter)
    }

    /// Collects the nodes that `level` leads to from those `reached`.
    fn step(&self, level: &[u8], wildcard: bool, reached: &Frontier, next: &mut Frontier) {
        let mut level_hash = None;
        for index in reached.iter() {
            let node = &self.nodes[index.as_usize()];
            if node.children > 0 {
                // [MQTT-4.7.3-4] [MQTT-4.7.3-4 of 3.1.1]
                let level_hash = *level_hash.get_or_insert_with(|| hash_level(self.seed, level));
                if let Some(child) = self.literal_child(index, level, level_hash) {
                    next.push(child);
                }
            }
            if wildcard && !node.plus.is_none() {
                next.push(node.plus);
            }
        }
    }

    fn literal_child(&self, parent: NodeIndex, level: &[u8], level_hash: u64) -> Option<NodeIndex> {
        self.edges.find(hash_edge(level_hash, parent), |child| {
            let child = &self.nodes[child.as_usize()];
            child.parent == parent && *child.level == *level
        })
    }

    /// The child of `parent` along a level of a filter.
    fn child(&self, parent: NodeIndex, level: &[u8]) -> Option<NodeIndex> {
        if level == b"+" {
            let plus = self.nodes[parent.as_usize()].plus;
            return (!plus.is_none()).then_some(plus);
        }
        self.literal_child(parent, level, hash_level(self.seed, level))
    }

    fn add_child(&mut self, parent: NodeIndex, level: &[u8]) -> NodeIndex {
        if level == b"+" {
            let child = self.add_node(Node::new(parent, Box::default(), 0));
            self.nodes[parent.as_usize()].plus = child;
            return child;
        }
        let hash = hash_edge(hash_level(self.seed, level), parent);
        let child = self.add_node(Node::new(parent, level.into(), hash));
        self.edges.insert(hash, child);
        self.nodes[parent.as_usize()].children += 1;
        child
    }

    fn add_node(&mut self, node: Node) -> NodeIndex {
        if let Some(index) = self.free.pop() {
            self.nodes[index.as_usize()] = node;
            return index;
        }
        self.nodes.push(node);
        NodeIndex::new(self.nodes.len() - 1)
    }

    /// Removes `index` and the nodes before it as far as no filter needs them.
    fn prune(&mut self, mut index: NodeIndex) {
        while index != NodeIndex::ROOT && self.nodes[index.as_usize()].is_unused() {
            let (parent, hash) = (self.nodes[index.as_usize()].parent, self.nodes[index.as_usize()].hash);
            if self.nodes[parent.as_usize()].plus == index {
                self.nodes[parent.as_usize()].plus = NodeIndex::NONE;
            } else {
                self.edges.remove(hash, index);
                self.nodes[parent.as_usize()].children -= 1;
            }
            self.nodes[index.as_usize()] = Node::new(NodeIndex::NONE, Box::default(), 0);
            self.free.push(index);
            index = parent;
        }
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Node {
    fn new(parent: NodeIndex, level: Box<[u8]>, hash: u32) -> Self {
        let plus = NodeIndex::NONE;
        Self { parent, level, hash, children: 0, plus, here: Vec::new(), below: Vec::new() }
    }

    /// The list for a filter that ends at this node.
    fn streams_mut(&mut self, filter: &[u8]) -> &mut Vec<StreamId> {
        if filter.ends_with(b"#") { &mut self.below } else { &mut self.here }
    }

    fn is_unused(&self) -> bool {
        self.children == 0 && self.plus.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

/// The levels of a filter up to its `#`, if it has one.
fn levels_before_hash(filter: &[u8]) -> impl Iterator<Item = &[u8]> {
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1]
    // A `#` is the last level, and a wildcard is alone in its level.
    filter.split(|&byte| byte == b'/').take_while(|&level| level != b"#")
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::try_from(text).unwrap()
    }

    /// Routes with these filters, each for a stream of its own: 0, 1, 2 ...
    fn routes(filters: &[&str]) -> Routes {
        let mut routes = Routes::new();
        for (stream, text) in (0..).zip(filters) {
            assert!(routes.insert(&filter(text), StreamId::new(stream)));
        }
        routes
    }

    fn matches(routes: &Routes, topic: &str) -> Vec<u32> {
        // What is in the buffer before must not show.
        let mut out = alloc::vec![StreamId::new(99)];
        routes.matches(&TopicName::try_from(topic).unwrap(), &mut out);
        out.into_iter().map(StreamId::as_u32).collect()
    }

    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1]
    #[test]
    fn wildcards_match_whole_levels_and_a_hash_matches_its_parent_too() {
        let routes = routes(&["a/b", "a/+", "a/#", "a/b/#", "+/b", "#", "a", "/+", "+/+/#", "a/b/c"]);
        assert_eq!(matches(&routes, "a/b"), [0, 1, 2, 3, 4, 5, 8]);
        assert_eq!(matches(&routes, "a"), [2, 5, 6]);
        assert_eq!(matches(&routes, "a/"), [1, 2, 5, 8]);
        assert_eq!(matches(&routes, "/b"), [4, 5, 7, 8]);
        assert_eq!(matches(&routes, "a/b/c/d"), [2, 3, 5, 8]);
        assert_eq!(matches(&routes, "A/B"), [5, 8]);
    }

    // [MQTT-4.7.2-1] [MQTT-4.7.2-1 of 3.1.1]
    #[test]
    fn a_filter_that_starts_with_a_wildcard_matches_no_topic_that_starts_with_a_dollar() {
        let routes = routes(&["#", "+/x", "$SYS/#", "$SYS/+", "+/$SYS"]);
        assert_eq!(matches(&routes, "$SYS/x"), [2, 3]);
        assert_eq!(matches(&routes, "$SYS"), [2]);
        assert_eq!(matches(&routes, "a/$SYS"), [0, 4]);
    }

    // [MQTT-4.8.2-2]
    #[test]
    fn a_shared_filter_matches_by_what_follows_the_share_name() {
        let stream = StreamId::new(7);
        let mut routes = Routes::new();
        assert!(routes.insert(&filter("$share/g/a/+"), stream));
        assert!(routes.insert(&filter("$share/h/a/+"), stream));
        assert!(routes.insert(&filter("a/+"), stream));
        assert_eq!(matches(&routes, "a/b"), [7]);
        assert_eq!(matches(&routes, "$share/g/a/b"), []);

        // Each is an entry of its own: the others stay.
        assert!(routes.remove(&filter("$share/g/a/+"), stream));
        assert!(!routes.remove(&filter("$share/g/a/+"), stream));
        assert!(routes.remove(&filter("a/+"), stream));
        assert_eq!(matches(&routes, "a/b"), [7]);
        assert!(routes.remove(&filter("$share/h/a/+"), stream));
        assert!(routes.is_empty());
    }

    #[test]
    fn a_stream_is_listed_once_in_ascending_order_and_its_filters_can_be_told() {
        let mut routes = Routes::new();
        for stream in [3, 1, 2] {
            for text in ["a/b", "a/+", "#"] {
                assert!(routes.insert(&filter(text), StreamId::new(stream)));
                assert!(!routes.insert(&filter(text), StreamId::new(stream)));
            }
        }
        assert_eq!(matches(&routes, "a/b"), [1, 2, 3]);

        routes.remove_stream(StreamId::new(2));
        assert_eq!(matches(&routes, "a/b"), [1, 3]);
        assert_eq!(routes.filters(StreamId::new(2)).count(), 0);
        let filters: Vec<_> = routes.filters(StreamId::new(1)).map(TopicFilter::as_str).collect();
        assert_eq!(filters, ["#", "a/+", "a/b"]);
        assert!(!routes.remove(&filter("a"), StreamId::new(1)));
    }

    #[test]
    fn the_longest_topics_and_filters_neither_recurse_nor_explode() {
        let slashes = "/".repeat(65_535);
        let all_plus = ["+"; 32_768].join("/");
        let routes = routes(&["#", "+/+/#", &all_plus, &slashes, "/+"]);
        assert_eq!(matches(&routes, &slashes), [0, 1, 3]);
        assert_eq!(matches(&routes, &["a"; 32_768].join("/")), [0, 1, 2]);

        // Every mixture of `a` and `+` in 12 levels: each node is reached once, not once per way.
        let mut routes = Routes::new();
        for mask in 0..1 << 12 {
            let levels: Vec<_> = (0..12).map(|bit| if mask >> bit & 1 == 0 { "a" } else { "+" }).collect();
            routes.insert(&filter(&levels.join("/")), StreamId::new(mask));
        }
        assert_eq!(matches(&routes, &["a"; 12].join("/")), (0..1 << 12).collect::<Vec<_>>());
        assert_eq!(matches(&routes, &["a"; 32_768].join("/")), []);
    }

    #[test]
    fn removing_a_filter_frees_its_nodes_for_the_next_one() {
        let mut routes = routes(&["keep/a"]);
        for round in 0..100 {
            let text = alloc::format!("keep/{round}/+/x/#");
            routes.insert(&filter(&text), StreamId::new(1));
            assert_eq!(matches(&routes, &alloc::format!("keep/{round}/y/x")), [1]);
            routes.remove(&filter(&text), StreamId::new(1));
        }
        assert_eq!(routes.nodes.len(), 1 + 2 + 3);
        assert_eq!(routes.free.len(), 3);
        routes.remove(&filter("keep/a"), StreamId::new(0));
        assert_eq!((routes.nodes.len(), routes.free.len()), (1, 0));
    }

    /// The first two of some numbers whose hashes, by this function, are the same.
    fn collision(hash: impl Fn(usize) -> u32) -> (usize, usize) {
        let mut seen = BTreeMap::new();
        let found = (1..1_000_000).find_map(|number| Some((seen.insert(hash(number), number)?, number)));
        found.expect("a million 32-bit hashes collide")
    }

    // [MQTT-4.7.3-4] [MQTT-4.7.3-4 of 3.1.1]
    #[test]
    fn levels_with_the_same_hash_are_told_apart() {
        let hash = |level: &str, parent| hash_edge(hash_level(0, level.as_bytes()), NodeIndex::new(parent));
        let (one, two) = collision(|number| hash(&alloc::format!("{number}"), 0));
        let routes = routes(&[&alloc::format!("{one}"), "x"]);
        assert_eq!(matches(&routes, &alloc::format!("{one}")), [0]);
        assert_eq!(matches(&routes, &alloc::format!("{two}")), []);

        // The same level below two parents: nodes are numbered in the order in which they come.
        let (one, two) = collision(|parent| hash("x", parent));
        let mut routes = Routes::new();
        for parent in 1..=two {
            routes.insert(&filter(&alloc::format!("{parent}")), StreamId::new(0));
        }
        routes.insert(&filter(&alloc::format!("{one}/x")), StreamId::new(1));
        routes.insert(&filter(&alloc::format!("{two}/y")), StreamId::new(2));
        assert_eq!(matches(&routes, &alloc::format!("{one}/x")), [1]);
        assert_eq!(matches(&routes, &alloc::format!("{two}/x")), []);
    }

    fn levels(last: &'static str) -> impl Strategy<Value = String> {
        let level = prop::sample::select(alloc::vec!["", "a", "b", "$c", "+"]);
        (prop::collection::vec(level, 0..4), prop::sample::select(alloc::vec!["a", "b", "+", last])).prop_map(
            |(mut levels, last)| {
                levels.push(last);
                levels.join("/")
            },
        )
    }

    fn any_filter() -> impl Strategy<Value = TopicFilter> {
        let share = prop::sample::select(alloc::vec!["", "", "$share/g/", "$share/h/"]);
        (share, levels("#")).prop_map(|(share, levels)| filter(&(String::from(share) + &levels)))
    }

    fn any_topic() -> impl Strategy<Value = TopicName> {
        levels("c").prop_map(|levels| TopicName::try_from(levels.replace('+', "d")).unwrap())
    }

    proptest! {
        // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4] [MQTT-4.8.2-2]
        #[test]
        fn the_trie_agrees_with_matching_filter_by_filter(
            changes in prop::collection::vec((0..5_u8, any_filter(), 0..4_u32), 0..60),
            topics in prop::collection::vec(any_topic(), 1..20),
        ) {
            let mut routes = Routes::with_seed(5);
            let mut model = BTreeSet::new();
            for (change, filter, stream) in changes {
                let stream = StreamId::new(stream);
                match change {
                    0..=2 => prop_assert_eq!(routes.insert(&filter, stream), model.insert((stream, filter))),
                    3 => prop_assert_eq!(routes.remove(&filter, stream), model.remove(&(stream, filter))),
                    _ if filter.len() < 3 => {
                        routes.remove_stream(stream);
                        model.retain(|(other, _)| *other != stream);
                    }
                    // Remove something that is there.
                    _ => if let Some((stream, filter)) = model.pop_first() {
                        prop_assert!(routes.remove(&filter, stream));
                    }
                }
            }
            let mut out = Vec::new();
            for topic in topics {
                routes.matches(&topic, &mut out);
                let expected: BTreeSet<_> =
                    model.iter().filter(|(_, filter)| filter.matches(&topic)).map(|(stream, _)| *stream).collect();
                prop_assert_eq!(&out, &expected.into_iter().collect::<Vec<_>>(), "{}", topic);
            }
            // No node outlives the last filter that begins with it.
            let mut beginnings = BTreeSet::new();
            for (_, filter) in &model {
                let levels: Vec<_> = levels_before_hash(filter.matching_part()).collect();
                beginnings.extend((1..=levels.len()).map(|count| levels[..count].to_vec()));
            }
            prop_assert_eq!(routes.nodes.len() - routes.free.len(), 1 + beginnings.len());
            prop_assert_eq!(routes.is_empty(), model.is_empty());
        }
    }
}
