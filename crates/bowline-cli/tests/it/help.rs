//! How help looks on narrow and wide terminals.

use crate::process::{Process, bowline};

const COMMANDS: [&[&str]; 7] =
    [&[], &["pub"], &["sub"], &["broker"], &["store"], &["store", "inspect"], &["demo"]];

/// Why these two lines, one below the other, are not how a text is broken at this width.
fn flaw(line: &str, next: &str, width: usize) -> Option<&'static str> {
    let is_indented = |line: &str| line.starts_with(' ');
    match (line.is_empty() || next.is_empty(), is_indented(line), is_indented(next)) {
        (false, true, false) => Some("an item goes on at the margin"),
        (false, false, false) => {
            let word = next.split(' ').next().unwrap_or(next);
            let would_fit = line.chars().count() + 1 + word.chars().count() <= width;
            would_fit.then_some("a line ends early")
        }
        _ => None,
    }
}

#[test]
fn help_fills_its_lines_at_80_and_120_columns_and_breaks_no_item() {
    for width in [80, 120] {
        for command in COMMANDS {
            let mut process = bowline([command, &["--help"]].concat());
            process.env("COLUMNS", width.to_string());
            let help = String::from_utf8(Process::start(&mut process).finish().successful()).unwrap();
            let lines: Vec<&str> = help.lines().collect();
            for line in &lines {
                assert!(line.chars().count() <= width, "{command:?} at {width}: {line}");
            }
            for pair in lines.windows(2) {
                let flaw = flaw(pair[0], pair[1], width);
                assert_eq!(flaw, None, "{command:?} at {width}:\n{}\n{}", pair[0], pair[1]);
            }
        }
    }
}
