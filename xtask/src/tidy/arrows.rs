//! Which folders of the protocol crate may not know which.

use crate::tidy::Violation;
use crate::tidy::modules::references;
use crate::tree::Tree;

/// Each folder with those it must not name. The session outlives the connection, so it knows nothing of it; only the
/// codec knows bytes; the model knows nobody who uses it; the two roles do not know each other.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("session", &["codec", "connection", "client", "server"]),
    ("connection", &["client", "server"]),
    ("codec", &["session", "connection", "client", "server"]),
    ("packet", &["codec", "session", "connection", "client", "server"]),
    ("types", &["codec", "session", "connection", "client", "server"]),
    ("client", &["server"]),
    ("server", &["client"]),
];

/// The folders of the protocol crate keep to their side of each arrow.
pub(super) fn folders_keep_to_their_side(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for reference in references(tree, "bowline-proto") {
        let (Some(from), Some(to)) = (reference.from.first(), reference.to.first()) else { continue };
        let is_forbidden =
            |(folder, others): &(&str, &[&str])| folder == from && others.contains(&to.as_str());
        if FORBIDDEN.iter().any(is_forbidden) {
            let message = format!(
                "{from}/ must not know {to}/: pass what is needed as an argument, or move the shared value to types/"
            );
            found.push(Violation::new(&reference.path, reference.line, "module-arrows", message));
        }
    }
    found
}

/// No `use module::*` of our own modules outside tests: the arrows could not be followed through it.
pub(super) fn no_globs(tree: &Tree) -> Vec<Violation> {
    let globs = tree.crate_folders().into_iter().flat_map(|folder| references(tree, &folder));
    globs
        .filter(|reference| reference.is_glob)
        .map(|reference| {
            let message = "all names of a module are taken at once: name those that are used";
            Violation::new(&reference.path, reference.line, "no-globs", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::tree_of;

    fn reported(rule: fn(&Tree) -> Vec<Violation>, path: &str, text: &str) -> usize {
        let mut files = vec![
            ("crates/bowline-proto/src/lib.rs".to_owned(), "pub use codec::Frame;"),
            ("crates/bowline-proto/src/time.rs".to_owned(), ""),
        ];
        for folder in ["session", "connection", "codec", "packet", "types", "client", "server"] {
            files.push((format!("crates/bowline-proto/src/{folder}/mod.rs"), ""));
        }
        let path = format!("crates/bowline-proto/src/{path}");
        files.retain(|(other, _)| *other != path);
        files.push((path, text));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        rule(&tree_of(&files)).len()
    }

    #[test]
    fn every_forbidden_arrow_is_reported() {
        for (folder, others) in FORBIDDEN {
            for other in others {
                let text = format!("use crate::{other}::Thing;");
                assert_eq!(
                    reported(folders_keep_to_their_side, &format!("{folder}/x.rs"), &text),
                    1,
                    "{folder} {other}"
                );
            }
        }
    }

    #[test]
    fn an_arrow_hidden_in_a_path_or_behind_a_re_export_is_reported() {
        let hidden = "fn a() { let b = vec![super::super::codec::v5::encode()]; }";
        assert_eq!(reported(folders_keep_to_their_side, "session/x.rs", hidden), 1);
        assert_eq!(reported(folders_keep_to_their_side, "session/x.rs", "use crate::Frame;"), 1);
    }

    #[test]
    fn allowed_arrows_and_tests_are_fine() {
        let text =
            "use crate::types::QoS;\nuse crate::time::Timestamp;\n#[cfg(test)]\nuse crate::codec::Frame;";
        assert_eq!(reported(folders_keep_to_their_side, "session/x.rs", text), 0);
        assert_eq!(
            reported(folders_keep_to_their_side, "client/x.rs", "use crate::{codec, session, connection};"),
            0
        );
    }

    #[test]
    fn a_glob_of_our_own_module_is_reported() {
        assert_eq!(reported(no_globs, "client/x.rs", "use crate::types::*;"), 1);
        assert_eq!(
            reported(no_globs, "client/x.rs", "use crate::types::QoS::*;\n#[cfg(test)]\nuse super::*;"),
            0
        );
    }
}
