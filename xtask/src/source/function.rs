//! The functions of a Rust file, those in macro bodies included. Owns where they begin and end.

use crate::source::{Kind, Token};

/// One function with a name.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its first attribute or, without one, of its signature.
    pub(crate) item_line: usize,
    /// The line on which its signature begins.
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    /// Whether it has a `#[test]` attribute, or one whose path ends in `test`.
    pub(crate) is_test: bool,
    /// Whether it has an `#[ignore]` attribute.
    pub(crate) is_ignored: bool,
}

impl Function {
    /// Lines from the signature to the closing brace.
    pub(crate) fn line_count(&self) -> usize {
        self.last_line - self.first_line + 1
    }
}

/// The functions in the code, in the order of their names.
pub(crate) fn collect(code: &[Token]) -> Vec<Function> {
    let is_name = |at: usize| code.get(at + 1).is_some_and(|next| next.kind == Kind::Ident);
    (0..code.len()).filter(|&at| code[at].is_ident("fn") && is_name(at)).map(|at| read(code, at)).collect()
}

fn read(code: &[Token], at: usize) -> Function {
    let signature = signature_start(code, at);
    let mut function = Function {
        name: code[at + 1].text.clone(),
        item_line: code[signature].line,
        first_line: code[signature].line,
        last_line: last_line(code, at),
        is_test: false,
        is_ignored: false,
    };
    let mut before = signature;
    while before >= 2 && code[before - 1].text == "]" && code[before - 1].kind == Kind::Close {
        let open = code[before - 1].partner;
        if open == 0 || !code[open - 1].is_punct('#') {
            break;
        }
        let attribute = attribute_path(&code[open + 1..before - 1]);
        function.is_test |= attribute.last() == Some(&"test");
        function.is_ignored |= attribute == ["ignore"];
        function.item_line = code[open - 1].line;
        before = open - 1;
    }
    function
}

/// The position of the first token of the signature: visibility and qualifiers stand before `fn`.
fn signature_start(code: &[Token], at: usize) -> usize {
    const QUALIFIERS: [&str; 7] = ["pub", "const", "async", "unsafe", "extern", "default", "safe"];
    let mut start = at;
    while start > 0 {
        let before = &code[start - 1];
        let is_restriction =
            before.kind == Kind::Close && before.partner > 0 && code[before.partner - 1].is_ident("pub");
        if QUALIFIERS.iter().any(|word| before.is_ident(word)) || before.kind == Kind::Literal {
            start -= 1;
        } else if is_restriction {
            start = before.partner;
        } else {
            break;
        }
    }
    start
}

/// The segments of an attribute's path: `tokio::test` for `#[tokio::test(flavor = "..")]`.
fn attribute_path(content: &[Token]) -> Vec<&str> {
    content
        .iter()
        .take_while(|token| token.kind == Kind::Ident || token.is_punct(':'))
        .filter(|token| token.kind == Kind::Ident)
        .map(|token| token.text.as_str())
        .collect()
}

fn last_line(code: &[Token], at: usize) -> usize {
    let mut next = at + 2;
    while let Some(token) = code.get(next) {
        match token.kind {
            Kind::Open if token.text == "{" => return code[token.partner].line,
            Kind::Open => next = token.partner + 1,
            Kind::Close => return code[next - 1].line,
            Kind::Punct if token.text == ";" => return token.line,
            _ => next += 1,
        }
    }
    code.last().map_or(1, |token| token.line)
}

#[cfg(test)]
mod tests {
    use crate::source::SourceFile;

    #[test]
    fn functions_know_their_lines_and_attributes() {
        let text = "\
/// Doc.
#[inline]
pub(crate) const fn long<T: Fn() -> u8>(
    a: [u8; 4],
) {
    call(fn_pointer as fn(u8));
}

trait A { fn required(&self) -> u8; }

#[tokio::test(flavor = \"x\")]
#[ignore = \"slow\"]
async fn a_test() {}
proptest! {
    #[test]
    fn in_a_macro(a in 0..3) { let _ = a; }
}
";
        let file = SourceFile::parse("a.rs".to_owned(), text.to_owned());
        let seen: Vec<_> = file
            .functions
            .iter()
            .map(|f| (f.name.as_str(), f.item_line, f.first_line, f.last_line, f.is_test, f.is_ignored))
            .collect();
        let expected = [
            ("long", 2, 3, 7, false, false),
            ("required", 9, 9, 9, false, false),
            ("a_test", 11, 13, 13, true, true),
            ("in_a_macro", 15, 16, 16, true, false),
        ];
        assert_eq!(seen, expected);
    }
}
