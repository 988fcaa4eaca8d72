//! What a run came to, in figures. Knows neither how it was measured nor how it is shown.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::demo::tally::Counts;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) counts: Counts,
    /// Messages a second from the first `send()` to the last acknowledgement (QoS 0: until the last is written).
    pub(super) publisher_rate: Option<f64>,
    /// Messages a second from the first `send()` to the last arrival.
    pub(super) subscriber_rate: Option<f64>,
    /// From `send()` to the acknowledgement; QoS 0 has none.
    pub(super) acknowledged: Option<Latency>,
    /// From `send()` to the arrival.
    pub(super) arrived: Option<Latency>,
    /// Why the run ended before its end.
    pub(super) error: Option<String>,
}

impl Outcome {
    /// How many of the messages that were sent never arrived intact.
    pub(super) const fn lost(&self) -> u64 {
        self.counts.lost(self.sent)
    }

    /// Whether everything arrived, once, in order and intact, and the run went to its end.
    pub(super) const fn is_clean(&self) -> bool {
        let Counts { doubled, out_of_order, corrupt, .. } = self.counts;
        self.error.is_none() && self.lost() == 0 && doubled == 0 && out_of_order == 0 && corrupt == 0
    }
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latency {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

/// Collects how long something took, each time.
#[derive(Debug)]
pub(super) struct Latencies {
    nanoseconds: Histogram<u64>,
}

/// What is above it counts as this: a minute.
const NANOSECONDS_MAX: u64 = 60_000_000_000;

impl Latencies {
    /// None yet; three digits are kept of each.
    pub(super) fn new() -> Self {
        let nanoseconds = Histogram::new_with_bounds(1, NANOSECONDS_MAX, 3);
        Self { nanoseconds: nanoseconds.expect("the bounds are constant and legal") }
    }

    /// Adds one.
    pub(super) fn add_ns(&mut self, nanoseconds: u64) {
        self.nanoseconds.saturating_record(nanoseconds);
    }

    /// What they come to; `None` if there are none.
    pub(super) fn latency(&self) -> Option<Latency> {
        let at = |quantile| Duration::from_nanos(self.nanoseconds.value_at_quantile(quantile));
        let max = Duration::from_nanos(self.nanoseconds.max());
        (!self.nanoseconds.is_empty()).then(|| Latency { p50: at(0.5), p99: at(0.99), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_has_the_middle_the_hundredth_from_the_top_and_the_most() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.latency(), None);
        for microseconds in 1..=1_000 {
            latencies.add_ns(microseconds * 1_000);
        }
        let latency = latencies.latency().expect("there are some");
        for (found, microseconds) in [(latency.p50, 500), (latency.p99, 990), (latency.max, 1_000)] {
            let off_by = found.abs_diff(Duration::from_micros(microseconds));
            assert!(off_by <= Duration::from_micros(1), "{found:?} instead of {microseconds} us");
        }
    }

    #[test]
    fn a_run_is_clean_only_if_nothing_at_all_went_wrong() {
        let counts = Counts { received: 5, ..Counts::default() };
        let clean = Outcome { sent: 5, counts, ..Outcome::default() };
        assert!(clean.is_clean());
        let spoilt = [
            Outcome { sent: 6, ..clean.clone() },
            Outcome { error: Some("the client ended".into()), ..clean.clone() },
            Outcome { counts: Counts { doubled: 1, ..counts }, ..clean.clone() },
            Outcome { counts: Counts { out_of_order: 1, ..counts }, ..clean.clone() },
            Outcome { counts: Counts { corrupt: 1, ..counts }, ..clean },
        ];
        for outcome in spoilt {
            assert!(!outcome.is_clean(), "{outcome:?}");
        }
    }
}
