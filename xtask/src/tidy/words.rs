//! Words that do not land: unfinished work, tests switched off in silence, paths of one machine.

use crate::source::{Kind, SourceFile};
use crate::tidy::Violation;
use crate::tree::Tree;

const UNFINISHED_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];
/// Put together here so that this file does not break its own rule.
const UNFINISHED_WORDS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp", "/wt")];

/// No unfinished work in code or comments.
pub(super) fn no_unfinished_work(tree: &Tree) -> Vec<Violation> {
    let mut found: Vec<Violation> = tree.sources.iter().flat_map(unfinished_in_source).collect();
    let scripts =
        tree.texts.iter().filter(|file| file.path.ends_with(".toml") || file.path.starts_with(".ci/"));
    for file in scripts {
        for (index, line) in file.text.lines().enumerate().filter(|(_, line)| line.contains('#')) {
            found.extend(unfinished_word(line).map(|word| unfinished(&file.path, index + 1, word)));
        }
    }
    found
}

fn unfinished_in_source(source: &SourceFile) -> Vec<Violation> {
    let is_macro = |at: usize| {
        UNFINISHED_MACROS.iter().any(|name| source.code[at].is_ident(name))
            && source.code.get(at + 1).is_some_and(|next| next.is_punct('!'))
    };
    let in_code = (0..source.code.len()).filter(|&at| is_macro(at));
    let in_code = in_code.map(|at| unfinished(&source.path, source.code[at].line, &source.code[at].text));
    let in_comments = source.comments.iter().filter_map(|comment| {
        unfinished_word(&comment.text).map(|word| unfinished(&source.path, comment.line, word))
    });
    in_code.chain(in_comments).collect()
}

fn unfinished_word(text: &str) -> Option<&'static str> {
    let words = || text.split(|character: char| !character.is_alphanumeric() && character != '_');
    UNFINISHED_WORDS.into_iter().find(|wanted| words().any(|word| word == *wanted))
}

fn unfinished(path: &str, line: usize, word: &str) -> Violation {
    Violation::new(
        path,
        line,
        "unfinished",
        format!("`{word}`: finish it, or file an issue and say what is so"),
    )
}

/// `#[ignore]` says why.
pub(super) fn ignored_tests_say_why(tree: &Tree) -> Vec<Violation> {
    let silent = |source: &SourceFile, at: usize| {
        let code = &source.code;
        code[at].is_ident("ignore")
            && at > 1
            && code[at - 1].opens("[")
            && code[at - 2].is_punct('#')
            && code[at + 1].kind == Kind::Close
    };
    let mut found = Vec::new();
    for source in &tree.sources {
        for at in (0..source.code.len()).filter(|&at| silent(source, at)) {
            let message =
                "a test is ignored without a reason: write `#[ignore = \"why, and when to run it\"]`";
            found.push(Violation::new(&source.path, source.code[at].line, "ignored-tests", message));
        }
    }
    found
}

/// No absolute path of a developer's or a build machine in any file.
pub(super) fn no_machine_paths(tree: &Tree) -> Vec<Violation> {
    let sources = tree.sources.iter().map(|source| (&source.path, &source.text));
    let texts = tree.texts.iter().map(|file| (&file.path, &file.text));
    let mut found = Vec::new();
    for (path, text) in sources.chain(texts).filter(|(path, _)| !path.starts_with("fuzz/corpus/")) {
        for (index, line) in text.lines().enumerate() {
            found.extend(machine_path(line).map(|prefix| {
                let message =
                    format!("`{prefix}` is a path of one machine: use a relative path or a variable");
                Violation::new(path, index + 1, "machine-paths", message)
            }));
        }
    }
    found
}

/// The machine path in the line. Where a name precedes the slash it is a topic or an address: `sensors/home/x`.
fn machine_path(line: &str) -> Option<&'static str> {
    let begins_path = |at: usize| {
        !line[..at].ends_with(|character: char| character.is_alphanumeric() || "_-./+#}*".contains(character))
    };
    MACHINE_PATHS.into_iter().find(|prefix| line.match_indices(prefix).any(|(at, _)| begins_path(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::lines;

    #[test]
    fn unfinished_work_is_reported_in_code_and_comments() {
        let text = format!("fn a() {{\n  todo!();\n  dbg!(1);\n}}\n// {}: later\n", UNFINISHED_WORDS[0]);
        assert_eq!(lines(no_unfinished_work, "a.rs", &text), [2, 3, 5]);
        assert_eq!(lines(no_unfinished_work, ".ci/run", &format!("\n# {}", UNFINISHED_WORDS[1])), [2]);
    }

    #[test]
    fn words_that_only_look_unfinished_are_fine() {
        let text = "fn todo() { a(todo); }\n// Exit XXXIX, todo lists\nconst A: &str = \"no\";";
        assert_eq!(lines(no_unfinished_work, "a.rs", text), []);
    }

    #[test]
    fn a_test_ignored_in_silence_is_reported() {
        assert_eq!(lines(ignored_tests_say_why, "a.rs", "#[test]\n#[ignore]\nfn a() {}"), [2]);
        assert_eq!(lines(ignored_tests_say_why, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}"), []);
    }

    #[test]
    fn machine_paths_are_reported_in_any_file() {
        for (at, prefix) in MACHINE_PATHS.into_iter().enumerate() {
            let path = if at % 2 == 0 { "README.md" } else { "a.rs" };
            assert_eq!(lines(no_machine_paths, path, &format!("\n// see {prefix}x")), [2], "{prefix}");
        }
    }

    #[test]
    fn topics_and_relative_paths_are_not_machine_paths() {
        let text = format!("a{}b ..{} +{0}", MACHINE_PATHS[2], MACHINE_PATHS[0]);
        assert_eq!(lines(no_machine_paths, "README.md", &text), []);
    }
}
