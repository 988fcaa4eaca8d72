//! Rust source as a flat list of tokens. Owns the walk over token trees; macro bodies are tokens like all others.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ident,
    /// One character; `joint` tells whether the next one follows at once.
    Punct,
    Literal,
    /// An opening bracket, brace or parenthesis.
    Open,
    Close,
}

/// One token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) bytes: Range<usize>,
    /// For `Open` the position of its `Close`, and the other way round; else 0.
    pub(crate) partner: usize,
    joint: bool,
}

impl Token {
    /// Whether it is this identifier or keyword.
    pub(crate) fn is_ident(&self, name: &str) -> bool {
        self.kind == Kind::Ident && self.text == name
    }

    /// Whether it is this punctuation character.
    pub(crate) fn is_punct(&self, character: char) -> bool {
        self.kind == Kind::Punct && self.text.starts_with(character)
    }

    /// Whether it opens a group with this character.
    pub(crate) fn opens(&self, bracket: &str) -> bool {
        self.kind == Kind::Open && self.text == bracket
    }
}

/// Whether `::` begins at this position.
pub(crate) fn is_path_separator(code: &[Token], at: usize) -> bool {
    matches!(code.get(at..at + 2), Some([first, second]) if first.is_punct(':') && first.joint && second.is_punct(':'))
}

/// The tokens of the text, groups opened up and doc comments left out.
pub(crate) fn flatten(text: &str) -> Result<Vec<Token>, String> {
    let stream = TokenStream::from_str(text)
        .map_err(|error| format!("line {}: {error}", error.span().start().line))?;
    let mut code = Vec::new();
    push_stream(stream, text, &mut code);
    Ok(code)
}

fn push_stream(stream: TokenStream, text: &str, code: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        if is_doc_comment(&tree, text) {
            // A doc comment arrives as `#`, perhaps `!`, and a bracket group, all with the comment's own span.
            trees.next_if(|next| matches!(next, TokenTree::Punct(punct) if punct.as_char() == '!'));
            trees.next();
            continue;
        }
        push_tree(tree, text, code);
    }
}

fn push_tree(tree: TokenTree, text: &str, code: &mut Vec<Token>) {
    let span = tree.span();
    let (kind, content, joint) = match tree {
        TokenTree::Group(group) => {
            let (open, close) = match group.delimiter() {
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
            };
            let opened = code.len();
            code.push(token(Kind::Open, open.to_owned(), false, group.span_open()));
            push_stream(group.stream(), text, code);
            code[opened].partner = code.len();
            code.push(Token {
                partner: opened,
                ..token(Kind::Close, close.to_owned(), false, group.span_close())
            });
            return;
        }
        TokenTree::Ident(ident) => (Kind::Ident, ident.to_string(), false),
        TokenTree::Punct(punct) => {
            (Kind::Punct, punct.as_char().to_string(), punct.spacing() == Spacing::Joint)
        }
        TokenTree::Literal(literal) => (Kind::Literal, literal.to_string(), false),
    };
    code.push(token(kind, content, joint, span));
}

fn token(kind: Kind, text: String, joint: bool, span: proc_macro2::Span) -> Token {
    Token { kind, text, line: span.start().line, bytes: span.byte_range(), partner: 0, joint }
}

fn is_doc_comment(tree: &TokenTree, text: &str) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '#')
        && !text.get(tree.span().byte_range()).is_some_and(|source| source.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_opened_up_and_know_their_partners() {
        let code = flatten("fn a() { b![c::d] }").unwrap();
        let words: Vec<&str> = code.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(words, ["fn", "a", "(", ")", "{", "b", "!", "[", "c", ":", ":", "d", "]", "}"]);
        assert_eq!((code[4].partner, code[13].partner), (13, 4));
        assert!(is_path_separator(&code, 9));
        assert!(!is_path_separator(&code, 10));
    }

    #[test]
    fn doc_comments_are_not_code() {
        let code =
            flatten("//! a\n/// b\nstruct C; /** d */ mod e {\n//! f\n}\n#[doc = \"g\"] struct H;").unwrap();
        let words: String = code.iter().map(|token| format!("{} ", token.text)).collect();
        assert_eq!(words, "struct C ; mod e { } # [ doc = \"g\" ] struct H ; ");
    }

    #[test]
    fn byte_ranges_survive_multibyte_text_and_a_second_file() {
        for text in ["\"ä\" é", "\"äöü\" ab"] {
            let code = flatten(text).unwrap();
            assert_eq!(&text[code[1].bytes.clone()], code[1].text);
        }
    }
}
