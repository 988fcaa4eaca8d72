//! Where the protocol version may be asked for. Everywhere else code asks for a fact of `rules.rs`.

use crate::source::SourceFile;
use crate::source::is_path_separator;
use crate::tidy::Violation;
use crate::tree::Tree;

const ALLOWED_FILES: [&str; 3] = ["version.rs", "rules.rs", "packet/connect.rs"];
const ALLOWED_FOLDER: &str = "codec/";
const SRC: &str = "crates/bowline-proto/src/";

/// Outside the files that know the versions, and outside tests, no `Version::` in the protocol crate.
pub(super) fn version_is_asked_for_only_where_it_is_known(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().filter(|source| is_bound(source)).flat_map(check).collect()
}

fn is_bound(source: &SourceFile) -> bool {
    let Some(file) = source.path.strip_prefix(SRC) else { return false };
    !ALLOWED_FILES.contains(&file) && !file.starts_with(ALLOWED_FOLDER)
}

fn check(source: &SourceFile) -> Vec<Violation> {
    let names_a_version = |at: usize| {
        source.code[at].is_ident("Version")
            && (is_path_separator(&source.code, at + 1)
                || source.code.get(at + 1).is_some_and(|next| next.is_ident("as")))
    };
    source
        .shipped_code()
        .filter(|&(at, _)| names_a_version(at))
        .map(|(_, token)| {
            let message = "`Version::` outside version.rs, rules.rs, codec/ and packet/connect.rs: \
                           name the difference as a fact in rules.rs and ask for that";
            Violation::new(&source.path, token.line, "version-facts", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::lines;

    const RULE: fn(&Tree) -> Vec<Violation> = version_is_asked_for_only_where_it_is_known;

    #[test]
    fn a_version_in_an_engine_is_reported_even_inside_a_macro() {
        let text = "fn a() {\n  if v == Version::V5 {}\n  matches!(v, crate::Version::V3_1);\n}\nuse crate::Version as V;";
        assert_eq!(lines(RULE, "crates/bowline-proto/src/client/engine.rs", text), [2, 3, 5]);
    }

    #[test]
    fn a_version_is_fine_where_it_is_known_in_tests_in_comments_and_as_a_type() {
        let bad = "fn a() { Version::V5; }";
        for path in ["version.rs", "rules.rs", "codec/v5/mod.rs", "packet/connect.rs"] {
            assert_eq!(lines(RULE, &format!("crates/bowline-proto/src/{path}"), bad), []);
        }
        let good = "// Version::V5\nfn a(v: Version) {}\n#[cfg(test)]\nmod tests { fn b() { Version::V5; } }";
        assert_eq!(lines(RULE, "crates/bowline-proto/src/client/engine.rs", good), []);
        assert_eq!(lines(RULE, "crates/bowline-proto/tests/a.rs", bad), []);
    }
}
