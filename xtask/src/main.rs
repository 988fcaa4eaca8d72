//! House rules as commands.

fn main() {}
