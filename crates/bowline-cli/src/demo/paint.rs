//! How figures and colours are written. Knows nothing of the demonstration.

use std::env;
use std::fmt::Display;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Coloured,
}

impl Paint {
    /// Coloured if it is for a terminal that takes it and NO_COLOR is not set.
    pub(super) fn for_output(is_terminal: bool) -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if is_terminal && !is_set("NO_COLOR") && !is_dumb { Self::Coloured } else { Self::Plain }
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn strong(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    pub(super) fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        match self {
            Self::Plain => text.to_string(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// A whole number with commas between the thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_stands_between_the_thousands_and_nowhere_else() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (99_999, "99,999"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn nothing_is_coloured_that_is_not_for_a_terminal() {
        assert_eq!(Paint::for_output(false), Paint::Plain);
        assert_eq!(Paint::Plain.bad("x"), "x");
        assert_eq!(Paint::Coloured.bad("x"), "\x1b[1;31mx\x1b[0m");
    }
}
