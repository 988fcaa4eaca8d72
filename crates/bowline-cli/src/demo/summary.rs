//! The summary at the end: what was done, a table of what came of it, and the verdict. Measures nothing.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::demo::outcome::{Latency, Outcome};
use crate::demo::paint::{Paint, grouped};
use crate::demo::run::{Parties, Run, Settings};

/// What there is to tell.
pub(super) struct Summary<'a> {
    pub(super) settings: &'a Settings,
    /// All runs, those that were not begun included.
    pub(super) runs: &'a [Arc<Run>],
    /// Of the first runs; fewer than runs if it was interrupted.
    pub(super) outcomes: &'a [Outcome],
    /// What the broker has found wrong with the clients; `None` for a broker that does not say.
    pub(super) violations: Option<Vec<String>>,
    pub(super) paint: Paint,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    Interrupted,
}

impl Summary<'_> {
    /// The verdict.
    pub(super) fn verdict(&self) -> Verdict {
        let has_violations = self.violations.as_ref().is_some_and(|violations| !violations.is_empty());
        if has_violations || !self.outcomes.iter().all(Outcome::is_clean) {
            Verdict::Failed
        } else if self.outcomes.len() < self.runs.len() {
            Verdict::Interrupted
        } else {
            Verdict::Passed
        }
    }

    /// All of it, as text of several lines.
    pub(super) fn text(&self) -> String {
        let mut text = self.introduction();
        text.push('\n');
        self.write_table(&mut text);
        self.write_problems(&mut text);
        text.push_str(NOTES);
        text.push_str(if self.settings.has_window { WINDOW_OF_ALL } else { WINDOW_OF_SOME });
        text.push_str(if cfg!(debug_assertions) { NOT_OPTIMISED } else { "\n" });
        let _ = writeln!(text, "{}", self.last_line());
        text
    }

    fn introduction(&self) -> String {
        let Settings { messages, payload_bytes, .. } = self.settings;
        let url = self.settings.shown_url();
        let whose = match self.violations {
            Some(_) => "a strict broker inside this program",
            None => "the broker",
        };
        let is_all_sent = self.outcomes.iter().all(|outcome| outcome.sent == u64::from(*messages));
        let did = if is_all_sent { "sent" } else { "tried to send" };
        let runs = if self.outcomes.len() < self.runs.len() {
            format!("the first {} of {} runs", self.outcomes.len(), self.runs.len())
        } else {
            format!("{} runs", self.runs.len())
        };
        wrapped(&format!(
            "This program {did} {} messages of {} bytes in each of {runs} (every version of MQTT and every QoS, once \
             from a publisher to a subscriber and once from a client to itself) through {whose} at {url}, and checked \
             number and checksum of each message on arrival.",
            grouped(u64::from(*messages)),
            grouped(u64::try_from(*payload_bytes).unwrap_or(u64::MAX)),
        ))
    }

    fn write_table(&self, text: &mut String) {
        let mut rows = Vec::new();
        for (run, outcome) in self.runs.iter().zip(self.outcomes) {
            match run.parties {
                Parties::PublisherAndSubscriber => {
                    rows.push(publisher_row(run, outcome));
                    rows.push(receiver_row(run, outcome, "subscriber"));
                }
                Parties::OneClient => rows.push(receiver_row(run, outcome, "both")),
            }
        }
        let widths: Vec<usize> = (0..HEADINGS.len())
            .map(|column| {
                let cells = rows.iter().map(|row: &Row| row.cells[column].len());
                cells.max().unwrap_or(0).max(HEADINGS[column].1.len())
            })
            .collect();
        let line = |cells: &[&str]| {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = HEADINGS[column].0;
                let _ = match column {
                    0..LEFT_COLUMNS => write!(line, "{gap}{cell:<width$}"),
                    _ => write!(line, "{gap}{cell:>width$}"),
                };
            }
            line
        };
        let headings = line(&HEADINGS.map(|(_, heading)| heading));
        let above = format!("{LATENCY:>width$}", width = headings.len());
        let _ = writeln!(text, "{}\n{}", self.paint.strong(above), self.paint.strong(headings));
        let mut version = None;
        for row in &rows {
            if version.replace(row.run.version).is_some_and(|before| before != row.run.version) {
                text.push('\n');
            }
            let cells: Vec<&str> = row.cells.iter().map(String::as_str).collect();
            let line = line(&cells);
            let _ = writeln!(text, "{}", if row.is_clean { line } else { self.paint.bad(line) });
        }
        text.push('\n');
    }

    fn write_problems(&self, text: &mut String) {
        let mut has_problems = false;
        for (run, outcome) in self.runs.iter().zip(self.outcomes) {
            if let Some(error) = &outcome.error {
                has_problems = true;
                let _ =
                    writeln!(text, "MQTT {}, QoS {}, {}: {error}", run.version, run.qos, run.parties.name());
            }
        }
        for violation in self.violations.iter().flatten().take(VIOLATIONS_SHOWN) {
            has_problems = true;
            let _ = writeln!(text, "protocol violation: {violation}");
        }
        if let Some(run) = self.runs.get(self.outcomes.len()) {
            has_problems = true;
            let _ = writeln!(
                text,
                "Interrupted in MQTT {}, QoS {}, {}, after {} of {} messages.",
                run.version,
                run.qos,
                run.parties.name(),
                grouped(run.received()),
                grouped(u64::from(run.settings.messages)),
            );
        }
        if has_problems {
            text.push('\n');
        }
    }

    fn last_line(&self) -> String {
        let sum = |figure: fn(&Outcome) -> u64| grouped(self.outcomes.iter().map(figure).sum());
        let mut line = format!(
            "demo: {} messages, {} lost, {} doubled, {} out of order, {} corrupt",
            sum(|outcome| outcome.sent),
            sum(Outcome::lost),
            sum(|outcome| outcome.counts.doubled),
            sum(|outcome| outcome.counts.out_of_order),
            sum(|outcome| outcome.counts.corrupt),
        );
        if let Some(violations) = &self.violations {
            let _ = write!(line, ", {} protocol violations", violations.len());
        }
        let verdict = match self.verdict() {
            Verdict::Passed => self.paint.good("OK"),
            Verdict::Failed => self.paint.bad("FAILED"),
            Verdict::Interrupted => self.paint.strong("INTERRUPTED"),
        };
        format!("{line}: {verdict}")
    }
}

/// How many violations are shown; the verdict counts all.
const VIOLATIONS_SHOWN: usize = 10;

/// How to read the table.
const NOTES: &str = "\
msg/s    at full speed, all messages of a run but the last (a half, at most 200): a publisher until
         the last is acknowledged (QoS 0: written), the others until it has arrived
latency  of these last messages, sent one per millisecond: a publisher from send() to the
         acknowledgement (QoS 0 has none), the others from send() to the arrival
disorder messages that arrived after one that was sent later
";

/// Where messages were held back, and why.
const WINDOW_OF_SOME: &str = "\
window   QoS 0, both: at most 500 messages under way, for a client that is sending does not stop
         reading, and drops QoS 0 that its stream has no room for (by default beyond 1,024)
";

/// The same with a broker that is not ours.
const WINDOW_OF_ALL: &str = "\
window   at most 500 messages under way, for many brokers drop what they cannot queue
";

/// What a build for debugging says.
const NOT_OPTIMISED: &str = "\
build    not optimised, so rates and latencies say little: cargo run --release -- demo

";

/// The heading of each column, and what stands before the column.
const HEADINGS: [(&str, &str); 13] = [
    ("", "MQTT"),
    ("  ", "QoS"),
    ("  ", "role"),
    (" ", "sent"),
    ("  ", "received"),
    ("  ", "lost"),
    (" ", "doubled"),
    (" ", "disorder"),
    (" ", "corrupt"),
    ("  ", "msg/s"),
    ("  ", "p50"),
    (" ", "p99"),
    (" ", "max"),
];

/// Stands above the last columns.
const LATENCY: &str = "latency in ms";

/// The first columns are text, the others figures.
const LEFT_COLUMNS: usize = 3;

/// One line of the table.
struct Row<'a> {
    run: &'a Run,
    cells: [String; HEADINGS.len()],
    is_clean: bool,
}

fn publisher_row<'a>(run: &'a Run, outcome: &Outcome) -> Row<'a> {
    let none = || "-".to_owned();
    let [p50, p99, max] = latency_cells(outcome.acknowledged);
    let cells = [
        run.version.to_string(),
        run.qos.to_string(),
        "publisher".into(),
        grouped(outcome.sent),
        none(),
        none(),
        none(),
        none(),
        none(),
        rate_cell(outcome.publisher_rate),
        p50,
        p99,
        max,
    ];
    Row { run, cells, is_clean: outcome.error.is_none() }
}

/// For a subscriber, which sends nothing, and for a client that does both.
fn receiver_row<'a>(run: &'a Run, outcome: &Outcome, role: &str) -> Row<'a> {
    let sent = match run.parties {
        Parties::PublisherAndSubscriber => "-".into(),
        Parties::OneClient => grouped(outcome.sent),
    };
    let [p50, p99, max] = latency_cells(outcome.arrived);
    let cells = [
        run.version.to_string(),
        run.qos.to_string(),
        role.into(),
        sent,
        grouped(outcome.counts.received),
        grouped(outcome.lost()),
        grouped(outcome.counts.doubled),
        grouped(outcome.counts.out_of_order),
        grouped(outcome.counts.corrupt),
        rate_cell(outcome.subscriber_rate),
        p50,
        p99,
        max,
    ];
    Row { run, cells, is_clean: outcome.is_clean() }
}

fn rate_cell(rate: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative")]
    rate.map_or_else(|| "-".into(), |rate| grouped(rate as u64))
}

fn latency_cells(latency: Option<Latency>) -> [String; 3] {
    match latency {
        Some(Latency { p50, p99, max }) => [p50, p99, max].map(milliseconds),
        None => std::array::from_fn(|_| "-".into()),
    }
}

/// Milliseconds with the digits that matter.
fn milliseconds(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1e3;
    let decimals = match milliseconds {
        ..10.0 => 3,
        10.0..100.0 => 2,
        _ => 0,
    };
    format!("{milliseconds:.decimals$}")
}

/// Breaks a text into lines.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > WIDTH {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += word.len();
    }
    wrapped.push('\n');
    wrapped
}

/// How wide the summary is, in characters.
const WIDTH: usize = 96;

#[cfg(test)]
mod tests {
    use bowline::{QoS, Version};

    use super::*;
    use crate::demo::tally::Counts;

    const MESSAGES: u32 = 1_000;

    fn settings() -> Settings {
        Settings {
            url: "mqtt://127.0.0.1:1883".into(),
            topic_prefix: "demo".into(),
            messages: MESSAGES,
            payload_bytes: 64,
            has_window: false,
        }
    }

    fn clean() -> Outcome {
        let counts = Counts { received: u64::from(MESSAGES), ..Counts::default() };
        Outcome { sent: u64::from(MESSAGES), counts, ..Outcome::default() }
    }

    /// The verdict and the text of a demonstration of two runs.
    fn told(outcomes: &[Outcome], violations: Option<Vec<String>>) -> (Verdict, String) {
        let settings = settings();
        let runs: Vec<_> = Parties::ALL
            .map(|parties| Arc::new(Run::new(settings.clone(), Version::V5, QoS::AtLeastOnce, parties, 1)))
            .into();
        let summary = Summary { settings: &settings, runs: &runs, outcomes, violations, paint: Paint::Plain };
        (summary.verdict(), summary.text())
    }

    #[test]
    fn a_clean_demonstration_passes_and_its_last_line_says_so() {
        let (verdict, text) = told(&[clean(), clean()], Some(Vec::new()));
        assert_eq!(verdict, Verdict::Passed);
        let last =
            "demo: 2,000 messages, 0 lost, 0 doubled, 0 out of order, 0 corrupt, 0 protocol violations: OK";
        assert_eq!(text.lines().last(), Some(last));
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }

    #[test]
    fn a_violation_fails_a_demonstration_that_is_clean_otherwise_and_is_told() {
        let violations = vec!["client `a`: PUBACK for nothing".to_owned()];
        let (verdict, text) = told(&[clean(), clean()], Some(violations));
        assert_eq!(verdict, Verdict::Failed);
        assert!(text.contains("protocol violation: client `a`: PUBACK for nothing"), "{text}");
        assert!(text.ends_with("1 protocol violations: FAILED\n"), "{text}");
    }

    #[test]
    fn an_interrupted_demonstration_says_how_far_it_was_and_is_neither_passed_nor_failed() {
        let (verdict, text) = told(&[clean()], None);
        assert_eq!(verdict, Verdict::Interrupted);
        assert!(
            text.contains("Interrupted in MQTT 5.0, QoS 1, both in one client, after 0 of 1,000"),
            "{text}"
        );
        assert!(text.ends_with("0 corrupt: INTERRUPTED\n"), "{text}");
        let spoilt = Outcome { sent: u64::from(MESSAGES) + 1, ..clean() };
        assert_eq!(told(&[spoilt], None).0, Verdict::Failed);
    }

    #[test]
    fn a_run_that_failed_is_told_with_its_reason_and_no_lie_about_what_was_sent() {
        let failed = Outcome { error: Some("the broker is gone".into()), ..Outcome::default() };
        let (verdict, text) = told(&[failed, clean()], None);
        assert_eq!(verdict, Verdict::Failed);
        assert!(text.contains("MQTT 5.0, QoS 1, publisher to subscriber: the broker is gone"), "{text}");
        assert!(text.starts_with("This program tried to send 1,000 messages of 64 bytes"), "{text}");
    }

    #[test]
    fn milliseconds_have_the_digits_that_matter() {
        for (microseconds, text) in [(85, "0.085"), (1_234, "1.234"), (45_678, "45.68"), (2_345_678, "2346")]
        {
            assert_eq!(milliseconds(Duration::from_micros(microseconds)), text);
        }
    }
}
