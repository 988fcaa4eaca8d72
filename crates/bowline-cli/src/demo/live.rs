//! Shows on stderr how far the runs are: a table that is drawn anew on a terminal, else a line for each run that ended.

use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::demo::outcome::Outcome;
use crate::demo::paint::{Paint, grouped};
use crate::demo::run::{Parties, Run};

/// The progress of all runs, as it is shown.
pub(super) enum Live {
    /// One line for each version and QoS, with a cell for each of [`Parties::ALL`].
    Table {
        screen: MultiProgress,
        headings: ProgressBar,
        lines: Vec<ProgressBar>,
        paint: Paint,
    },
    Lines,
}

impl Live {
    /// A table if both outputs are terminals: on one that is not, nobody wants to see it drawn again and again.
    pub(super) fn new(runs: &[std::sync::Arc<Run>]) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if !is_terminal {
            return Self::Lines;
        }
        let paint = Paint::for_output(true);
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{msg}").expect("the template is constant and legal");
        let line = |text: String| {
            let line = screen.add(ProgressBar::new(1).with_style(style.clone()));
            line.set_message(text);
            line
        };
        let [pair, one] = Parties::ALL.map(Parties::name);
        let headings = line(paint.strong(format!("MQTT   QoS  {pair:<CELL$}  {one}")));
        let lines = runs.chunks(Parties::ALL.len()).map(|_| line(String::new())).collect();
        Self::Table { screen, headings, lines, paint }
    }

    /// Shows how far the runs are; the one after the outcomes is under way.
    pub(super) fn show(&self, runs: &[std::sync::Arc<Run>], outcomes: &[Outcome]) {
        let Self::Table { lines, paint, .. } = self else { return };
        for (index, (line, runs)) in lines.iter().zip(runs.chunks(Parties::ALL.len())).enumerate() {
            let mut text = runs.first().map_or_else(String::new, |run| {
                format!("{:<5}  {:<3}", run.version.to_string(), run.qos.to_string())
            });
            for (place, run) in runs.iter().enumerate() {
                let place = index * Parties::ALL.len() + place;
                text += "  ";
                text += &cell(run, place == outcomes.len(), outcomes.get(place), *paint);
            }
            line.set_message(text);
        }
    }

    /// A run has ended.
    pub(super) fn on_end(&self, run: &Run, outcome: &Outcome) {
        if matches!(self, Self::Lines) {
            let verdict = if outcome.is_clean() { "ok" } else { "FAILED" };
            tell(&format!(
                "demo: MQTT {}, QoS {}, {}: {} of {} messages arrived: {verdict}",
                run.version,
                run.qos,
                run.parties.name(),
                grouped(outcome.counts.received),
                grouped(u64::from(run.settings.messages)),
            ));
        }
    }

    /// All runs have ended: takes the table away, for the summary says it all.
    pub(super) fn clear(&self) {
        if let Self::Table { screen, headings, lines, .. } = self {
            for line in lines.iter().chain([headings]) {
                line.finish_and_clear();
            }
            // A terminal that is gone needs no clearing.
            let _gone = screen.clear();
        }
    }

    /// Leaves the table as it was when Ctrl-C came, which the terminal has echoed behind it.
    pub(super) fn leave(&self) {
        if let Self::Table { screen, .. } = self {
            // The echo has moved the cursor, so nothing may be drawn any more.
            screen.set_draw_target(ProgressDrawTarget::hidden());
            tell("");
        }
    }
}

/// Writes a line to stderr. That nobody reads it is no reason to end.
pub(super) fn tell(line: &str) {
    _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// How wide a cell is.
const CELL: usize = 31;

/// How wide the bar in it is.
const BAR: u64 = 12;

/// Bar, messages, and the rate once it is known.
fn cell(run: &Run, is_under_way: bool, outcome: Option<&Outcome>, paint: Paint) -> String {
    let received = run.received();
    let messages = u64::from(run.settings.messages);
    let full = usize::try_from((BAR * received / messages).min(BAR)).unwrap_or(0);
    let (done, left) = ("━".repeat(full), "─".repeat(usize::try_from(BAR).unwrap_or(0) - full));
    let text = match outcome {
        Some(outcome) if !outcome.is_clean() => return paint.bad(format!("{:<CELL$}", "FAILED")),
        None if !is_under_way => return paint.faint(format!("{left} {:<width$}", "", width = CELL - 13)),
        None => format!("{:>7}           ", grouped(received)),
        Some(outcome) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is not negative"
            )]
            let rate = outcome.subscriber_rate.map_or_else(String::new, |rate| grouped(rate as u64) + "/s");
            format!("{:>7} {rate:>10}", grouped(received))
        }
    };
    let done = if outcome.is_some() { paint.good(done) } else { done };
    format!("{done}{} {text}", paint.faint(left))
}
