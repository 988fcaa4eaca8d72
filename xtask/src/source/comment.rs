//! The comments of a Rust file. Owns telling them apart from code and from strings that look like comments.

use crate::source::Token;

/// Which kind of comment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentKind {
    /// `//` or `/* */`
    Plain,
    /// `///` or `/** */`
    OuterDoc,
    /// `//!` or `/*! */`
    InnerDoc,
}

/// One line of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) kind: CommentKind,
    /// Without the slashes and the space around it.
    pub(crate) text: String,
    /// Whether there is code on the line too.
    pub(crate) trails_code: bool,
}

/// The comment lines of the text whose code tokens these are: what is left when the code is cut out.
pub(crate) fn collect(text: &str, code: &[Token]) -> Vec<Comment> {
    let mut rest = text.as_bytes().to_vec();
    let mut code_lines = vec![false; text.lines().count() + 2];
    for token in code {
        rest[token.bytes.clone()].fill(b' ');
        code_lines[token.line] = true;
        restore_line_ends(&mut rest, text, token);
    }
    let rest = String::from_utf8(rest).expect("whole tokens were replaced by spaces");
    let mut comments = split(&rest);
    for comment in &mut comments {
        comment.trails_code = code_lines[comment.line];
    }
    comments
}

/// Keeps the line count right where a literal spans lines.
fn restore_line_ends(rest: &mut [u8], text: &str, token: &Token) {
    for at in token.bytes.clone() {
        if text.as_bytes()[at] == b'\n' {
            rest[at] = b'\n';
        }
    }
}

/// The comment lines of a text that holds nothing but comments and white space.
fn split(text: &str) -> Vec<Comment> {
    let mut comments = Vec::new();
    let mut open_blocks = 0;
    let mut kind = CommentKind::Plain;
    for (index, line) in text.lines().enumerate() {
        let mut content = line.trim();
        if content.is_empty() {
            continue;
        }
        if open_blocks == 0 {
            (kind, content) = opening(content);
        }
        let is_block = open_blocks > 0 || line.trim().starts_with("/*");
        if is_block {
            open_blocks += line.matches("/*").count();
            open_blocks = open_blocks.saturating_sub(line.matches("*/").count());
        }
        let text = content.trim_end_matches("*/").trim().to_owned();
        comments.push(Comment { line: index + 1, kind, text, trails_code: false });
    }
    comments
}

fn opening(line: &str) -> (CommentKind, &str) {
    let is_rule = line.starts_with("////") || line.starts_with("/***") || line.starts_with("/**/");
    let doc_openings = [
        ("///", CommentKind::OuterDoc),
        ("/**", CommentKind::OuterDoc),
        ("//!", CommentKind::InnerDoc),
        ("/*!", CommentKind::InnerDoc),
    ];
    for (opening, kind) in doc_openings {
        if let (Some(content), false) = (line.strip_prefix(opening), is_rule) {
            return (kind, content);
        }
    }
    (CommentKind::Plain, line.trim_start_matches('/').trim_start_matches('*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    fn comments(text: &str) -> Vec<(usize, CommentKind, String)> {
        let file = SourceFile::parse("a.rs".to_owned(), text.to_owned());
        file.comments.into_iter().map(|comment| (comment.line, comment.kind, comment.text)).collect()
    }

    #[test]
    fn comments_are_told_apart_by_kind_and_line() {
        let text = "//! inner\n/// outer\nfn a() {} // plain é\n\n/* block\n   goes on */\nfn b() {}";
        let expected = [
            (1, CommentKind::InnerDoc, "inner"),
            (2, CommentKind::OuterDoc, "outer"),
            (3, CommentKind::Plain, "plain é"),
            (5, CommentKind::Plain, "block"),
            (6, CommentKind::Plain, "goes on"),
        ];
        let expected: Vec<_> = expected.map(|(line, kind, text)| (line, kind, text.to_owned())).into();
        assert_eq!(comments(text), expected);
    }

    #[test]
    fn strings_that_look_like_comments_are_code() {
        assert_eq!(comments("const A: &str = \"// no\";\nconst B: &str = r#\"\n/* no */ \"#;"), []);
    }
}
