//! Which module of a crate refers to which. Owns resolving paths; must not know which references are allowed.
//!
//! A reference is a path that begins with `crate`, `self` or `super`, in a `use` or in the middle of code, macros
//! included, tests excluded. It is followed through `pub use` to the module that defines the name, so a name taken
//! from a parent's re-export counts as a use of the sibling that owns it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Kind, SourceFile, Token, is_path_separator, module_folder};
use crate::tree::Tree;

/// The names from the crate's root to a module; empty for the root.
pub(super) type ModulePath = Vec<String>;

/// One module's file names another module.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The file and line.
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) from: ModulePath,
    pub(super) to: ModulePath,
    /// Whether all names of that module are taken by `*`.
    pub(super) is_glob: bool,
}

/// The references in the shipped code of a crate.
pub(super) fn references(tree: &Tree, crate_folder: &str) -> Vec<Reference> {
    let files: Vec<(&SourceFile, ModulePath)> = tree
        .sources
        .iter()
        .filter(|source| source.is_in_src_of(crate_folder) && !source.is_all_tests)
        .map(|source| (source, module_of(source)))
        .collect();
    let names = Names::collect(&files);
    let mut references = Vec::new();
    for (source, file_module) in &files {
        for (at, token) in source.shipped_code().filter(|&(at, _)| begins_path(&source.code, at)) {
            let here = module_at(source, file_module, at);
            for path in read_paths(&source.code, at) {
                let Some(absolute) = absolute(&here, &path.segments) else { continue };
                let (to, is_whole_module) = names.resolve(absolute);
                let from = file_module.clone();
                let is_glob = path.is_glob && is_whole_module;
                references.push(Reference { path: source.path.clone(), line: token.line, from, to, is_glob });
            }
        }
    }
    references
}

/// The modules of a crate, and the names they pass on from others.
struct Names {
    modules: BTreeSet<ModulePath>,
    passed_on: BTreeMap<ModulePath, ModulePath>,
}

impl Names {
    fn collect(files: &[(&SourceFile, ModulePath)]) -> Self {
        let mut names = Self { modules: BTreeSet::new(), passed_on: BTreeMap::new() };
        for (_, module) in files {
            names.modules.insert(module.clone());
        }
        for (source, module) in files {
            for (at, _) in source.shipped_code().filter(|(_, token)| token.is_ident("use")) {
                names.add_use(&source.code, at, module);
            }
        }
        names
    }

    /// Any `use` makes a name that children may take by `super::name`, so private ones count too.
    fn add_use(&mut self, code: &[Token], at: usize, module: &ModulePath) {
        for path in read_paths(code, at + 1) {
            let Some(name) = path.name.filter(|_| !path.is_glob) else { continue };
            let is_relative = !matches!(path.segments[0].as_str(), "crate" | "self" | "super");
            let target = if is_relative {
                Some(join(module, &path.segments))
            } else {
                absolute(module, &path.segments)
            };
            let Some(target) = target else { continue };
            let is_ours = !is_relative || self.modules.contains(&join(module, &path.segments[..1]));
            let passed_on = join(module, &[name]);
            if is_ours && passed_on != target {
                self.passed_on.insert(passed_on, target);
            }
        }
    }

    /// The module that owns the path's last name, and whether the path is that module itself.
    fn resolve(&self, mut path: ModulePath) -> (ModulePath, bool) {
        const STEPS_MAX: usize = 32;
        for _ in 0..STEPS_MAX {
            let known = (0..=path.len()).rev().find(|&end| end == 0 || self.modules.contains(&path[..end]));
            let known = known.unwrap_or(0);
            let passed_on = path.get(..known + 1).and_then(|named| self.passed_on.get(named));
            match passed_on {
                Some(target) => path = join(target, &path[known + 1..]),
                None => return (path[..known].to_vec(), known == path.len()),
            }
        }
        (Vec::new(), false)
    }
}

/// The module whose file this is.
fn module_of(source: &SourceFile) -> ModulePath {
    let folder = module_folder(&source.path);
    let below = folder.split_once("/src").map_or("", |(_, below)| below);
    below.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The module around this position: the file's, or one written out inside it.
fn module_at(source: &SourceFile, file_module: &ModulePath, at: usize) -> ModulePath {
    let mut module = file_module.clone();
    for (start, token) in source.code.iter().enumerate().take(at) {
        let Some(open) = source.code.get(start + 2) else { break };
        if token.is_ident("mod") && open.opens("{") && open.partner > at {
            module.push(source.code[start + 1].text.clone());
        }
    }
    module
}

fn begins_path(code: &[Token], at: usize) -> bool {
    ["crate", "self", "super"].iter().any(|root| code[at].is_ident(root))
        && is_path_separator(code, at + 1)
        && !(at >= 2 && is_path_separator(code, at - 2))
}

fn absolute(here: &ModulePath, segments: &[String]) -> Option<ModulePath> {
    let mut base = here.clone();
    let mut rest = segments;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop()?;
            }
            _ => break,
        }
        rest = after;
    }
    Some(join(&base, rest))
}

fn join(base: &[String], rest: &[String]) -> ModulePath {
    base.iter().chain(rest).cloned().collect()
}

struct ReadPath {
    segments: Vec<String>,
    /// The name by which it is known from then on.
    name: Option<String>,
    is_glob: bool,
}

/// The paths that begin here; several if there are braces.
fn read_paths(code: &[Token], at: usize) -> Vec<ReadPath> {
    let mut paths = Vec::new();
    read_into(code, at, Vec::new(), &mut paths);
    paths.retain(|path| !path.segments.is_empty());
    paths
}

fn read_into(code: &[Token], mut at: usize, mut segments: Vec<String>, paths: &mut Vec<ReadPath>) {
    loop {
        let Some(token) = code.get(at) else { return };
        if token.opens("{") {
            let mut next = at + 1;
            while next < token.partner {
                read_into(code, next, segments.clone(), paths);
                next = after_comma(code, next, token.partner);
            }
            return;
        }
        if token.kind != Kind::Ident {
            let is_glob = token.is_punct('*');
            paths.push(ReadPath { name: segments.last().cloned(), segments, is_glob });
            return;
        }
        if token.text != "self" || segments.is_empty() {
            segments.push(token.text.clone());
        }
        if is_path_separator(code, at + 1) {
            at += 3;
            continue;
        }
        let alias = code.get(at + 1).filter(|next| next.is_ident("as")).and_then(|_| code.get(at + 2));
        let name = alias.map(|alias| alias.text.clone()).or_else(|| segments.last().cloned());
        paths.push(ReadPath { segments, name, is_glob: false });
        return;
    }
}

fn after_comma(code: &[Token], mut at: usize, end: usize) -> usize {
    while at < end && !code[at].is_punct(',') {
        at = if code[at].kind == Kind::Open { code[at].partner + 1 } else { at + 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::tree_of;

    fn seen(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("crates/x/src/{path}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let references = references(&tree_of(&files), "x");
        references
            .iter()
            .map(|found| {
                let glob = if found.is_glob { " *" } else { "" };
                format!("{} -> {}{glob}", found.from.join("::"), found.to.join("::"))
            })
            .collect()
    }

    #[test]
    fn paths_lead_to_the_module_that_owns_the_name() {
        let files = [
            ("lib.rs", "pub mod a;\npub mod b;\npub use a::Inner;\npub use bytes::Bytes;"),
            ("a/mod.rs", "pub mod inner;\npub use inner::Inner;"),
            ("a/inner.rs", "struct Inner;"),
            (
                "b.rs",
                "use crate::Inner;\nuse crate::a::{self, Inner as I, inner::{X, Y}};\nfn f() { m!(crate::a::g()); crate::Bytes::new(); }",
            ),
        ];
        let a = "b -> a::inner";
        assert_eq!(seen(&files), [a, "b -> a", a, a, a, "b -> a", "b -> "]);
    }

    #[test]
    fn super_and_modules_inside_a_file_are_resolved() {
        let files = [
            ("lib.rs", ""),
            ("a/mod.rs", "use b::B;"),
            (
                "a/b.rs",
                "use super::c::C;\nmod d { use super::super::c::E; }\n#[cfg(test)]\nmod tests { use super::*; }",
            ),
            ("a/c.rs", "use super::B;\nuse super::b::*;"),
        ];
        assert_eq!(seen(&files), ["a::b -> a::c", "a::b -> a::c", "a::c -> a::b", "a::c -> a::b *"]);
    }
}
