//! How large files and functions may be, and how a file begins.

use crate::source::{Function, SourceFile};
use crate::tidy::Violation;
use crate::tree::Tree;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// No file has more than 500 lines, tests included.
pub(super) fn file_lines(tree: &Tree) -> Vec<Violation> {
    let too_long = tree.sources.iter().filter(|source| line_count(source) > FILE_LINES_MAX);
    too_long
        .map(|source| {
            let message = format!(
                "the file has {} lines, the limit is {FILE_LINES_MAX}: move one concern to a file of its own",
                line_count(source)
            );
            Violation::new(&source.path, FILE_LINES_MAX + 1, "file-lines", message)
        })
        .collect()
}

/// No function has more than 70 lines from its signature to its closing brace, tests included.
pub(super) fn function_lines(tree: &Tree) -> Vec<Violation> {
    let too_long = functions(tree).filter(|(_, function)| function.line_count() > FUNCTION_LINES_MAX);
    too_long
        .map(|(source, function)| {
            let message = format!(
                "`{}` has {} lines, the limit is {FUNCTION_LINES_MAX}: keep its control flow and move the rest to helpers",
                function.name,
                function.line_count()
            );
            Violation::new(&source.path, function.first_line, "function-lines", message)
        })
        .collect()
}

/// Each file begins by saying what it owns and what it must not know.
pub(super) fn first_line(tree: &Tree) -> Vec<Violation> {
    let silent = tree.sources.iter().filter(|source| !source.text.starts_with("//! "));
    silent
        .map(|source| {
            let message = "the first line is not `//! ...`: say what the file owns and what it must not know";
            Violation::new(&source.path, 1, "first-line", message)
        })
        .collect()
}

/// Each file parses, or the other rules would not see it.
pub(super) fn parses(tree: &Tree) -> Vec<Violation> {
    let report = |source: &SourceFile| {
        let error = source.parse_error.as_ref()?;
        Some(Violation::new(&source.path, 1, "parses", format!("the file is not Rust: {error}")))
    };
    tree.sources.iter().filter_map(report).collect()
}

/// The largest file and the longest function.
pub(super) fn summary(tree: &Tree) -> String {
    let mut lines = Vec::new();
    if let Some(source) = tree.sources.iter().max_by_key(|source| line_count(source)) {
        lines.push(format!(
            "largest file: {}, {} lines of {FILE_LINES_MAX}",
            source.path,
            line_count(source)
        ));
    }
    if let Some((source, function)) = functions(tree).max_by_key(|(_, function)| function.line_count()) {
        lines.push(format!(
            "longest function: `{}` in {}:{}, {} lines of {FUNCTION_LINES_MAX}",
            function.name,
            source.path,
            function.first_line,
            function.line_count()
        ));
    }
    lines.join("\n")
}

fn functions(tree: &Tree) -> impl Iterator<Item = (&SourceFile, &Function)> {
    tree.sources.iter().flat_map(|source| source.functions.iter().map(move |function| (source, function)))
}

fn line_count(source: &SourceFile) -> usize {
    source.text.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::{lines, tree_of};

    #[test]
    fn a_file_of_501_lines_is_too_long_and_one_of_500_is_not() {
        assert_eq!(lines(file_lines, "a.rs", &"\n".repeat(501)), [501]);
        assert_eq!(lines(file_lines, "a.rs", &"\n".repeat(500)), []);
    }

    #[test]
    fn a_function_of_71_lines_is_too_long_and_one_of_70_is_not() {
        let function = |lines: usize| format!("\n#[test]\nfn a() {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(lines(function_lines, "a.rs", &function(71)), [3]);
        assert_eq!(lines(function_lines, "a.rs", &function(70)), []);
    }

    #[test]
    fn a_file_without_a_header_is_reported() {
        assert_eq!(lines(first_line, "a.rs", "// Owns a.\n"), [1]);
        assert_eq!(lines(first_line, "a.rs", "//! Owns a.\n"), []);
    }

    #[test]
    fn a_file_that_does_not_parse_is_reported() {
        assert_eq!(lines(parses, "a.rs", "fn a("), [1]);
        assert_eq!(lines(parses, "a.rs", "fn a() {}"), []);
    }

    #[test]
    fn the_summary_names_the_largest_file_and_the_longest_function() {
        let tree = tree_of(&[("a.rs", "fn a() {\n}"), ("b.rs", "//! B.\n\nfn b() {}")]);
        let expected = "largest file: b.rs, 3 lines of 500\nlongest function: `a` in a.rs:1, 2 lines of 70";
        assert_eq!(summary(&tree), expected);
    }
}
