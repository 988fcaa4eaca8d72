//! Prints the client's state-transition table, as in `docs/transitions.md`.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

fn main() {
    print!("{}", bowline_testkit::transitions::page());
}
