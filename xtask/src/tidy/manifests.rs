//! What the manifests promise: inherited lints, and which crate may use which.

use toml::{Table, Value};

use crate::tidy::Violation;
use crate::tree::{TextFile, Tree};

/// The crates of `crates/`, and which of ours each may use. Examples and tests may reach the testkit too, and those of the
/// client the broker that every one of its tests can be judged by.
const ARROWS: [(&str, &[&str]); 7] = [
    ("bowline-proto", &[]),
    ("bowline-transport", &[]),
    ("bowline", &["bowline-transport", "bowline-proto"]),
    ("bowline-broker", &["bowline-transport", "bowline-proto"]),
    ("bowline-cli", &["bowline", "bowline-broker"]),
    ("bowline-testkit", &["bowline-proto", "bowline-broker", "bowline"]),
    ("bowline-bench", &["bowline", "bowline-transport"]),
];
/// All that the protocol crate may bring along.
const PROTO_DEPENDENCIES: [&str; 2] = ["bytes", "slab"];
const FUZZ_LIBRARY: &str = "fuzz/src/lib.rs";

/// The workspace forbids unsafe code, and each member takes over the workspace's lints.
pub(super) fn lints_are_inherited(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let workspace = tree.text("Cargo.toml").and_then(|text| text.parse::<Table>().ok());
    let level =
        workspace.as_ref().and_then(|table| at(table, &["workspace", "lints", "rust", "unsafe_code"]));
    if level.and_then(Value::as_str) != Some("forbid") {
        let message = "the workspace does not forbid unsafe code: set unsafe_code = \"forbid\" in [workspace.lints.rust]";
        found.push(Violation::new("Cargo.toml", 1, "lints", message));
    }
    for manifest in tree.member_manifests().filter(|manifest| !manifest.path.starts_with("fuzz/")) {
        let inherits = manifest
            .text
            .parse::<Table>()
            .is_ok_and(|table| at(&table, &["lints", "workspace"]).and_then(Value::as_bool) == Some(true));
        if !inherits {
            let message = "the workspace's lints are not inherited: add `[lints]` with `workspace = true`";
            found.push(Violation::new(&manifest.path, 1, "lints", message));
        }
    }
    found
}

/// The fuzz crate stands outside the workspace, so its library says itself that it has no unsafe code.
pub(super) fn fuzz_forbids_unsafe(tree: &Tree) -> Vec<Violation> {
    let has_fuzz = tree.text("fuzz/Cargo.toml").is_some();
    let library = tree.sources.iter().find(|source| source.path == FUZZ_LIBRARY);
    let forbids = library.is_some_and(|source| {
        let words: Vec<&str> = source.code.iter().map(|token| token.text.as_str()).collect();
        words.windows(8).any(|window| window == ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"])
    });
    if has_fuzz && !forbids {
        let message = "the fuzz crate inherits no lints: write `#![forbid(unsafe_code)]` into its library";
        return vec![Violation::new(FUZZ_LIBRARY, 1, "lints", message)];
    }
    Vec::new()
}

/// Each crate uses only those of ours that its place in the house allows, and the protocol crate only `bytes`.
pub(super) fn crate_arrows(tree: &Tree) -> Vec<Violation> {
    tree.member_manifests()
        .filter(|manifest| !manifest.path.starts_with("fuzz/"))
        .flat_map(check_arrows)
        .collect()
}

fn check_arrows(manifest: &TextFile) -> Vec<Violation> {
    let folder = manifest.path.trim_end_matches("/Cargo.toml").trim_start_matches("crates/");
    let complain = |message: String| Violation::new(&manifest.path, 1, "crate-arrows", message);
    let table = match manifest.text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![complain(format!("the manifest does not parse: {}", error.message()))],
    };
    let mut found = Vec::new();
    let name = at(&table, &["package", "name"]).and_then(Value::as_str).unwrap_or_default();
    if name != folder {
        found.push(complain(format!(
            "the crate is called `{name}` and its folder `{folder}`: give both one name"
        )));
    }
    let allowed = match ARROWS.iter().find(|(known, _)| *known == name) {
        Some((_, allowed)) => *allowed,
        None if name == "xtask" => &[],
        None => {
            found.push(complain(format!(
                "`{name}` has no place in the house: add it to ARROWS in the tidy rules"
            )));
            return found;
        }
    };
    for Dependency { name: used, is_dev } in dependencies(&table) {
        let is_ours = used == "xtask" || used.starts_with("bowline");
        let is_for_tests = used == "bowline-testkit" || (name == "bowline" && used == "bowline-broker");
        let is_allowed = allowed.contains(&used.as_str()) || (is_dev && is_for_tests);
        if is_ours && !is_allowed {
            found.push(complain(format!("`{name}` may not use `{used}`: it may use {allowed:?}")));
        }
        if name == "bowline-proto" && !is_ours && !is_dev && !PROTO_DEPENDENCIES.contains(&used.as_str()) {
            found.push(complain(format!("`{name}` may not use `{used}`: it may use {PROTO_DEPENDENCIES:?}")));
        }
    }
    found
}

struct Dependency {
    name: String,
    is_dev: bool,
}

/// The dependencies of all kinds, those of single targets included, by the names of their packages.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let of_targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = std::iter::once(manifest).chain(of_targets.filter_map(|(_, target)| target.as_table()));
    let mut found = Vec::new();
    for table in tables {
        for (section, is_dev) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
                let renamed = value.get("package").and_then(Value::as_str);
                found.push(Dependency { name: renamed.unwrap_or(name).to_owned(), is_dev });
            }
        }
    }
    found
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::{tree, tree_of};

    const WORKSPACE: (&str, &str) = ("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"");

    fn arrows_of(name: &str, rest: &str) -> usize {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        crate_arrows(&tree(&format!("crates/{name}/Cargo.toml"), &text)).len()
    }

    #[test]
    fn a_member_that_does_not_inherit_the_lints_is_reported() {
        let member = "crates/x/Cargo.toml";
        assert_eq!(lints_are_inherited(&tree_of(&[WORKSPACE, (member, "[package]")])).len(), 1);
        assert_eq!(
            lints_are_inherited(&tree_of(&[WORKSPACE, (member, "[lints]\nworkspace = true")])).len(),
            0
        );
    }

    #[test]
    fn a_workspace_that_allows_unsafe_code_is_reported() {
        let lax = ("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"deny\"");
        assert_eq!(lints_are_inherited(&tree_of(&[lax])).len(), 1);
        assert_eq!(lints_are_inherited(&tree_of(&[WORKSPACE])).len(), 0);
    }

    #[test]
    fn a_fuzz_library_without_the_attribute_is_reported() {
        let fuzz = |text| tree_of(&[("fuzz/Cargo.toml", ""), (FUZZ_LIBRARY, text)]);
        assert_eq!(fuzz_forbids_unsafe(&fuzz("//! #![forbid(unsafe_code)]")).len(), 1);
        assert_eq!(fuzz_forbids_unsafe(&fuzz("//! A.\n#![forbid(unsafe_code)]")).len(), 0);
        assert_eq!(fuzz_forbids_unsafe(&tree_of(&[])).len(), 0);
    }

    #[test]
    fn an_arrow_that_the_house_does_not_have_is_reported() {
        assert_eq!(arrows_of("bowline-proto", "[dependencies]\ntokio = \"1\""), 1);
        assert_eq!(arrows_of("bowline-proto", "[dependencies]\nt = { package = \"tokio\" }"), 1);
        assert_eq!(arrows_of("bowline-transport", "[dependencies.bowline-proto]\nworkspace = true"), 1);
        assert_eq!(
            arrows_of("bowline", "[target.'cfg(unix)'.dependencies]\nbowline-broker.workspace = true"),
            1
        );
        assert_eq!(arrows_of("bowline-unheard-of", ""), 1);
        assert_eq!(crate_arrows(&tree("crates/other/Cargo.toml", "[package]\nname = \"bowline\"")).len(), 1);
    }

    #[test]
    fn the_arrows_of_the_house_are_fine() {
        let proto = "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nproptest = \"1\"\nbowline-testkit.workspace = true";
        assert_eq!(arrows_of("bowline-proto", proto), 0);
        assert_eq!(arrows_of("bowline", "[dependencies]\nbowline-proto = \"1\"\ntokio = \"1\""), 0);
    }
}
