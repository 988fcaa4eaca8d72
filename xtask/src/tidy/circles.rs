//! No circles between modules.
//!
//! In each folder (and at the root of each crate) the modules directly inside it, files and folders alike, form a graph:
//! an edge from `a` to `b` if anything inside `a` refers to anything inside `b`. This graph has no circle. A parent
//! is not part of the graph of its children: it may list and dispatch to them while they use what it defines, and a name
//! that it merely re-exports counts for the child that owns it.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::Violation;
use crate::tidy::modules::{ModulePath, Reference, references};
use crate::tree::Tree;

/// The edges between the children of one folder, each with a place where it comes from.
type Graph = BTreeMap<String, BTreeMap<String, (String, usize)>>;

/// Modules side by side do not use each other in a circle.
pub(super) fn no_circles(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for crate_folder in tree.crate_folders() {
        for (folder, graph) in graphs(&references(tree, &crate_folder)) {
            found.extend(circles(&graph).iter().map(|circle| report(&folder, circle, &graph)));
        }
    }
    found
}

fn graphs(references: &[Reference]) -> BTreeMap<ModulePath, Graph> {
    let mut graphs: BTreeMap<ModulePath, Graph> = BTreeMap::new();
    for reference in references {
        let shared = reference.from.iter().zip(&reference.to).take_while(|(from, to)| from == to).count();
        let (Some(from), Some(to)) = (reference.from.get(shared), reference.to.get(shared)) else { continue };
        let graph = graphs.entry(reference.from[..shared].to_vec()).or_default();
        let edges = graph.entry(from.clone()).or_default();
        edges.entry(to.clone()).or_insert_with(|| (reference.path.clone(), reference.line));
    }
    graphs
}

/// One circle for each group of modules that reach each other.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = shortest_way(graph, start, start) {
            let reaches_both_ways = |other: &&String| {
                shortest_way(graph, start, other).is_some() && shortest_way(graph, other, start).is_some()
            };
            seen.extend(graph.keys().filter(reaches_both_ways).cloned());
            circles.push(circle);
        }
    }
    circles
}

/// The modules from `start` to `end`, both included, over at least one edge.
fn shortest_way(graph: &Graph, start: &str, end: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut visited = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().expect("a way has its start");
            for next in graph.get(last).into_iter().flat_map(BTreeMap::keys) {
                let mut way = way.clone();
                way.push(next.clone());
                if next == end {
                    return Some(way);
                }
                if visited.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

fn report(folder: &ModulePath, circle: &[String], graph: &Graph) -> Violation {
    let edges: Vec<(&str, &str)> =
        circle.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let places: Vec<String> = edges
        .iter()
        .map(|&(from, to)| {
            let (path, line) = &graph[from][to];
            format!("{from} uses {to} at {path}:{line}")
        })
        .collect();
    let (path, line) = &graph[edges[0].0][edges[0].1];
    let around = if folder.is_empty() { "the crate's root".to_owned() } else { folder.join("::") };
    let message = format!(
        "a circle of modules in {around} ({}): move what both sides need to a module below them",
        places.join(", ")
    );
    Violation::new(path, *line, "no-circles", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::tree_of;

    #[test]
    fn a_circle_of_top_level_modules_is_reported_once_with_its_places() {
        let tree = tree_of(&[
            ("crates/x/src/a.rs", "use crate::b::deep::B;"),
            ("crates/x/src/b/mod.rs", ""),
            ("crates/x/src/b/deep.rs", "use crate::c::C;"),
            ("crates/x/src/c.rs", "use crate::b::X;\nuse crate::a::A;"),
        ]);
        let found = no_circles(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        let message = &found[0].message;
        for place in ["a uses b at crates/x/src/a.rs:1", "b uses c", "c uses a at crates/x/src/c.rs:2"] {
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn a_circle_of_files_through_the_parents_re_export_is_reported() {
        let tree = tree_of(&[
            ("crates/x/src/t/mod.rs", "pub use a::A;\npub use b::B;"),
            ("crates/x/src/t/a.rs", "use super::B;"),
            ("crates/x/src/t/b.rs", "use crate::t::A;"),
        ]);
        assert_eq!(no_circles(&tree).len(), 1);
    }

    #[test]
    fn parents_and_children_may_know_each_other_and_chains_are_fine() {
        let tree = tree_of(&[
            ("crates/x/src/t/mod.rs", "use self::a::A;\npub struct Shared;\npub use b::B;"),
            ("crates/x/src/t/a.rs", "use super::{B, Shared};\n#[cfg(test)]\nmod tests { use crate::u::U; }"),
            ("crates/x/src/t/b.rs", "use crate::t::Shared;"),
            ("crates/x/src/u.rs", "use crate::t::a::A;"),
        ]);
        assert_eq!(no_circles(&tree), []);
    }
}
