//! Which streams a topic belongs to: a trie of topic filters that yields stream ids. Knows no messages and no inboxes.

mod edges;
mod levels;
mod node;
mod pending;
mod search;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::types::{TopicFilter, TopicName};
use edges::{Edges, NodeIndex, hash_edge, key};
use levels::{KeptLabel, Label};
use node::Node;
use search::Search;

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

/// The filters of all streams: a trie with one level of a filter per edge, in which a filter without wildcards is a
/// single edge from the root.
///
/// Finding the streams of a topic looks the whole topic up, then goes down the trie level by level, and where a level
/// and a `+` lead on, both ways one after the other. Each node has one parent and one depth, so it is reached at most
/// once, and only if some filter begins with wildcards or levels that match the topic up to there. So the work is
/// bounded by the topic's bytes plus the filters that match a beginning of it; filters that do not cost nothing, however
/// many there are, and `+/+/+/...` costs what was subscribed, never a power of the topic's depth. A topic deeper than all
/// filters ends the search early. Nothing recurses.
///
/// Besides the filter itself, a filter without wildcards takes about 200 bytes, another one about 60 and 100 for each of
/// its beginnings that no other filter has. All is freed when the last filter goes; until then removed nodes are kept
/// for new ones.
#[derive(Clone, Debug)]
pub struct Routes {
    /// What hashes are keyed with, made of the seed.
    key: u64,
    /// The arena; the root is always there.
    nodes: Vec<Node>,
    /// Nodes that were pruned, to be used again.
    free: Vec<NodeIndex>,
    edges: Edges,
    entries: BTreeSet<(StreamId, TopicFilter)>,
    /// How many of the entries have no wildcard.
    exact_entries: usize,
    /// A bit for each length, modulo 64, that a filter without wildcards has or had: most topics that only filters with
    /// wildcards match, or none, are not even looked up.
    exact_lengths: u64,
}

impl Routes {
    /// No filters. For filters of one's own; a broker takes [`Routes::with_seed`].
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// No filters, with a seed that peers cannot guess, so that they cannot make filters that slow the search down.
    pub fn with_seed(seed: u64) -> Self {
        Self::with_key(key(seed))
    }

    fn with_key(key: u64) -> Self {
        Self {
            key,
            nodes: alloc::vec![Node::new(NodeIndex::ROOT, NodeIndex::NONE, KeptLabel::default())],
            free: Vec::new(),
            edges: Edges::new(),
            entries: BTreeSet::new(),
            exact_entries: 0,
            exact_lengths: 0,
        }
    }

    /// Leads topics that match `filter` to `stream`; `false` if they were led there already.
    pub fn insert(&mut self, filter: &TopicFilter, stream: StreamId) -> bool {
        if !self.entries.insert((stream, filter.clone())) {
            return false;
        }
        if !filter.has_wildcard() {
            self.exact_entries += 1;
            self.exact_lengths |= length_bit(filter.matching_part());
        }
        let mut node = NodeIndex::ROOT;
        for label in labels(self.key, filter) {
            node = match self.child(node, &label) {
                Some(child) => child,
                None => self.add_child(node, &label),
            };
        }
        self.nodes[node.as_usize()].streams_mut(filter).insert(stream);
        true
    }

    /// Ends what [`Routes::insert`] began with the same filter and stream; `false` if there was no such entry.
    pub fn remove(&mut self, filter: &TopicFilter, stream: StreamId) -> bool {
        if !self.entries.remove(&(stream, filter.clone())) {
            return false;
        }
        if self.entries.is_empty() {
            *self = Self::with_key(self.key);
            return true;
        }
        self.exact_entries -= usize::from(!filter.has_wildcard());
        let mut node = NodeIndex::ROOT;
        for label in labels(self.key, filter) {
            node = self.child(node, &label).expect("an entry has its nodes");
        }
        self.nodes[node.as_usize()].streams_mut(filter).remove(stream);
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
        let topic = topic.as_bytes();
        if self.exact_lengths & length_bit(topic) != 0 {
            self.match_exactly(topic, out);
        }
        if self.exact_entries < self.entries.len() {
            Search::new(self, topic, out).run();
        }
        if out.len() > 1 && !out.is_sorted_by(|one, next| one < next) {
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

    /// Appends the streams of the filters that have no wildcard.
    #[inline(never)]
    fn match_exactly(&self, topic: &[u8], out: &mut Vec<StreamId>) {
        let root = &self.nodes[NodeIndex::ROOT.as_usize()];
        if let Some(node) = self.child_along(root, &Label::whole(self.key, topic)) {
            node.here.append_to(out);
        }
    }

    /// The child of a node along a label that is no wildcard.
    #[inline]
    fn child_along(&self, node: &Node, label: &Label<'_>) -> Option<&Node> {
        if !node.first.is_none() {
            let first = &self.nodes[node.first.as_usize()];
            if first.label.is(label) {
                return Some(first);
            }
        }
        if node.others == 0 { None } else { self.other_child_along(node.index, label.digest, label.long) }
    }

    /// The same for children that did not come first. Takes the label in parts, which then stay in registers.
    #[inline(never)]
    fn other_child_along(&self, parent: NodeIndex, digest: u64, long: &[u8]) -> Option<&Node> {
        let label = Label { digest, long };
        self.edges.find(hash_edge(self.key, parent, digest), |child| {
            let child = &self.nodes[child.as_usize()];
            (child.parent == parent && child.label.is(&label)).then_some(child)
        })
    }

    /// The child of a node along a label of a filter.
    fn child(&self, parent: NodeIndex, label: &Label<'_>) -> Option<NodeIndex> {
        let node = &self.nodes[parent.as_usize()];
        if label.is_plus() {
            (!node.plus.is_none()).then_some(node.plus)
        } else {
            self.child_along(node, label).map(|child| child.index)
        }
    }

    fn add_child(&mut self, parent: NodeIndex, label: &Label<'_>) -> NodeIndex {
        if label.is_plus() {
            let child = self.add_node(parent, KeptLabel::default());
            self.nodes[parent.as_usize()].plus = child;
            return child;
        }
        let child = self.add_node(parent, label.into());
        let node = &mut self.nodes[parent.as_usize()];
        if node.first.is_none() {
            node.first = child;
        } else {
            node.others += 1;
            self.edges.insert(hash_edge(self.key, parent, label.digest), child);
        }
        child
    }

    fn add_node(&mut self, parent: NodeIndex, label: KeptLabel) -> NodeIndex {
        if let Some(index) = self.free.pop() {
            self.nodes[index.as_usize()] = Node::new(index, parent, label);
            return index;
        }
        let index = NodeIndex::new(self.nodes.len());
        self.nodes.push(Node::new(index, parent, label));
        index
    }

    /// Removes `index` and the nodes before it as far as no filter needs them.
    fn prune(&mut self, mut index: NodeIndex) {
        while index != NodeIndex::ROOT && self.nodes[index.as_usize()].is_unused() {
            let unused = Node::new(index, NodeIndex::NONE, KeptLabel::default());
            let Node { parent, label, .. } = core::mem::replace(&mut self.nodes[index.as_usize()], unused);
            let node = &mut self.nodes[parent.as_usize()];
            if node.plus == index {
                node.plus = NodeIndex::NONE;
            } else if node.first == index {
                node.first = NodeIndex::NONE;
            } else {
                node.others -= 1;
                self.edges.remove(hash_edge(self.key, parent, label.digest()), index);
            }
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

const fn length_bit(text: &[u8]) -> u64 {
    1 << (text.len() % 64)
}

/// The way to the node where a filter ends, or from which it goes on with `#`.
fn labels(key: u64, filter: &TopicFilter) -> impl Iterator<Item = Label<'_>> {
    // [MQTT-4.8.2-2]
    let part = filter.matching_part();
    let has_wildcard = filter.has_wildcard();
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1]
    // A `#` is the last level, and a wildcard is alone in its level.
    let levels = part.split(move |&byte| has_wildcard && byte == b'/').take_while(|&level| level != b"#");
    levels.map(move |level| Label::whole(key, level))
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
        let tail = "x".repeat(60_000);
        assert_eq!(matches(&routes, &alloc::format!("{}/{tail}", ["a"; 12].join("/"))), []);
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
        assert_eq!(routes.nodes.len(), 1 + 1 + 4);
        assert_eq!(routes.free.len(), 4);
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
        let hash = |level: &str, parent| {
            hash_edge(key(0), NodeIndex::new(parent), Label::whole(key(0), level.as_bytes()).digest)
        };
        let (one, two) = collision(|number| hash(&alloc::format!("{number}"), 0));
        let filters = ["first", &alloc::format!("{one}")];
        assert_eq!(matches(&routes(&filters), &alloc::format!("{one}")), [1]);
        assert_eq!(matches(&routes(&filters), &alloc::format!("{two}")), []);

        // The same level below two parents: nodes are numbered in the order in which they come.
        let (one, two) = collision(|parent| hash("x", parent));
        let mut routes = Routes::new();
        for parent in 1..=two {
            routes.insert(&filter(&alloc::format!("{parent}/#")), StreamId::new(0));
        }
        for (stream, (parent, level)) in (1..).zip([(one, "first"), (one, "x"), (two, "first"), (two, "y")]) {
            routes.insert(&filter(&alloc::format!("{parent}/{level}/#")), StreamId::new(stream));
        }
        assert_eq!(matches(&routes, &alloc::format!("{one}/x")), [0, 2]);
        assert_eq!(matches(&routes, &alloc::format!("{two}/x")), [0]);
    }

    /// The labels on the way to each node that a filter needs.
    fn beginnings(filter: &TopicFilter) -> Vec<Vec<&[u8]>> {
        let part = filter.matching_part();
        if !filter.has_wildcard() {
            return alloc::vec![alloc::vec![part]];
        }
        let levels: Vec<_> = part.split(|&byte| byte == b'/').take_while(|&level| level != b"#").collect();
        (1..=levels.len()).map(|count| levels[..count].to_vec()).collect()
    }

    fn levels(last: &'static str) -> impl Strategy<Value = String> {
        let level = prop::sample::select(alloc::vec!["", "a", "b", "$c", "+", "eight by", "nine byte"]);
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
            let beginnings: BTreeSet<_> = model.iter().flat_map(|(_, filter)| beginnings(filter)).collect();
            prop_assert_eq!(routes.nodes.len() - routes.free.len(), 1 + beginnings.len());
            prop_assert_eq!(routes.is_empty(), model.is_empty());
        }
    }
}
