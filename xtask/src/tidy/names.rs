//! Names that say nothing.

use crate::tidy::Violation;
use crate::tree::Tree;

/// A file or folder with such a name collects what has no home.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "data", "info", "misc"];
/// As the last word of a name these are as empty; `data` is not, as in `correlation_data`.
const EMPTY_LAST_WORDS: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "manager", "managers"];

/// No Rust file or module folder has an empty name.
pub(super) fn file_names(tree: &Tree) -> Vec<Violation> {
    let is_empty = |part: &str| {
        let last_word = part.rsplit('_').next().unwrap_or(part);
        EMPTY_NAMES.contains(&part) || EMPTY_LAST_WORDS.contains(&last_word)
    };
    let empty_part =
        |path: &str| path.trim_end_matches(".rs").split('/').find(|part| is_empty(part)).map(str::to_owned);
    tree.sources
        .iter()
        .filter_map(|source| {
            let part = empty_part(&source.path)?;
            let message =
                format!("`{part}` says nothing: name the file for the noun that a reader looks for");
            Some(Violation::new(&source.path, 1, "file-names", message))
        })
        .collect()
}

/// No function name begins with `get_`.
pub(super) fn no_get_prefix(tree: &Tree) -> Vec<Violation> {
    let functions = tree
        .sources
        .iter()
        .flat_map(|source| source.functions.iter().map(move |function| (source, function)));
    functions
        .filter(|(_, function)| function.name.starts_with("get_"))
        .map(|(source, function)| {
            let message = format!("`{}`: leave the `get_` away", function.name);
            Violation::new(&source.path, function.first_line, "get-prefix", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::lines;

    #[test]
    fn files_and_folders_with_empty_names_are_reported() {
        for path in
            ["a/src/util.rs", "a/src/helpers/x.rs", "a/tests/common/mod.rs", "a/src/session_manager.rs"]
        {
            assert_eq!(lines(file_names, path, ""), [1], "{path}");
        }
        for path in ["a/src/topic.rs", "a/src/correlation_data.rs", "a/src/information.rs"] {
            assert_eq!(lines(file_names, path, ""), [], "{path}");
        }
    }

    #[test]
    fn getters_with_a_prefix_are_reported() {
        assert_eq!(lines(no_get_prefix, "a.rs", "\nfn get_topic() {}"), [2]);
        assert_eq!(lines(no_get_prefix, "a.rs", "fn topic() { get_topic(); }\nfn get() {}"), []);
    }
}
