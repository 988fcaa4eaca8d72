//! One Rust file: its code as flat tokens, its comments, its functions and which lines are tests. Must not know any rule.

mod comment;
mod function;
mod token;

pub(crate) use comment::{Comment, CommentKind};
pub(crate) use function::Function;
pub(crate) use token::{Kind, Token, is_path_separator};

/// A parsed Rust file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The code without comments, doc comments included.
    pub(crate) code: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) functions: Vec<Function>,
    /// First and last lines of items under `#[cfg(test)]` and of `#[test]` functions.
    pub(crate) test_ranges: Vec<(usize, usize)>,
    /// Whether every line is a test: a file of `tests/`, or a module that its parent declares with `#[cfg(test)]`.
    pub(crate) is_all_tests: bool,
    /// Why the file has no tokens, if it does not parse.
    pub(crate) parse_error: Option<String>,
}

impl SourceFile {
    /// Reads the text as Rust. What does not parse has no tokens and an error, which is a violation of its own.
    pub(crate) fn parse(path: String, text: String) -> Self {
        let (code, parse_error) = match token::flatten(&text) {
            Ok(code) => (code, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let comments = if parse_error.is_none() { comment::collect(&text, &code) } else { Vec::new() };
        let functions = function::collect(&code);
        let is_all_tests =
            path.split('/').any(|part| part == "tests" || part == "benches") || has_inner_cfg_test(&code);
        let test_ranges = test_ranges(&code, &functions);
        Self { path, text, code, comments, functions, test_ranges, is_all_tests, parse_error }
    }

    /// The name of the crate whose folder holds the file: `bowline-proto` for `crates/bowline-proto/src/lib.rs`.
    pub(crate) fn crate_folder(&self) -> &str {
        let below = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        below.split('/').next().unwrap_or_default()
    }

    /// Whether the file is one of the library or program itself: not of its tests, examples or benches.
    pub(crate) fn is_in_src_of(&self, crate_folder: &str) -> bool {
        self.path.strip_prefix("crates/").unwrap_or(&self.path).starts_with(&format!("{crate_folder}/src/"))
    }

    /// Whether the line belongs to a test.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_all_tests || self.test_ranges.iter().any(|&(first, last)| (first..=last).contains(&line))
    }

    /// The tokens outside tests, with their positions.
    pub(crate) fn shipped_code(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.code.iter().enumerate().filter(|(_, token)| !self.is_test_line(token.line))
    }

    /// Paths, without `.rs`, where the modules live that this file declares with `#[cfg(test)] mod name;`.
    pub(crate) fn test_module_homes(&self) -> Vec<String> {
        let folder = module_folder(&self.path);
        let declares = |at: usize| {
            self.code[at].is_ident("mod") && self.code.get(at + 2).is_some_and(|end| end.is_punct(';'))
        };
        (0..self.code.len())
            .filter(|&at| declares(at) && self.is_test_line(self.code[at].line))
            .map(|at| format!("{folder}/{}", self.code[at + 1].text))
            .collect()
    }
}

/// The folder in which the file's child modules live.
pub(crate) fn module_folder(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or((".", path));
    match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => path.strip_suffix(".rs").unwrap_or(path).to_owned(),
    }
}

fn has_inner_cfg_test(code: &[Token]) -> bool {
    code.len() > 2 && code[0].is_punct('#') && code[1].is_punct('!') && is_cfg_test(code, 2)
}

fn test_ranges(code: &[Token], functions: &[Function]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = functions
        .iter()
        .filter(|function| function.is_test)
        .map(|function| (function.item_line, function.last_line))
        .collect();
    for at in 0..code.len() {
        if code[at].is_punct('#') && is_cfg_test(code, at + 1) {
            ranges.push((code[at].line, item_last_line(code, at)));
        }
    }
    ranges
}

/// Whether the bracket group at `open` is `[cfg(test)]` or `[cfg(all(test, ..))]`.
fn is_cfg_test(code: &[Token], open: usize) -> bool {
    let word = |at: usize| code.get(open + at).map(|token| token.text.as_str()).unwrap_or_default();
    word(0) == "["
        && word(1) == "cfg"
        && word(2) == "("
        && (word(3) == "test" && word(4) == ")" || word(3) == "all" && word(5) == "test")
}

/// The last line of the item whose first attribute begins at `at`.
fn item_last_line(code: &[Token], at: usize) -> usize {
    let mut next = at;
    while next + 1 < code.len() && code[next].is_punct('#') && code[next + 1].kind == Kind::Open {
        next = code[next + 1].partner + 1;
    }
    while let Some(token) = code.get(next) {
        match token.kind {
            Kind::Open if token.text == "{" => return code[token.partner].line,
            Kind::Open => next = token.partner + 1,
            Kind::Close => return token.line,
            Kind::Punct if token.text == ";" => return token.line,
            _ => next += 1,
        }
    }
    code.last().map_or(1, |token| token.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
//! Owns nothing.
use a::b;

#[cfg(test)]
use c::d;

fn shipped() {}

#[cfg(test)]
#[allow(dead_code)]
mod tests {
    fn helper() {}
}

#[cfg(all(test, unix))]
const ONLY_TESTS: [u8; 2] = [1, 2];
fn also_shipped() {}
";

    #[test]
    fn items_under_cfg_test_are_test_lines_and_nothing_else_is() {
        let file = SourceFile::parse("crates/x/src/lib.rs".to_owned(), SAMPLE.to_owned());
        let tests: Vec<usize> = (1..=17).filter(|&line| file.is_test_line(line)).collect();
        assert_eq!(tests, [4, 5, 9, 10, 11, 12, 13, 15, 16]);
    }

    #[test]
    fn a_file_in_a_tests_folder_or_with_an_inner_cfg_test_is_all_tests() {
        let parse = |path: &str, text: &str| SourceFile::parse(path.to_owned(), text.to_owned());
        assert!(parse("crates/x/tests/it.rs", "fn a() {}").is_test_line(1));
        assert!(parse("crates/x/src/a.rs", "//! Doc.\n#![cfg(test)]\nfn a() {}").is_test_line(3));
        assert!(!parse("crates/x/src/a.rs", "#![no_std]\nfn a() {}").is_test_line(2));
    }

    #[test]
    fn text_that_does_not_parse_has_an_error() {
        let file = SourceFile::parse("a.rs".to_owned(), "fn a( {".to_owned());
        assert!(file.parse_error.is_some());
    }
}
