//! What the protocol crate must not reach for, and queues that nothing bounds.

use crate::source::{Kind, SourceFile, is_path_separator};
use crate::tidy::Violation;
use crate::tree::Tree;

const PROTO_ROOT: &str = "crates/bowline-proto/src/lib.rs";
/// The protocol crate is `no_std`, so the compiler already refuses these; the rule refuses the `extern crate` that would let them in.
const FOREIGN: [&str; 7] = ["std", "tokio", "rand", "getrandom", "async_std", "smol", "libc"];

/// The protocol crate, tests excepted, names no clock, random number, thread, socket, file or runtime.
pub(super) fn proto_is_pure(tree: &Tree) -> Vec<Violation> {
    tree.sources
        .iter()
        .filter(|source| source.is_in_src_of("bowline-proto"))
        .flat_map(foreign_names)
        .collect()
}

/// The protocol crate is `no_std` whatever its features: this is what makes the compiler refuse the rest.
pub(super) fn proto_is_no_std(tree: &Tree) -> Vec<Violation> {
    let Some(root) = tree.sources.iter().find(|source| source.path == PROTO_ROOT) else { return Vec::new() };
    let words: Vec<&str> = root.code.iter().map(|token| token.text.as_str()).collect();
    if words.windows(5).any(|window| window == ["#", "!", "[", "no_std", "]"]) {
        return Vec::new();
    }
    let message =
        "the sans-I/O crate is not `#![no_std]`: without it the compiler lets clocks and sockets in";
    vec![Violation::new(PROTO_ROOT, 1, "pure-proto", message)]
}

fn foreign_names(source: &SourceFile) -> Vec<Violation> {
    let code = &source.code;
    // `::tokio` begins a path, `crate::tokio` goes on with one.
    let goes_on = |at: usize| at >= 3 && is_path_separator(code, at - 2) && code[at - 3].kind == Kind::Ident;
    let begins_path = |at: usize| {
        is_path_separator(code, at + 1) && !goes_on(at) || at > 0 && code[at - 1].is_ident("crate")
    };
    source
        .shipped_code()
        .filter(|(at, token)| FOREIGN.iter().any(|name| token.is_ident(name)) && begins_path(*at))
        .map(|(_, token)| {
            let message = format!(
                "`{}` in the sans-I/O crate: take time, seeds and bytes as arguments and return what is to be done",
                token.text
            );
            Violation::new(&source.path, token.line, "pure-proto", message)
        })
        .collect()
}

/// No channel without a capacity, in any crate.
pub(super) fn no_unbounded_channels(tree: &Tree) -> Vec<Violation> {
    tree.sources.iter().flat_map(unbounded_channels).collect()
}

fn unbounded_channels(source: &SourceFile) -> Vec<Violation> {
    const NAMES: [&str; 4] = ["unbounded_channel", "UnboundedSender", "UnboundedReceiver", "unbounded"];
    let is_unbounded = |at: usize| {
        let token = &source.code[at];
        NAMES.iter().any(|name| token.is_ident(name))
            || token.is_ident("channel") && is_called_with_nothing(source, at)
    };
    (0..source.code.len())
        .filter(|&at| is_unbounded(at))
        .map(|at| {
            let message =
                "a channel without a bound: give it a named capacity and say what happens when it is full";
            Violation::new(&source.path, source.code[at].line, "bounded", message)
        })
        .collect()
}

/// Whether `name()` or `name::<T>()` stands here, as a free function: std's `channel()` is the unbounded one. A `oneshot` takes
/// one value.
fn is_called_with_nothing(source: &SourceFile, at: usize) -> bool {
    let code = &source.code;
    if at > 0 && (code[at - 1].is_ident("fn") || code[at - 1].is_punct('.')) {
        return false;
    }
    if at > 2 && code[at - 3].is_ident("oneshot") {
        return false;
    }
    let mut next = at + 1;
    if is_path_separator(code, next) {
        while next < code.len() && code[next].kind != Kind::Open && !code[next].is_punct(';') {
            next += 1;
        }
    }
    code.get(next).is_some_and(|open| open.opens("(") && open.partner == next + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::lines;

    const PROTO: &str = "crates/bowline-proto/src/a.rs";

    #[test]
    fn std_and_runtimes_in_the_protocol_crate_are_reported() {
        let text =
            "use std::time::Instant;\nextern crate std;\nfn a() { ::tokio::spawn(b); }\nuse rand::Rng;";
        assert_eq!(lines(proto_is_pure, PROTO, text), [1, 2, 3, 4]);
    }

    #[test]
    fn core_own_modules_tests_and_other_crates_may() {
        let text =
            "use core::time::Duration;\nuse crate::rand::Seed;\n#[cfg(test)]\nextern crate std;\n// std::fs";
        assert_eq!(lines(proto_is_pure, PROTO, text), []);
        assert_eq!(lines(proto_is_pure, "crates/bowline/src/a.rs", "use std::fs;"), []);
    }

    #[test]
    fn a_protocol_crate_with_std_is_reported() {
        for text in ["//! #![no_std]", "#![cfg_attr(not(test), no_std)]"] {
            assert_eq!(lines(proto_is_no_std, PROTO_ROOT, text), [1], "{text}");
        }
        assert_eq!(lines(proto_is_no_std, PROTO_ROOT, "//! A.\n#![no_std]"), []);
        assert_eq!(lines(proto_is_no_std, "crates/bowline/src/lib.rs", "//! A."), []);
    }

    #[test]
    fn channels_without_a_capacity_are_reported() {
        let text = "fn a() {\n  mpsc::unbounded_channel();\n  std::sync::mpsc::channel();\n  channel::<u8>();\n  oneshot::channel();\n}";
        assert_eq!(lines(no_unbounded_channels, "crates/bowline/src/a.rs", text), [2, 3, 4]);
    }

    #[test]
    fn channels_with_a_capacity_are_fine() {
        let text =
            "fn channel() {}\nfn a() {\n  mpsc::channel(16);\n  sync_channel::<u8>(1);\n  self.channel();\n}";
        assert_eq!(lines(no_unbounded_channels, "crates/bowline/src/a.rs", text), []);
    }
}
